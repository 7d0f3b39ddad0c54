"""The commands of `python -m diffusionret`, one a file: what is asked for, and what is printed where.

What a command does is the library's; it is imported where the command runs, so that help and completion come at once.
"""
