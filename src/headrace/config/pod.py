"""A Spicepod as it was understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from headrace.access import Access
from headrace.dataset import Dataset
from headrace.event_source_mapping import EventSourceMapping
from headrace.limits import Caching, QueryLimits
from headrace.view import View


@dataclass(frozen=True, slots=True)
class Pod:
    """What a Spicepod asks for.

    ``path`` and ``folder`` are absolute. ``warnings`` are lines ``file:line:column: key: sentence`` about
    what is allowed, but probably not meant. ``unbuilt`` are sentences about parts beside the datasets
    that this version does not carry out; each dataset has its own. ``access`` says who may ask the runtime,
    ``fed`` are datasets whose rows
    targets of mappings write, beside ``datasets``, which are of tables. ``limits`` what statements may use, and ``caching`` which answers are kept, None for none.
    """

    path: Path
    folder: Path
    name: str
    datasets: tuple[Dataset, ...]
    warnings: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()
    access: Access = field(default_factory=Access)
    limits: QueryLimits = field(default_factory=QueryLimits)
    caching: Caching | None = field(default_factory=Caching)
    views: tuple[View, ...] = ()
    mappings: tuple[EventSourceMapping, ...] = ()
    fed: tuple[Dataset, ...] = ()
