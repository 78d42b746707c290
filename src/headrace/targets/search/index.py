"""One index: made where it is missing, looked at where it is there; its documents looked up and read.

Shapes: OpenSearch documentation, "Index templates", "Create index", "Get index", "Multi-get documents", "Scroll".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from headrace.errors import RequestRejected, TableUnusable, Unavailable
from headrace.target import SearchIndex
from headrace.targets.search.definition import definition_of, owner_of
from headrace.targets.search.documents import Documents
from headrace.targets.search.service import MISSING, SearchService, quoted_path

_EXISTS: Final = "resource_already_exists_exception"
_PRIORITY: Final = 500
_PAGE: Final = 500
"""Documents of one page of a scroll: each may have 400 KB."""

_KEPT: Final = "5m"
"""For how long OpenSearch keeps a scroll between two pages."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """An index that can be written to. ``ours``: it was made for this table, so whatever is in it came from there. ``uuid`` tells it from others of its name that were or will be."""

    documents: Documents
    ours: bool
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A document that is there, as of this sequence number. ``source`` is its JSON, None where it was not asked for."""

    id: str
    version: int
    sequence: int
    term: int
    source: bytes | None


_NOTHING: Final = msgspec.Raw(b"")


class _Made(msgspec.Struct):
    uuid: str = ""


class _Settings(msgspec.Struct):
    index: _Made = msgspec.field(default_factory=_Made)


class _Index(msgspec.Struct):
    mappings: dict[str, Any] = {}
    settings: _Settings = msgspec.field(default_factory=_Settings)


class _Document(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    found: bool = True
    version: int = msgspec.field(name="_version", default=-1)
    sequence: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=-1)
    source: msgspec.Raw = msgspec.field(name="_source", default=_NOTHING)
    error: msgspec.Raw = _NOTHING


class _Got(msgspec.Struct):
    docs: list[_Document]


class _Hits(msgspec.Struct):
    hits: list[_Document]


class _Shards(msgspec.Struct):
    failed: int = 0


class _Page(msgspec.Struct):
    hits: _Hits
    shards: _Shards = msgspec.field(name="_shards", default_factory=_Shards)
    scroll: str | None = msgspec.field(name="_scroll_id", default=None)
    timed_out: bool = False


class Index:
    """The index that ``settings`` names, over ``service``. Any thread may call; every method raises as ``SearchService.ask``."""

    def __init__(self, service: SearchService, settings: SearchIndex) -> None:
        self._service = service
        self._settings = settings
        self._name = settings.index

    def __str__(self) -> str:
        return f"index {self._name} of {self._service}"

    def opened(self, table: str, keys: Sequence[tuple[str, str]], *, make: bool) -> Opened:
        """Look at it, for the table with this ARN and these keys (attribute and type); ``make`` it where it is missing.

        Raises TableUnusable where it cannot be used for the table.
        """
        found = self._looked_at()
        if found is None:
            if not make:
                raise TableUnusable(f"there is no {self}; the mapping makes it before its first documents")
            self._made(table, keys)
            found = self._looked_at()
            if found is None:
                raise Unavailable(f"{self} is made, and not to be seen yet")
        mappings = found.mappings
        owner = owner_of(mappings)
        if owner not in (None, table):
            raise TableUnusable(
                f"{self} holds the documents of table {owner}; name another index, or delete that one"
            )
        routing = mappings.get("_routing")
        if isinstance(routing, dict) and routing.get("required"):
            raise TableUnusable(
                f"{self} needs a routing for each document; name an index without `_routing.required`"
            )
        return Opened(Documents(tuple(keys)), ours=owner is not None, uuid=found.settings.index.uuid)

    def uuid(self) -> str | None:
        """What tells the index that is there from others of its name, empty where the service does not say; None where there is none."""
        found = self._looked_at()
        return None if found is None else found.settings.index.uuid

    def versions(self, ids: Sequence[str]) -> dict[str, int]:
        """The versions of those of these documents that are there."""
        return {id_: found.version for id_, found in self._got(ids, sources=False).items()}

    def documents(self, ids: Sequence[str]) -> dict[str, Found]:
        """Those of these documents that are there. Raises TableUnusable where they are without their source."""
        return self._got(ids, sources=True)

    @property
    def is_readable(self) -> bool:
        """Whether all of it can be read. OpenSearch Serverless has no scrolls ("Supported operations and plugins" of its guide)."""
        return self._settings.service != "aoss"

    def refresh(self) -> None:
        """Have scrolls see all that was written."""
        self._asked("POST", quoted_path(self._name, "_refresh"), dict[str, Any])

    def scroll(self, members: Sequence[str] | None = None) -> Iterator[list[Found]]:
        """All documents as they are at the beginning, page by page; of each source these members at least, None all.

        Raises TableUnusable where documents are without their source.
        """
        asked = json.dumps(
            {
                "size": _PAGE,
                "sort": ["_doc"],
                "version": True,
                "seq_no_primary_term": True,
                "_source": True if members is None else list(members),
            }
        ).encode()
        page = self._asked("POST", quoted_path(self._name, "_search"), _Page, asked, params={"scroll": _KEPT})
        try:
            while True:
                if page.timed_out or page.shards.failed:
                    raise Unavailable(f"{self}: not all shards have answered; it is read anew")
                if not page.hits.hits:
                    return
                yield [self._found(document, sources=True) for document in page.hits.hits]
                more = json.dumps({"scroll": _KEPT, "scroll_id": page.scroll}).encode()
                page = self._asked("POST", "/_search/scroll", _Page, more)
        finally:
            if page.scroll is not None:
                self._forget(page.scroll)

    def _forget(self, scroll: str) -> None:
        try:
            self._asked(
                "DELETE", "/_search/scroll", dict[str, Any], json.dumps({"scroll_id": scroll}).encode()
            )
        except (Unavailable, RequestRejected, TableUnusable):
            # It ends by itself.
            return

    def _looked_at(self) -> _Index | None:
        """What it is; None where it is missing. An alias of one index is that index."""
        try:
            found = self._service.ask("GET", quoted_path(self._name), dict[str, _Index])
        except RequestRejected as error:
            if error.code == MISSING:
                return None
            raise
        if len(found) != 1:
            raise TableUnusable(
                f"{self._name} of {self._service} is {len(found)} indexes ({', '.join(sorted(found))}); name one"
            )
        return next(iter(found.values()))

    def _made(self, table: str, keys: Sequence[tuple[str, str]]) -> None:
        definition = definition_of(table, keys, self._settings.template)
        template = {
            "index_patterns": [self._name],
            "priority": _PRIORITY,
            "template": definition,
            "_meta": {"description": f"Made by headrace for the documents of {table}"},
        }
        self._service.ask(
            "PUT",
            quoted_path("_index_template", f"headrace-{self._name}"),
            dict[str, Any],
            json.dumps(template).encode(),
        )
        try:
            self._service.ask("PUT", quoted_path(self._name), dict[str, Any], b"{}")
        except RequestRejected as error:
            if error.code != _EXISTS:
                raise

    def _got(self, ids: Sequence[str], *, sources: bool) -> dict[str, Found]:
        if not ids:
            return {}
        asked = json.dumps({"docs": [{"_id": id_, "_source": sources} for id_ in ids]}).encode()
        got = self._asked("POST", quoted_path(self._name, "_mget"), _Got, asked)
        if [document.id for document in got.docs] != list(ids):
            raise Unavailable(f"{self}: the answer tells of other documents than those that were asked for")
        for document in got.docs:
            if document.error:
                said = bytes(document.error).decode(errors="replace")
                if MISSING in said:
                    raise TableUnusable(f"there is no {self}; it is made anew")
                raise Unavailable(f"{self}: document {document.id!r} cannot be read now ({said})")
        return {
            document.id: self._found(document, sources=sources) for document in got.docs if document.found
        }

    def _found(self, document: _Document, *, sources: bool) -> Found:
        if sources and not document.source:
            raise TableUnusable(
                f"{self} does not keep its documents (`_source` is off), so they cannot be compared with the table"
            )
        source = bytes(document.source) if sources else None
        return Found(document.id, document.version, document.sequence, document.term, source)

    def _asked(
        self,
        method: str,
        path: str,
        type_: type[T],
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> T:
        try:
            return self._service.ask(method, path, type_, body, params=params)
        except RequestRejected as error:
            if error.code == MISSING:
                raise TableUnusable(f"there is no {self}; it is made anew") from error
            raise
