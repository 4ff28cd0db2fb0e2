"""A client of Marginal over the standard library; pandas frames go in and come out."""

from .client import Client, NotDoneError, RefusedError, UnreachableError, frame

__all__ = ["Client", "NotDoneError", "RefusedError", "UnreachableError", "frame"]
