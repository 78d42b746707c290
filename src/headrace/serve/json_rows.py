"""Rows as a JSON array of objects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa

from headrace.serve.values import values


class JsonRows:
    """One result. The pieces that ``head``, ``rows`` (for each batch) and ``tail`` give are the whole text.

    Of two columns with one name, the second is ``name_1``, the third ``name_2``: an object has each key once.
    Memory is bounded by one batch.
    """

    media_type = "application/json"

    def __init__(self, schema: pa.Schema) -> None:
        self._names = unique(schema.names)
        self._row = _row_type(self._names)
        self._encoder = msgspec.json.Encoder()
        self._begun = False

    def head(self) -> bytes:
        """What comes before the first row."""
        return b"["

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """The rows of one batch."""
        if batch.num_rows == 0:
            return b""
        columns = [values(column) for column in batch.columns]
        rows: list[Any]
        if self._row is not None:
            rows = list(map(self._row, *columns))
        else:
            rows = [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]
        text = self._encoder.encode(rows)[1:-1]
        comma = b",\n" if self._begun else b""
        self._begun = True
        return comma + text

    def tail(self) -> bytes:
        """What comes after the last row."""
        return b"]\n"


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """``names``, each different from those before it."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        one, count = name, 0
        while one in seen or (count and one in taken):
            count += 1
            one = f"{name}_{count}"
        seen.add(one)
        result.append(one)
    return tuple(result)


@lru_cache(maxsize=256)
def _row_type(names: tuple[str, ...]) -> type[msgspec.Struct] | None:
    """A type that encodes as the object, five times as fast as a dict; None if a name cannot be its key."""
    fields = {f"c{n}": name for n, name in enumerate(names)}
    try:
        return msgspec.defstruct("Row", [(field, Any) for field in fields], rename=fields, gc=False)
    except ValueError:
        # Names with quotes, backslashes or control characters.
        return None
