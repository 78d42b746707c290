"""Whether an index is equal to its table: the table scanned, the index scrolled, what differs looked at again and mended.

A mend is a compare-and-set on the document as it was read (if_seq_no), with the item read after it: what a delivery has brought since stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.decoding import json_decoder
from headrace.errors import HeadraceError, TableUnusable, Unavailable
from headrace.table_shape import keys_of
from headrace.targets.comparison import Kind, Look, Pair
from headrace.targets.scanned import Row
from headrace.targets.search.bulk import Bulk, Verdict, Write
from headrace.targets.search.documents import differing, digest, document_of
from headrace.targets.search.index import Found, Index
from headrace.targets.table import Table

_KEY: Final = json_decoder(dict[str, msgspec.Raw])

_STRANGE: Final = "="
"""Before the id of a document that can be of no key: no key's text begins so."""


class IndexPair(Pair):
    """``table`` and ``index``, written to by ``bulk``; the table in ``segments`` parts.

    With ``make``, an index that is missing is made. Raises the SourceErrors; TableUnusable where the two do not belong together.
    """

    def __init__(self, table: Table, index: Index, bulk: Bulk, *, segments: int, make: bool) -> None:
        if not index.is_readable:
            raise TableUnusable(
                f"{index} cannot be read as a whole: OpenSearch Serverless has no scrolls; compare the numbers of documents instead"
            )
        self._table = table
        self._index = index
        self._bulk = bulk
        self._segments = segments
        described = table.describe()
        self._documents = index.opened(
            str(described.get("TableArn")), keys_of(described), make=make
        ).documents

    def scans(self) -> Iterable[tuple[str, Iterator[Sequence[Row]]]]:
        """See ``Pair``."""
        yield "replica", self._pages_of_index()
        for segment in range(self._segments):
            yield "source", self._pages_of_table(segment)

    def look(self, keys: Sequence[str]) -> dict[str, Look]:
        """See ``Pair``."""
        there, items = self._read(keys)
        return {key: self._compared(items.get(key), there.get(key)) for key in keys}

    def mend(self, keys: Sequence[str]) -> dict[str, str]:
        """See ``Pair``."""
        there, items = self._read(keys)
        writes: dict[str, Write] = {}
        for key in keys:
            item, found = items.get(key), there.get(key)
            document = None if item is None else document_of(item)
            if found is None and document is not None:
                writes[key] = Write.absent(self._id_of(key), document)
            elif found is not None and (document is None or self._compared(item, found).kind is not None):
                writes[key] = Write.unchanged(found.id, document, found.sequence, found.term)
        outcomes = zip(writes, self._bulk.send(list(writes.values())), strict=True)
        refused = {}
        for key, outcome in outcomes:
            if outcome is Verdict.CONFLICT:
                refused[key] = "it has changed meanwhile"
            elif isinstance(outcome, HeadraceError):
                refused[key] = str(outcome)
        return refused

    def _read(self, keys: Sequence[str]) -> tuple[dict[str, Found], dict[str, Image]]:
        """Documents and items, by the texts of their keys; the index first: a change that arrives between the two makes no difference."""
        ids = {self._id_of(key): key for key in keys}
        there = {ids[id_]: found for id_, found in self._index.documents(list(ids)).items()}
        asked = [_KEY.decode(key) for key in keys if not key.startswith(_STRANGE)]
        return there, self._table.items(asked)

    def _compared(self, item: Image | None, found: Found | None) -> Look:
        if item is None:
            return Look(None, Kind.EXTRA if found is not None else None)
        ours = self._document(item)
        mine = digest(ours)
        if found is None:
            return Look(mine, Kind.MISSING)
        names = differing(ours, found.source or b"")
        return Look(mine, Kind.DIFFERENT if names else None, names)

    def _pages_of_index(self) -> Iterator[Sequence[Row]]:
        self._index.refresh()
        for page in self._index.scroll():
            yield [self._row(found) for found in page]

    def _row(self, found: Found) -> Row:
        source = found.source or b""
        key = self._documents.key_for(found.id, source)
        text = _STRANGE + found.id if key is None else self._documents.key_of(key)
        return text, digest(source)

    def _pages_of_table(self, segment: int) -> Iterator[Sequence[Row]]:
        for page in self._table.scan(segment, self._segments):
            yield [(self._documents.key_of(item), digest(self._document(item))) for item in page]

    def _document(self, item: Image) -> bytes:
        try:
            return document_of(item)
        except BrokenValue as error:
            raise Unavailable(f"{self._table} gave an item that is none: {error}") from error

    def _id_of(self, key: str) -> str:
        return key[len(_STRANGE) :] if key.startswith(_STRANGE) else self._documents.id_of(_KEY.decode(key))
