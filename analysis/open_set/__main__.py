"""`python -m analysis.open_set`."""

from .command import main

main()
