"""`python -m analysis.open_set_design`."""

from .command import main

main()
