"""`python -m analysis.bench`."""

from .command import main

main()
