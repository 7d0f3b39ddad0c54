"""`python -m analysis.visitors`."""

from .command import main

main()
