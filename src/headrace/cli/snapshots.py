"""``headrace snapshots``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.client import Place, http_option

if TYPE_CHECKING:
    from headrace.accelerators.private_folder import PrivateFolder
    from headrace.config import Pod
    from headrace.dataset import Dataset
    from headrace.snapshot import Manifest
    from headrace.snapshots.shelf import DatasetShelf

USEFUL = 23 * 3600.0
"""Seconds for which a snapshot of a dataset that follows its stream may be restored."""

_COLUMNS = ("dataset", "snapshot", "current to", "age", "rows", "bytes", "engine", "state")


@click.group("snapshots")
def snapshots() -> None:
    """List, take, restore, verify or prune snapshots of datasets.

    All but create read the Spicepod and the place where its snapshots are kept, and need no runtime.
    """


def _printed(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--format",
        "format_",
        type=click.Choice(("table", "json")),
        default="table",
        show_default=True,
        help="How to print it.",
    )(command)


def _of_a_pod(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names the Spicepod."""
    return click.option(
        "--pod",
        type=click.Path(path_type=Path),
        help="A Spicepod or the folder that holds spicepod.yaml; by default, the working directory.",
    )(command)


@snapshots.command("list")
@click.argument("dataset", required=False)
@_of_a_pod
@_printed
def list_snapshots(dataset: str | None, pod: Path | None, format_: str) -> None:
    """List the snapshots of a DATASET, or of all, newest first.

    "current to" is the time up to which a snapshot has every change of the table. One that follows a stream is of use
    for 24 hours from then: the stream forgets what comes after it.
    """
    import time

    from headrace.cli.listing import as_json
    from headrace.cli.table import draw

    now = time.time()
    rows: list[tuple[str, ...]] = []
    told: list[dict[str, Any]] = []
    for one, shelf in _shelves(_loaded(pod), dataset):
        listed = shelf.listed()
        if not listed.manifests and not listed.unreadable:
            click.echo(f"{one.name}: there is no snapshot in {shelf.where}", err=True)
        rows += [_row(manifest, now) for manifest in listed.manifests]
        told += [_json(manifest) for manifest in listed.manifests]
        for found in listed.unreadable:
            rows.append((one.name, found.id, "", "", "", "", "", found.reason))
            told.append({"dataset": one.name, "id": found.id, "unreadable": found.reason})
    if format_ == "json":
        click.echo(as_json(told))
    elif rows:
        click.echo(draw(_COLUMNS, rows)[0])


@snapshots.command("create")
@click.argument("dataset")
@_printed
@http_option
def create(dataset: str, format_: str, place: Place) -> None:
    """Take a snapshot of a DATASET of the running runtime, now, and wait until it is stored.

    Exit codes: 0 it is stored, 1 it is not, for instance because the dataset is not healthy.
    """
    from headrace.cli.client import Client
    from headrace.cli.listing import as_json

    taken = Client(place).take_snapshot(dataset)
    if format_ == "json":
        click.echo(as_json(taken))
    else:
        click.echo(f"{taken['id']}: {taken['rows']:,} rows, {taken['bytes']:,} bytes")


@snapshots.command("restore")
@click.argument("dataset")
@click.argument("snapshot", required=False)
@click.option("--replace", is_flag=True, help="Although there is a copy, which is lost.")
@_of_a_pod
def restore(dataset: str, snapshot: str | None, pod: Path | None, *, replace: bool) -> None:
    """Put a SNAPSHOT in place of a DATASET's local copy; without an id, the newest.

    The runtime must be stopped. A dataset without a copy is restored by `headrace run` itself: this command is for one
    whose copy is there and is not wanted. When the runtime starts, it goes on from the snapshot, or copies the table
    where the stream has forgotten what follows it.
    """
    from headrace.shelves import restore_copy

    loaded = _loaded(pod)
    ((one, shelf),) = _shelves(loaded, dataset)
    manifest = _chosen(one, shelf, snapshot)
    rows = restore_copy(loaded, one, manifest, replace=replace)
    click.echo(f"{one.name}: {rows:,} rows of {manifest.id}, as of {_moment(manifest)}")


@snapshots.command("verify")
@click.argument("dataset", required=False)
@click.argument("snapshot", required=False)
@_of_a_pod
@click.pass_context
def verify(ctx: click.Context, dataset: str | None, snapshot: str | None, pod: Path | None) -> None:
    """Read every byte of snapshots and prove it by its checksum: of a DATASET, or all; of one SNAPSHOT, or all.

    Exit codes: 0 all are whole, 1 some are not.
    """
    from headrace.errors import SnapshotError
    from headrace.shelves import scratch_of

    loaded = _loaded(pod)
    scratch = scratch_of(loaded, loaded.datasets)
    faults = 0
    try:
        for one, shelf in _shelves(loaded, dataset, scratch):
            listed = shelf.listed()
            manifests = listed.manifests if snapshot is None else (_chosen(one, shelf, snapshot),)
            for manifest in manifests:
                try:
                    shelf.verify(manifest)
                except SnapshotError as error:
                    faults += 1
                    click.echo(f"{one.name} {manifest.id}: {error}")
                else:
                    click.echo(f"{one.name} {manifest.id}: whole, {manifest.size_bytes:,} bytes")
            for found in listed.unreadable if snapshot is None else ():
                faults += 1
                click.echo(f"{one.name} {found.id}: {found.reason}")
    finally:
        if scratch is not None:
            scratch.release()
    ctx.exit(1 if faults else 0)


@snapshots.command("prune")
@click.argument("dataset", required=False)
@_of_a_pod
def prune(dataset: str | None, pod: Path | None) -> None:
    """Remove old snapshots of a DATASET, or of all: beyond the newest, of which snapshots.keep says how many stay.

    The runtime does so after each snapshot; this also removes old ones of other tables, engines and settings of the
    dataset's name, and what was never completed. It may run beside any runtime.
    """
    for one, shelf in _shelves(_loaded(pod), dataset):
        gone = shelf.prune()
        for id_ in gone:
            click.echo(f"{one.name} {id_}: removed")
        if not gone:
            click.echo(f"{one.name}: nothing to remove")


def _loaded(pod: Path | None) -> Pod:
    import os

    from headrace.config import load_pod

    return load_pod(pod, os.environ, Path.cwd())


def _shelves(
    pod: Pod, dataset: str | None, scratch: PrivateFolder | None = None
) -> Iterator[tuple[Dataset, DatasetShelf]]:
    """The snapshots of one dataset, or of each that has any. Raises ConfigError where there is none."""
    from headrace.errors import ConfigError
    from headrace.shelves import shelf_of

    names = ", ".join(one.name for one in pod.datasets)
    asked = [one for one in pod.datasets if dataset is None or one.name.casefold() == dataset.casefold()]
    if not asked:
        raise ConfigError(f"{pod.path}: there is no dataset {dataset!r}; the datasets are: {names}")
    found = [(one, shelf) for one in asked if (shelf := shelf_of(one, None, scratch)) is not None]
    if not found:
        which = f"dataset {dataset}" if dataset is not None else "none of its datasets"
        verb = "has no" if dataset is not None else "has"
        raise ConfigError(
            f"{pod.path}: {which} {verb} snapshots; write `snapshots: enabled` under acceleration, and in `snapshots: "
            "{location: ...}` where they are kept, without `enabled: false`"
        )
    yield from found


def _chosen(dataset: Dataset, shelf: DatasetShelf, snapshot: str | None) -> Manifest:
    """The snapshot of this id, or the newest. Raises SnapshotError where there is none."""
    from headrace.errors import SnapshotError

    manifests = shelf.listed().manifests
    found = next((one for one in manifests if snapshot is None or one.id == snapshot), None)
    if found is None:
        which = "no snapshot" if snapshot is None else f"no snapshot {snapshot!r}"
        raise SnapshotError(f"{dataset.name} has {which} in {shelf.where}; see `headrace snapshots list`")
    return found


def _row(manifest: Manifest, now: float) -> tuple[str, ...]:
    age = max(0.0, now - manifest.current_to)
    state = "too old" if manifest.checkpoint.stream_arn and age > USEFUL else "complete"
    figures = (f"{age:,.0f} s", f"{manifest.rows:,}", f"{manifest.size_bytes:,}")
    return (manifest.dataset, manifest.id, _moment(manifest), *figures, manifest.engine, state)


def _moment(manifest: Manifest) -> str:
    from headrace.serve.explanation import time_text

    return time_text(manifest.current_to)


def _json(manifest: Manifest) -> dict[str, Any]:
    from headrace.serve.snapshots import snapshot_json

    return snapshot_json(manifest)
