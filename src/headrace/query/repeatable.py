"""Whether a statement answers the same as long as its tables stay the same."""

from __future__ import annotations

from typing import Any

from headrace.query.functions import CHANGING
from headrace.query.parser import Tree


def is_repeatable(tree: Tree) -> bool:
    """Whether neither the clock nor chance has a part in the query's answer."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if _depends(node):
                return False
            waiting += node.values()
    return True


def _depends(node: Tree) -> bool:
    if node.get("sample") is not None or str(node.get("function_name", "")).casefold() in CHANGING:
        return True
    # SQL's own words for the clock stand without brackets, as columns do.
    names: list[str] = (node.get("column_names") or []) if node.get("class") == "COLUMN_REF" else []
    return any(name.casefold() in CHANGING for name in names)
