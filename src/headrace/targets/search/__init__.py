"""``search``: an index of OpenSearch that is kept equal."""

from headrace.targets.search.target import SearchTarget

__all__ = ["SearchTarget"]
