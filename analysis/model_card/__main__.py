"""`python -m analysis.model_card`."""

from .command import main

main()
