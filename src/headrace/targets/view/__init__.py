"""``view``: the rows of one SELECT, kept by changes."""

from headrace.targets.view.target import ViewTarget, defined

__all__ = ["ViewTarget", "defined"]
