"""Marginal: where should the next unit of marketing money go?"""

__version__ = "0.1.0"
