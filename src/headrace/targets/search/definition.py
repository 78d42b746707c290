"""How an index is made: its settings and mappings, and which table it is of.

Shapes: OpenSearch documentation, "Mappings and field types", "Dynamic templates", "_meta".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MARK: Final = "headrace"
"""The member of a mapping's `_meta` that names the table."""

_NUMBER: Final = {"type": "double"}
_KEYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "S": {"type": "keyword"},
    "B": {"type": "keyword"},
    # As text every digit counts; as a number it has an order.
    "N": {"type": "keyword", "fields": {"number": _NUMBER}},
}


def definition_of(table: str, keys: Sequence[tuple[str, str]], own: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and mappings of an index for the table with this ARN and these keys, and over them what is the user's ``own``."""
    ours = {
        "mappings": {
            # A text that looks like a date in the first document may not in the next, which would be refused.
            "date_detection": False,
            # The first number would decide else: after 1, 1.5 is searched as 1, and 1e30 is refused.
            "dynamic_templates": [
                {"headrace_integers": {"match_mapping_type": "long", "mapping": _NUMBER}},
                {"headrace_decimals": {"match_mapping_type": "double", "mapping": _NUMBER}},
            ],
            "properties": {name: _KEYS[tag] for name, tag in keys},
        },
    }
    mark = {"mappings": {"_meta": {_MARK: {"table": table}}}}
    return _merged(_merged(ours, own), mark)


def owner_of(mappings: Mapping[str, Any]) -> str | None:
    """The ARN of the table that an index with these mappings was made for; None where it was made otherwise."""
    meta = mappings.get("_meta")
    mark = meta.get(_MARK) if isinstance(meta, Mapping) else None
    return str(mark.get("table")) if isinstance(mark, Mapping) else None


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, member by member; where both have one that is no object, that of ``over``. The user's dynamic templates come first."""
    found = dict(under)
    for name, value in over.items():
        there = found.get(name)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            # What a field is, is said as a whole.
            found[name] = {**there, **value} if name == "properties" else _merged(there, value)
        elif name == "dynamic_templates" and isinstance(there, list) and isinstance(value, list):
            found[name] = [*value, *there]
        else:
            found[name] = value
    return found
