"""`python -m analysis.text_towers`."""

from .command import main

main()
