"""The generators: ways to denoise the joint distribution of queries and their candidates.

interface.py says what one is, registry.py knows them by the names that users choose. A new one is a file with a class
after `Generator`, and `register` of it.
"""

from .interface import Generator
from .openset import OpenSetGenerator
from .published import PublishedGenerator
from .registry import GENERATORS, register

__all__ = ["GENERATORS", "Generator", "OpenSetGenerator", "PublishedGenerator", "register"]

register(PublishedGenerator)
register(OpenSetGenerator)
