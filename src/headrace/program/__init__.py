"""Headrace from within a program or a notebook.

``connect`` asks a runtime that runs elsewhere, ``open`` runs one here. The names are loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.program.client import connect
    from headrace.program.opened import Headrace, open  # noqa: A004 - it is called as `headrace.open`
    from headrace.program.result import Result

__all__ = ["Headrace", "Result", "connect", "open"]

_HOMES = {"Headrace": "opened", "Result": "result", "connect": "client", "open": "opened"}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace.program' has no attribute '{name}'")
    return getattr(import_module(f"headrace.program.{_HOMES[name]}"), name)
