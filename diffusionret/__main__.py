"""`python -m diffusionret`."""

import sys

try:
    from .cli import program

    status = program()
except KeyboardInterrupt:  # before a command runs
    sys.stderr.write("Interrupted.\n")
    status = 130
sys.exit(status)
