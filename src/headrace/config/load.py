"""Loads a Spicepod: finds the file, reads it, resolves references, and refuses whatever is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from headrace.config.acceleration import ACCELERATION
from headrace.config.assembly import Assembly, doubled_snapshot_keys
from headrace.config.connector import CONNECTOR
from headrace.config.document import Data, Document, read_document
from headrace.config.environment import BUILT_IN_STORES, Environment, read_environment
from headrace.config.fed import fed_problems
from headrace.config.mappings import Mapped
from headrace.config.model import SnapshotsEntry, Spicepod
from headrace.config.parameter import PREFIX, ParameterReader, Settings
from headrace.config.places import same_places, shared_places
from headrace.config.pod import Pod
from headrace.config.problem import KeyPath, Problem, refuse, written
from headrace.config.runtime_model import RuntimeEntry
from headrace.config.serving import Serving
from headrace.config.shape import NO_DATASET, read_shape, unbuilt_sentences
from headrace.config.snapshots import PLACE, Placing
from headrace.config.views import Viewing
from headrace.dataset import Dataset
from headrace.errors import ConfigError

FILE_NAMES = ("spicepod.yaml", "spicepod.yml")


def load_pod(
    path: Path | None, environ: Mapping[str, str], cwd: Path, clock: Callable[[], float] = time.time
) -> Pod:
    """Load the Spicepod at ``path``: a file, or the folder of one; None is ``cwd``.

    A relative path starts at ``cwd``; ``clock`` gives epoch seconds. Nothing is written, and no connection is made. Raises ConfigError
    with a line for everything that is wrong, as ``file:line:column: key: message``.
    """
    file, called = _find(path, cwd)
    folder = file.parent
    document = read_document(file, called)
    spicepod, problems = read_shape(document)
    environment = read_environment(folder, environ, _stores(document))
    parameters, wrong = _parameters(document, environment)
    problems += [*wrong, *_same_names(document)]
    if spicepod is None:
        refuse(called, problems)
    assert spicepod is not None  # A document without models has problems.
    placing, wrong = _placing(document, environment, folder, spicepod)
    placed = placing.placed()
    serving = Serving(document, environment, folder, spicepod.runtime or RuntimeEntry())
    access, limits, caching = serving.access(), serving.limits(), serving.caching()
    viewing = Viewing(document, folder, called, spicepod.views or ())
    views = viewing.views()
    problems += [*wrong, *placing.problems, *serving.problems, *viewing.problems]
    assemblies = [
        Assembly(document, ("datasets", index), folder, entry, *settings, placed)
        for index, (entry, settings) in enumerate(zip(spicepod.datasets, parameters, strict=True))
        if settings is not None
    ]
    datasets = [assembly.dataset() for assembly in assemblies]
    mapped = Mapped(
        document,
        environment,
        folder,
        spicepod.event_source_mappings or (),
        spicepod.datasets,
        datasets,
        clock(),
    )
    mappings = mapped.mappings()
    placed_datasets = [
        (assembly.path, dataset) for assembly, dataset in zip(assemblies, datasets, strict=True)
    ]
    problems += [
        *mapped.problems,
        *fed_problems(document, placed_datasets, mappings),
        *_nothing(document, spicepod),
    ]
    refuse(called, [*problems, *(problem for assembly in assemblies for problem in assembly.problems)])
    refuse(called, [*same_places(document, datasets), *shared_places(document, datasets, mappings)])
    warnings = sorted(
        [
            *(warning for assembly in assemblies for warning in assembly.warnings),
            *_idle_place(document, spicepod, datasets),
            *serving.warnings,
            *mapped.warnings,
        ]
    )
    return Pod(
        path=file,
        folder=folder,
        name=spicepod.name or folder.name or "headrace",
        datasets=tuple(dataset for dataset in datasets if dataset.fed_by is None),
        fed=tuple(dataset for dataset in datasets if dataset.fed_by is not None),
        views=views,
        mappings=mappings,
        warnings=tuple(warning.line(called) for warning in warnings),
        unbuilt=(
            *_unbuilt(document),
            *serving.unbuilt(),
            *unbuilt_sentences(SnapshotsEntry, document.at(("snapshots",)), "snapshots."),
            *placing.settings.unbuilt(PLACE, "snapshots.params"),
            *mapped.unbuilt,
        ),
        access=access,
        limits=limits,
        caching=caching,
    )


def _find(path: Path | None, cwd: Path) -> tuple[Path, str]:
    """The file, absolute, and what messages call it."""
    place = cwd.absolute() / (path or "")
    if not place.is_dir():
        if place.exists():
            return place, str(path)
        raise ConfigError(f"{path}: there is no such file; `headrace init` writes a first Spicepod")
    found = [name for name in FILE_NAMES if (place / name).is_file()]
    if len(found) > 1:
        raise ConfigError(f"{place}: there are {' and '.join(found)}; remove one, or name the one to load")
    called = str(path / (found or FILE_NAMES)[0]) if path else (found or FILE_NAMES)[0]
    if not found:
        raise ConfigError(
            f"{called}: there is no such file in {place}; `headrace init` writes a first Spicepod"
        )
    return place / found[0], called


def _parameters(
    document: Document, environment: Environment
) -> tuple[list[tuple[Settings, Settings] | None], list[Problem]]:
    """The parameters of each dataset and of its acceleration, and everything that is wrong with them.

    None stands for a dataset with a wrong parameter: what it says together with others cannot be judged.
    """
    connections = ParameterReader(document, environment, CONNECTOR, PREFIX)
    engines = ParameterReader(document, environment, ACCELERATION, "")
    parameters: list[tuple[Settings, Settings] | None] = []
    problems: list[Problem] = []
    for item in _dataset_paths(document):
        acceleration = (*item, "acceleration")
        connection, wrong = connections.read((*item, "params"))
        engine, also_wrong = engines.read((*acceleration, "params"))
        problems += [*wrong, *also_wrong, *doubled_snapshot_keys(document, acceleration)]
        parameters.append(None if wrong or also_wrong else (connection, engine))
    return parameters, problems


def _nothing(document: Document, spicepod: Spicepod) -> list[Problem]:
    """That there is neither a dataset nor a mapping."""
    if spicepod.datasets or spicepod.event_source_mappings:
        return []
    return [document.at_value(("datasets",), NO_DATASET)]


def _idle_place(document: Document, spicepod: Spicepod, datasets: Sequence[Dataset]) -> list[Problem]:
    """That snapshots have a place, and no dataset has snapshots."""
    if spicepod.snapshots is None or not spicepod.snapshots.enabled:
        return []
    accelerated = (dataset.acceleration for dataset in datasets)
    if any(one is not None and one.snapshots is not None for one in accelerated):
        return []
    why = "no effect: no dataset has any; write snapshots: enabled under its acceleration"
    return [document.at_key(("snapshots",), why)]


def _placing(
    document: Document, environment: Environment, folder: Path, spicepod: Spicepod
) -> tuple[Placing, list[Problem]]:
    """What the Spicepod says of snapshots, and what is wrong with its parameters."""
    settings, wrong = ParameterReader(document, environment, PLACE, "").read(("snapshots", "params"))
    return Placing(document, folder, spicepod.snapshots, settings), wrong


def _stores(document: Document) -> frozenset[str]:
    """The names that may stand before the colon of a reference."""
    named = set(BUILT_IN_STORES)
    block = document.at(("secrets",))
    for store in block if isinstance(block, list) else []:
        if isinstance(store, dict) and store.get("from") == "env" and isinstance(store.get("name"), str):
            named.add(str(store["name"]))
    return frozenset(named)


def _dataset_paths(document: Document) -> list[KeyPath]:
    return _items(document, "datasets")


def _items(document: Document, key: str) -> list[KeyPath]:
    block = document.at((key,))
    return [(key, index) for index in range(len(block))] if isinstance(block, list) else []


def _same_names(document: Document) -> list[Problem]:
    """Datasets and views whose names SQL cannot tell apart."""
    first: dict[str, KeyPath] = {}
    problems = []
    for item in (*_dataset_paths(document), *_items(document, "views")):
        path = (*item, "name")
        name = document.at(path)
        if not isinstance(name, str):
            continue
        earlier = first.setdefault(name.lower(), path)
        if earlier is not path:
            message = (
                f"'{name}' is the name of {written(earlier[:2])} too ({document.value_place(earlier)}); names must "
                "differ, and not in capitals only"
            )
            problems.append(document.at_value(path, message))
    return problems


def _unbuilt(document: Document) -> list[str]:
    """Sentences about what stands beside the datasets and is not carried out."""
    sentences = list(unbuilt_sentences(Spicepod, document.data))
    stores = document.at(("secrets",))
    for index, store in enumerate(stores if isinstance(stores, list) else []):
        sentences += _unbuilt_store(store, f"secrets[{index}]")
    return sentences


def _unbuilt_store(store: Data, where: str) -> list[str]:
    if not isinstance(store, dict):
        return []
    sentences = []
    if store.get("from") != "env":
        sentences.append(
            f"{where}.from: {store.get('from')} is not built yet; references are looked up in the environment "
            "and the .env files only"
        )
    if store.get("params") is not None:
        sentences.append(f"{where}.params: not built yet; .env.local and .env beside the Spicepod are read")
    return sentences
