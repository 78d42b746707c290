"""A user's Python function, run on batches in processes of its own, as AWS Lambda would.

``consumer`` is the pool of processes, ``child`` what runs within each of them.
"""

from __future__ import annotations

from importlib import import_module

# As in headrace itself.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from headrace.functions.consumer import FunctionConsumer

__all__ = ["FunctionConsumer"]


def __getattr__(name: str) -> object:
    """Load the pool when it is asked for: the processes themselves need none of it."""
    if name != "FunctionConsumer":
        raise AttributeError(f"module 'headrace.functions' has no attribute '{name}'")
    return import_module("headrace.functions.consumer").FunctionConsumer
