"""Spicepod YAML and the environment -> Dataset.

``load_pod`` loads a Spicepod, ``describe`` says what it would do, ``read_tls`` reads a certificate
and its key, ``json_schema`` is for editors, and ``STARTER`` is the Spicepod that ``headrace init`` writes. The names are loaded when first asked for: pydantic
and the YAML reader take longer to import than a help text may.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.config.description import describe
    from headrace.config.load import load_pod
    from headrace.config.pod import Pod
    from headrace.config.schema import json_schema
    from headrace.config.serving import read_tls
    from headrace.config.starter import STARTER

__all__ = ["STARTER", "Pod", "describe", "json_schema", "load_pod", "read_tls"]

_HOMES = {
    "STARTER": "starter",
    "Pod": "pod",
    "describe": "description",
    "json_schema": "schema",
    "load_pod": "load",
    "read_tls": "serving",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace.config' has no attribute '{name}'")
    return getattr(import_module(f"headrace.config.{_HOMES[name]}"), name)
