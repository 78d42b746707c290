"""The REST of a whole page: of each item, the attributes without a column, as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from headrace.decoding import json_decoder
from headrace.dynamodb.forms import Mismatch
from headrace.dynamodb.plain import plain_maps

_ITEMS = json_decoder(list[dict[str, msgspec.Raw]])


def leftovers(items: bytes, known: frozenset[str], unread: frozenset[str]) -> pa.StringArray:
    """Of a JSON array of items, what is left without ``known`` attributes; null where that is nothing.

    Raises Mismatch where an item has one of the ``unread``, whose columns no one else fills, and BrokenValue,
    UnicodeDecodeError or msgspec.DecodeError for what is no item.
    """
    page = _ITEMS.decode(items)
    if unread and not all(unread.isdisjoint(item) for item in page):
        raise Mismatch
    named = _Named()
    return plain_maps([_left(item, known, named) for item in page])


def joined(raws: Sequence[msgspec.Raw]) -> bytes:
    """JSON values as one JSON array."""
    return b"[%b]" % b",".join(raws)


def _left(item: dict[str, msgspec.Raw], known: frozenset[str], named: _Named) -> bytes | None:
    pieces = [piece for name, raw in item.items() if name not in known for piece in (named[name], raw)]
    # The first name comes with a comma, too.
    return b"{%b}" % b"".join(pieces)[1:] if pieces else None


class _Named(dict[str, bytes]):
    """How the member of each name begins, made when it is first asked for."""

    def __missing__(self, name: str) -> bytes:
        self[name] = b",%b:" % msgspec.json.encode(name)
        return self[name]
