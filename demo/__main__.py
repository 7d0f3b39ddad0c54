"""`python -m demo`."""

from .app import main

main()
