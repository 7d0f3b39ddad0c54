"""`python -m analysis.words`."""

from .command import main

main()
