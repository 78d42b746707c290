"""The example of a replica: in the end both tables are equal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.event_stories import Story


class CheckedReplica:
    """``examples/replicate.yaml``."""

    example = "replicate"

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        story.make_table("orders-replica")
        yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        pod["event_source_mappings"][0]["target"]["replicate"]["endpoint_url"] = url

    def is_settled(self, story: Story) -> bool:
        return not self._differences(story)

    def expect(self, story: Story) -> None:
        assert not self._differences(story)

    def _differences(self, story: Story) -> list[str]:
        """The orders that are not the same in both tables."""
        source = {item["id"]["S"]: item for item in story.changed_items()}
        replica = {item["id"]["S"]: item for item in story.items("orders-replica")}
        for item in replica.values():
            item.pop("headrace_version", None)
        return [order for order in source.keys() | replica.keys() if source.get(order) != replica.get(order)]
