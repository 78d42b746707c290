"""Syntax trees compared without regard to where in the text their parts stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PLACE: Final = "query_location"
"""Where in the statement's UTF-8 text a node begins."""


def outline(node: Any, instead: Mapping[int, Any] | None = None) -> Any:
    """The tree below ``node`` without places, and with the outlines ``instead`` of the nodes with these ids."""
    if isinstance(node, list):
        return [outline(child, instead) for child in node]
    if not isinstance(node, dict):
        return node
    if instead and id(node) in instead:
        return instead[id(node)]
    return {key: outline(child, instead) for key, child in node.items() if key != PLACE}
