"""Where datasets keep their copies and mappings their deliveries: no two in one place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.config.acceleration import CAYENNE_FILE_PATH, CAYENNE_METADATA_DIR, FILES
from headrace.config.document import Document
from headrace.config.mappings import PATH
from headrace.config.problem import KeyPath, Problem
from headrace.config.sending_place import FILES as KINDS_OF_FILES
from headrace.dataset import Dataset
from headrace.event_source_mapping import EventSourceMapping
from headrace.target import Outbox


def same_places(document: Document, datasets: list[Dataset]) -> list[Problem]:
    """Datasets that would keep their copies in one place, or one's inside another's."""
    taken: dict[Path, tuple[int, Path]] = {}
    above: dict[Path, tuple[int, Path]] = {}
    problems = []
    for index, dataset in enumerate(datasets):
        places = [(key, place, place.resolve()) for key, place in _places(dataset)]
        for key, place, real in places:
            within = (taken[outer] for outer in (real, *real.parents) if outer in taken)
            found = next(within, above.get(real))
            if found is not None:
                at: KeyPath = ("datasets", index, "acceleration", "params", key)
                problems.append(document.at_value(at, _shared(key, place, *found)))
        for _, place, real in places:
            taken.setdefault(real, (index, place))
            for outer in real.parents:
                above.setdefault(outer, (index, place))
    return problems


def _shared(key: str, place: Path, earlier: int, other: Path) -> str:
    """Why a dataset cannot have the place that ``key`` names, beside an earlier one's."""
    noun = "folder" if key in (CAYENNE_FILE_PATH.name, CAYENNE_METADATA_DIR.name) else "file"
    if place.resolve() == other.resolve():
        return f"datasets[{earlier}] keeps its copy in {place} too; give each dataset a {noun} of its own"
    return (
        f"datasets[{earlier}] keeps its copy in {other}, and {place} is not apart from that; name a {noun} that is "
        "neither inside it nor around it"
    )


def _places(dataset: Dataset) -> Iterator[tuple[str, Path]]:
    """Where the dataset keeps its copy, and which parameters name that."""
    acceleration = dataset.acceleration
    if acceleration is None:
        return
    if acceleration.path is not None:
        yield FILES[acceleration.engine].name, acceleration.path
    files = acceleration.cayenne
    if files is not None:
        yield CAYENNE_FILE_PATH.name, files.folder
        if files.metadata != files.folder:
            yield CAYENNE_METADATA_DIR.name, files.metadata


def shared_places(
    document: Document, datasets: Sequence[Dataset], mappings: Sequence[EventSourceMapping]
) -> Iterator[Problem]:
    """What would be kept where deliveries are, and failures that would be written over copies or deliveries."""
    if not mappings:
        return
    ledger = mappings[0].ledger
    taken = {}
    for index, dataset in enumerate(datasets):
        for key, place in _places(dataset):
            taken[place.resolve()] = f"datasets[{index}] keeps its copy there"
            if place.resolve() == ledger.resolve():
                at: KeyPath = ("datasets", index, "acceleration", "params", key)
                yield document.at_value(at, f"{place} holds the deliveries of {PATH}; name another file")
    taken[ledger.resolve()] = f"it holds the deliveries of {PATH}"
    for index, mapping in enumerate(mappings):
        for keys, file in _appended(mapping):
            why = taken.get(Path(file).resolve())
            if why is not None:
                where: KeyPath = (PATH, index, *keys)
                yield document.at_value(where, f"{file} is taken: {why}; name another file")


def _appended(mapping: EventSourceMapping) -> Iterator[tuple[tuple[str, ...], str]]:
    """The files that a mapping writes at their ends, and which keys name them."""
    destination, consumer = mapping.on_failure, mapping.consumer
    if destination is not None and destination.kind in KINDS_OF_FILES:
        yield ("on_failure", "destination"), destination.place
    if isinstance(consumer, Outbox) and consumer.kind in KINDS_OF_FILES:
        yield ("target", "outbox", "to"), consumer.place.reveal()
