"""The example of an index: in the end it has each order as the table has it, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.event_stories import Story
from support.rough_search import RoughSearch
from support.search import Cluster, served_search

_TEMPLATE = {
    "settings": {"index": {"gc_deletes": "0ms"}},
    # Texts here, maps there: as fields of one type, some of them would be refused.
    "mappings": {"properties": {"note": {"type": "object", "enabled": False}}},
}


class CheckedSearch:
    """``examples/search.yaml``, with an OpenSearch behind a bad network that forgets deletions at once."""

    example = "search"

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        with served_search() as server, RoughSearch(server.url, story.random.randrange(2**32)) as rough:
            self._cluster, self._rough = Cluster(server.url), rough
            (story.folder / "index.json").write_text(json.dumps(_TEMPLATE))
            yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        del url
        target = pod["event_source_mappings"][0]["target"]["search"]
        target["url"] = self._rough.url
        target["template"] = "index.json"

    def is_settled(self, story: Story) -> bool:
        self._rough.calm()
        return not self._differences(story)

    def expect(self, story: Story) -> None:
        assert not self._differences(story)

    def _differences(self, story: Story) -> list[str]:
        """The orders that are not the same in both."""
        items = {item["id"]["S"]: _document(item) for item in story.items("orders")}
        there = self._cluster.documents()
        return [order for order in items.keys() | there.keys() if items.get(order) != there.get(order)]


def _document(item: dict[str, Any]) -> dict[str, Any]:
    """An order as plain JSON, its numbers as texts."""
    return {name: _plain(value) for name, value in item.items()}


def _plain(value: dict[str, Any]) -> Any:
    ((tag, content),) = value.items()
    match tag:
        case "M":
            return _document(content)
        case "NULL":
            return None
        case "SS":
            return sorted(content)
        case _:
            return content
