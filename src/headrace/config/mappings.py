"""The event source mappings of a Spicepod, put together and checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from headrace.config import connector
from headrace.config.aws_access import OF_MAPPINGS, Reaching
from headrace.config.delivering import Batching
from headrace.config.document import Document
from headrace.config.environment import Environment, UnresolvedError
from headrace.config.failure_places import FailurePlace
from headrace.config.mapping_model import MappingEntry
from headrace.config.model import DatasetEntry
from headrace.config.module_there import is_there
from headrace.config.parameter import PREFIX, ParameterReader
from headrace.config.problem import KeyPath, Problem, nearest, written
from headrace.config.quantity import SECOND
from headrace.config.targets import KINDS, TargetBlock
from headrace.dataset import AwsAccess, Dataset
from headrace.event_source_mapping import EventSourceMapping, FailureDestination, Function, Pattern
from headrace.target import MaterializedView, Replica, SearchIndex, Target

PATH: Final = "event_source_mappings"

LEDGER: Final = Path(".headrace") / "data" / "events.sqlite"
"""What is durable of deliveries, from the Spicepod's folder."""

NOTHING: Final = Replica("")
"""Stands for a target in which something is wrong, which has been said."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_FUNCTIONS: Final = ("timeout", "memory_size", "processes", "environment")


@dataclass(frozen=True, slots=True)
class _Source:
    """What a mapping reads, and at how many read units a second beside the stream."""

    table: str
    access: AwsAccess = field(default_factory=AwsAccess)
    read_units: int | None = None


@dataclass(slots=True)
class Mapped:
    """All mappings of one document in the making.

    ``datasets`` are those of ``listed`` in which nothing is wrong, ``folder`` is the Spicepod's, ``now`` epoch seconds.
    ``problems``, ``warnings`` and ``unbuilt`` (sentences about what is not carried out) grow while ``mappings`` runs.
    """

    document: Document
    environment: Environment
    folder: Path
    entries: Sequence[MappingEntry]
    listed: Sequence[DatasetEntry]
    datasets: Sequence[Dataset]
    now: float
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unbuilt: list[str] = field(default_factory=list)

    def mappings(self) -> tuple[EventSourceMapping, ...]:
        """All of them; they hold only if ``problems`` stays empty."""
        made = [self._mapping((PATH, index), entry) for index, entry in enumerate(self.entries)]
        self._expect_other_names()
        for index, mapping in enumerate(made):
            self._expect_no_circle((PATH, index), mapping, made)
            self._expect_an_index_of_its_own((PATH, index), mapping, made[:index])
        return tuple(made)

    def _mapping(self, path: KeyPath, entry: MappingEntry) -> EventSourceMapping:
        source = self._source(path, entry)
        batching = Batching(self.document, path, entry, self.now)
        delivering = batching.delivering()
        self.problems += batching.problems
        self.warnings += batching.warnings
        consumer = self._consumer(path, entry, source.table, source.access)
        return EventSourceMapping(
            name=entry.name,
            table=source.table,
            consumer=consumer,
            ledger=self.folder / LEDGER,
            access=source.access,
            dataset=entry.dataset,
            read_units=source.read_units,
            delivering=delivering,
            filters=self._filters(path, entry, consumer),
            on_failure=self._destination(path, entry),
        )

    # What is read

    def _source(self, path: KeyPath, entry: MappingEntry) -> _Source:
        if (entry.from_ is None) == (entry.dataset is None):
            said = "from and dataset both name its table; keep one" if entry.from_ else "reads no table"
            self._refuse(path, f"{said}; write from: dynamodb:TABLE, or dataset: NAME")
            return _Source(entry.from_ or "")
        if entry.from_ is not None:
            return self._reached(entry.from_, (*path, "params"))
        if self.document.at((*path, "params")) is not None:
            self.problems.append(
                self.document.at_key(
                    (*path, "params"), "belongs to from; with dataset, those of the dataset hold"
                )
            )
        found = next((dataset for dataset in self.datasets if dataset.name == entry.dataset), None)
        if found is not None and found.fed_by is not None:
            self._refuse(
                (*path, "dataset"), "is written by a target, and has no table; name a dataset of a table"
            )
        if found is not None:
            return _Source(found.table, found.access, found.reads.units_per_second)
        names = [dataset.name for dataset in self.listed]
        if entry.dataset not in names:
            guess = nearest(entry.dataset or "", names)
            known = (
                f"did you mean '{guess}'?"
                if guess
                else f"there are {', '.join(names)}"
                if names
                else "there is none"
            )
            self._refuse((*path, "dataset"), f"there is no dataset '{entry.dataset}'; {known}")
        return _Source("")

    def _reached(self, table: str, path: KeyPath) -> _Source:
        settings, wrong = ParameterReader(self.document, self.environment, OF_MAPPINGS, PREFIX).read(path)
        self.problems += wrong
        if wrong:
            return _Source(table)
        reaching = Reaching(self.document, path, settings)
        access = reaching.access()
        self.problems += reaching.problems
        self.warnings += reaching.warnings
        self.unbuilt += settings.unbuilt(OF_MAPPINGS, written(path))
        return _Source(table, access, settings.get(connector.MAX_READ_CAPACITY_UNITS))

    def _filters(
        self, path: KeyPath, entry: MappingEntry, consumer: Function | Target
    ) -> tuple[Pattern, ...]:
        found = []
        if isinstance(consumer, SearchIndex | MaterializedView) and entry.filter_criteria is not None:
            self.warnings.append(
                self.document.at_key(
                    (*path, "filter_criteria"),
                    f"what it leaves out does not reach {consumer}, which then differs from the table until the next fill",
                )
            )
        listed = (entry.filter_criteria.filters if entry.filter_criteria is not None else None) or []
        for index, one in enumerate(listed):
            if (one.pattern is None) == (one.extended_pattern is None):
                here = (*path, "filter_criteria", "filters", index)
                self._refuse(here, "is one filter: write pattern, or extended_pattern")
            elif one.pattern is not None:
                found.append(Pattern(one.pattern))
            elif one.extended_pattern is not None:
                found.append(Pattern(one.extended_pattern, extended=True))
        return tuple(found)

    # What is called

    def _consumer(
        self, path: KeyPath, entry: MappingEntry, table: str, access: AwsAccess
    ) -> Function | Target:
        targets = entry.target is not None
        if (entry.function is None) != targets:
            said = "function and target are both given; keep one" if targets else "calls nothing"
            self._refuse(
                path, f"{said}; write function: MODULE:FUNCTION, or target: {{replicate: {{table: TABLE}}}}"
            )
        if entry.function is not None:
            return self._function(path, entry)
        for key in _OF_FUNCTIONS:
            if targets and self.document.at((*path, key)) is not None:
                self.problems.append(self.document.at_key((*path, key), "belongs to a function; remove it"))
        return self._target((*path, "target"), entry.name, table, access) if targets else NOTHING

    def _target(self, path: KeyPath, name: str, table: str, access: AwsAccess) -> Target:
        given = self.document.at(path)
        found = [kind for kind in KINDS if isinstance(given, dict) and kind.name in given]
        if len(found) != 1:
            names = ", ".join(kind.name for kind in (found or KINDS))
            said = f"names {len(found)} ({names}); keep one" if found else f"names none; write one of {names}"
            self._refuse(path, said)
            return NOTHING
        kind = found[0]
        block = TargetBlock(
            self.document,
            self.environment,
            self.folder,
            (*path, kind.name),
            table,
            access,
            fed=any(entry.from_.mapping == name for entry in self.listed),
        )
        target = kind.read(block)
        self.problems += block.problems
        self.warnings += block.warnings
        self.unbuilt += block.unbuilt
        return NOTHING if target is None else target

    def _function(self, path: KeyPath, entry: MappingEntry) -> Function:
        reference = entry.function or ""
        module = reference.partition(":")[0]
        if not is_there(module, self.folder):
            self.warnings.append(
                self.document.at_value(
                    (*path, "function"),
                    f"there is no module {module} in {self.folder}, and none is installed; it is looked for again at the start",
                )
            )
        made = Function(
            reference,
            self.folder,
            processes=entry.processes or entry.parallelization_factor,
            environment=self._environment((*path, "environment")),
        )
        if entry.timeout is not None:
            made = replace(made, timeout=entry.timeout / SECOND)
        return made if entry.memory_size is None else replace(made, memory=entry.memory_size * 2**20)

    def _environment(self, path: KeyPath) -> dict[str, str]:
        block = self.document.at(path)
        if not isinstance(block, dict):
            if block is not None:
                self._refuse(path, "expected names and values ('NAME: value'), one a line")
            return {}
        found = {}
        for name, value in block.items():
            here = (*path, name)
            if not _VARIABLE.fullmatch(name):
                self.problems.append(
                    self.document.at_key(
                        here, "a variable's name has letters, digits and '_', not a digit first"
                    )
                )
            elif not isinstance(value, str):
                self._refuse(here, "expected text; write '' for none")
            else:
                try:
                    found[name] = self.environment.resolve(value).text
                except UnresolvedError as error:
                    self._refuse(here, str(error))
        return found

    # What becomes of failures

    def _destination(self, path: KeyPath, entry: MappingEntry) -> FailureDestination | None:
        if entry.on_failure is None:
            return None
        place = FailurePlace(
            self.document, self.environment, self.folder, (*path, "on_failure"), entry.on_failure
        )
        destination = place.destination()
        self.problems += place.problems
        self.warnings += place.warnings
        self.unbuilt += place.unbuilt
        return destination

    # What they say together

    def _expect_other_names(self) -> None:
        first: dict[str, int] = {}
        for index, entry in enumerate(self.entries):
            earlier = first.setdefault(entry.name.lower(), index)
            if earlier != index:
                place = self.document.value_place((PATH, earlier, "name"))
                self._refuse(
                    (PATH, index, "name"),
                    f"'{entry.name}' is the name of {written((PATH, earlier))} too ({place}); names must differ, and not in "
                    "capitals only",
                )

    def _expect_no_circle(
        self, path: KeyPath, mapping: EventSourceMapping, every: Sequence[EventSourceMapping]
    ) -> None:
        """Refuse a replica that is replicated back by a mapping of which one does not know it."""
        one = mapping.consumer
        if not isinstance(one, Replica) or one.two_way or not one.table:
            return
        for index, other in enumerate(every):
            back = other.consumer
            if not isinstance(back, Replica) or other is mapping:
                continue
            there, here = (one.table, one.access), (mapping.table, mapping.access)
            if (other.table, other.access) == there and (back.table, back.access) == here:
                self._refuse(
                    (*path, "target", "replicate"),
                    f"{written((PATH, index))} replicates {one.table} back, and changes would go around without end; write "
                    "two_way: true in both",
                )

    def _expect_an_index_of_its_own(
        self, path: KeyPath, mapping: EventSourceMapping, earlier: Sequence[EventSourceMapping]
    ) -> None:
        """Refuse a second mapping to one index: their documents would get versions past each other."""
        one = mapping.consumer
        if not isinstance(one, SearchIndex):
            return
        for index, other in enumerate(earlier):
            there = other.consumer
            if isinstance(there, SearchIndex) and (there.url, there.index) == (one.url, one.index):
                self._refuse(
                    (*path, "target", "search", "index"),
                    f"{written((PATH, index))} writes to {one.index} already; one mapping alone writes to an index: name another",
                )

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))
