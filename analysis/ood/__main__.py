"""`python -m analysis.ood`."""

from .command import main

main()
