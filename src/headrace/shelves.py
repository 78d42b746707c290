"""The snapshots of a Spicepod's datasets: where each lies, how it is reached, what is on its way."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from headrace.accelerators.engines import Engines
from headrace.accelerators.private_folder import PrivateFolder
from headrace.config import Pod
from headrace.dataset import Dataset, Mode, SnapshotPlace
from headrace.dynamodb import explicit_keys, open_session
from headrace.errors import ConfigError
from headrace.snapshot import Exporter, Manifest
from headrace.snapshots.bucket import BucketStore, bucket_client
from headrace.snapshots.folder import FolderStore
from headrace.snapshots.shelf import DatasetShelf, Label
from headrace.snapshots.store import Store

SCRATCH = Path(".headrace") / "scratch"
"""Where files are on their way, from the Spicepod's folder."""


def scratch_of(pod: Pod, datasets: Sequence[Dataset]) -> PrivateFolder | None:
    """A folder for files on their way to snapshots and from them, None where no dataset has any.

    It lies in the Spicepod's folder, so that what comes from the default place or goes there need not be copied.
    Raises ConfigError.
    """
    accelerated = (dataset.acceleration for dataset in datasets)
    if all(one is None or one.snapshots is None for one in accelerated):
        return None
    parent = pod.folder / SCRATCH
    try:
        return PrivateFolder(parent, "snapshots-")
    except OSError as error:
        raise ConfigError(
            f"snapshots need a folder for files on their way, and {parent} cannot be made: {error}"
        ) from error


def shelf_of(
    dataset: Dataset, exporter: Exporter | None, scratch: PrivateFolder | None
) -> DatasetShelf | None:
    """The snapshots of a dataset, None where it has none; without ``exporter`` and ``scratch`` to look at only."""
    acceleration = dataset.acceleration
    if acceleration is None or acceleration.snapshots is None:
        return None
    snapshots = acceleration.snapshots
    label = Label(dataset.name, acceleration.engine, dataset.table, snapshots.keep)
    path = None if scratch is None else scratch.path
    return DatasetShelf(label, _store(snapshots.place), exporter, path, lambda: secrets.token_hex(4))


def restore_copy(pod: Pod, dataset: Dataset, manifest: Manifest, *, replace: bool) -> int:
    """Put a snapshot in place of a dataset's copy, and count its rows; the dataset has snapshots, and is not running.

    Raises AcceleratorLocked where it is, ConfigError for a copy in memory, and where there is a copy and ``replace`` is
    not said, and what ``Shelf.restore`` raises.
    """
    if dataset.acceleration is not None and dataset.acceleration.mode is Mode.MEMORY:
        raise ConfigError(
            f"{dataset.name} has mode: memory, so there is no local copy to put a snapshot in; each start of "
            "`headrace run` begins with the newest"
        )
    scratch = scratch_of(pod, [dataset])
    assert scratch is not None, "the dataset has no snapshots"
    engines = Engines([dataset], scratch=scratch.path)
    try:
        sink = engines.sink(dataset.name)
        stored = sink.open()
        if not replace and (stored.live is not None or stored.building is not None):
            raise ConfigError(
                f"{dataset.name} has a copy, which would be lost; say --replace if that is meant"
            )
        shelf = shelf_of(dataset, sink, scratch)
        assert shelf is not None, "the dataset has no snapshots"
        shelf.restore(manifest)
        sink.open()
        return sink.rows()
    finally:
        engines.close()
        scratch.release()


def _store(place: SnapshotPlace) -> Store:
    if place.folder is not None:
        return FolderStore(place.folder)
    assert place.bucket is not None, "a place is a folder or a bucket"
    access = place.access

    def connect() -> object:
        session = open_session(access, "s3_region")
        return bucket_client(session, access.endpoint_url, explicit_keys(access))

    return BucketStore(place.bucket, place.prefix, connect)
