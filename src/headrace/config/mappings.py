"""The event source mappings of a Spicepod, put together and checked."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from headrace.config import connector
from headrace.config import mapping_model as keys
from headrace.config.aws_access import ACCESS, Reaching
from headrace.config.delivering import Batching
from headrace.config.document import Document
from headrace.config.environment import Environment, UnresolvedError
from headrace.config.failure_places import FailurePlace
from headrace.config.mapping_model import REPLICATE, MappingEntry
from headrace.config.model import DatasetEntry
from headrace.config.parameter import PREFIX, Parameter, ParameterReader, Settings
from headrace.config.problem import KeyPath, Problem, nearest, written
from headrace.config.quantity import SECOND
from headrace.dataset import AwsAccess, Dataset
from headrace.event_source_mapping import EventSourceMapping, FailureDestination, Function, Pattern, Replica

PATH: Final = "event_source_mappings"

LEDGER: Final = Path(".headrace") / "data" / "events.sqlite"
"""What is durable of deliveries, from the Spicepod's folder."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_FUNCTIONS: Final = ("timeout", "memory_size", "processes", "environment")


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
        return tuple(made)

    def _mapping(self, path: KeyPath, entry: MappingEntry) -> EventSourceMapping:
        table, access = self._source(path, entry)
        batching = Batching(self.document, path, entry, self.now)
        delivering = batching.delivering()
        self.problems += batching.problems
        self.warnings += batching.warnings
        return EventSourceMapping(
            name=entry.name,
            table=table,
            consumer=self._consumer(path, entry, table, access),
            ledger=self.folder / LEDGER,
            access=access,
            dataset=entry.dataset,
            delivering=delivering,
            filters=self._filters(path, entry),
            on_failure=self._destination(path, entry),
        )

    # What is read

    def _source(self, path: KeyPath, entry: MappingEntry) -> tuple[str, AwsAccess]:
        if (entry.from_ is None) == (entry.dataset is None):
            said = "from and dataset both name its table; keep one" if entry.from_ else "reads no table"
            self._refuse(path, f"{said}; write from: dynamodb:TABLE, or dataset: NAME")
            return entry.from_ or "", AwsAccess()
        if entry.from_ is not None:
            return entry.from_, self._access((*path, "params"))
        if self.document.at((*path, "params")) is not None:
            self.problems.append(
                self.document.at_key(
                    (*path, "params"), "belongs to from; with dataset, those of the dataset hold"
                )
            )
        found = next((dataset for dataset in self.datasets if dataset.name == entry.dataset), None)
        if found is not None:
            return found.table, found.access
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
        return "", AwsAccess()

    def _access(self, path: KeyPath) -> AwsAccess:
        settings, wrong = ParameterReader(self.document, self.environment, ACCESS, PREFIX).read(path)
        self.problems += wrong
        return AwsAccess() if wrong else self._reached(path, settings)

    def _reached(self, path: KeyPath, settings: Settings) -> AwsAccess:
        reaching = Reaching(self.document, path, settings)
        access = reaching.access()
        self.problems += reaching.problems
        self.warnings += reaching.warnings
        self.unbuilt += settings.unbuilt(ACCESS, written(path))
        return access

    def _filters(self, path: KeyPath, entry: MappingEntry) -> tuple[Pattern, ...]:
        found = []
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
    ) -> Function | Replica:
        replicates = entry.target is not None
        if (entry.function is None) != replicates:
            said = "function and target are both given; keep one" if replicates else "calls nothing"
            self._refuse(
                path, f"{said}; write function: MODULE:FUNCTION, or target: {{replicate: {{table: TABLE}}}}"
            )
        if entry.function is not None:
            return self._function(path, entry)
        for key in _OF_FUNCTIONS:
            if replicates and self.document.at((*path, key)) is not None:
                self.problems.append(self.document.at_key((*path, key), "belongs to a function; remove it"))
        return self._replica((*path, "target", "replicate"), table, access) if replicates else Replica("")

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

    def _replica(self, path: KeyPath, table: str, access: AwsAccess) -> Replica:
        settings, wrong = ParameterReader(self.document, self.environment, REPLICATE, "").read(path)
        self.problems += wrong
        name = settings.get(keys.TABLE)
        if wrong or name is None:
            if not wrong:
                self._refuse(path, "names no table; write replicate: {table: TABLE}")
            return Replica("")
        reached = self._reached(path, settings)
        replica = Replica(
            name,
            _inherited(
                replace(reached, region=settings.get(keys.REGION)),
                access,
                keys_too=settings.get(connector.AWS_AUTH) != "iam_role",
            ),
            version_attribute=settings.get(keys.VERSION_ATTRIBUTE) or "",
            conditional=settings.get(keys.CONDITIONAL) is not False,
            two_way=settings.get(keys.TWO_WAY) is True,
            tombstones=(settings.get(keys.TOMBSTONES) or 0) / SECOND,
        )
        if (name, replica.access) == (table, access):
            self._refuse(
                (*path, "table"), "is the table that is read; name another, or another region or endpoint_url"
            )
        if not replica.conditional:
            self._expect_versions(path, settings)
        return replica

    def _expect_versions(self, path: KeyPath, settings: Settings) -> None:
        """Refuse what is for versions where there are none."""
        for parameter in (keys.VERSION_ATTRIBUTE, keys.TWO_WAY, keys.TOMBSTONES):
            given: Parameter[object] = parameter
            if given.name in settings.given and settings.get(given) is not False:
                self._refuse(
                    (*path, given.name),
                    "needs versions, and conditional: false writes none; keep one of them",
                )

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

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))


def is_there(module: str, folder: Path) -> bool:
    """Whether a module can be found in ``folder`` or where packages are; nothing is imported."""
    invalidate_caches()
    places = [str(folder), *sys.path]
    parts = module.split(".")
    if parts[0] in sys.builtin_module_names:
        return len(parts) == 1
    for part in parts:
        found = PathFinder.find_spec(part, places) if places else None
        if found is None:
            return False
        if found.loader is None:
            # A folder without __init__.py: its own places are only told once it is imported.
            places = [place for place in (str(Path(place, part)) for place in places) if Path(place).is_dir()]
        else:
            places = list(found.submodule_search_locations or ())
    return True


def _inherited(own: AwsAccess, source: AwsAccess, *, keys_too: bool) -> AwsAccess:
    """What a replica's access leaves out, as the source has it: the address where the region is the same, and the keys.

    Keys are the source's only where the address is, or both are AWS's own: those of an emulator are nobody's elsewhere.
    """
    region = own.region or source.region
    address = own.endpoint_url or (source.endpoint_url if region == source.region else None)
    made = replace(own, region=region, endpoint_url=address)
    if own.access_key_id is not None or not keys_too or address != source.endpoint_url:
        return made
    return replace(
        made,
        access_key_id=source.access_key_id,
        secret_access_key=source.secret_access_key,
        session_token=source.session_token,
    )
