"""One dataset's snapshots: written, found, proven, restored, and removed when there are enough newer ones."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from headrace import __version__
from headrace.errors import (
    AcceleratorError,
    SnapshotError,
    SnapshotGone,
    SnapshotRefused,
    SnapshotUnavailable,
)
from headrace.snapshot import Exporter, Listed, Manifest, SnapshotFile, Unreadable, snapshot_id
from headrace.snapshots.store import Store, Stored
from headrace.type_name import type_name

MANIFEST: Final = "manifest.json"
"""Written last: what has none is not complete."""

ABANDONED: Final = 24 * 3600.0
"""Seconds after its last file was written at which a snapshot without a manifest is nobody's any more: as long as a
stream remembers."""

_CHUNK: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Label:
    """Of which dataset a shelf keeps snapshots: its name, its engine, the table's name. ``keep`` are how many stay."""

    dataset: str
    engine: str
    table: str
    keep: int


class DatasetShelf:
    """A ``Shelf`` in a store that several processes may share.

    ``exporter`` is the dataset's copy; None: nothing is saved or restored. ``scratch`` is a folder for files on their
    way. ``token`` gives a new text at each call, by which no two processes write one snapshot. ``clock`` gives epoch
    seconds, of the store as far as it is known.

    Processes do each other no harm: each writes under an id of its own, reads only what has a manifest, and removes
    only what is older than the ``keep`` newest of the same kind (engine, table, stream, settings of columns).
    """

    def __init__(
        self,
        label: Label,
        store: Store,
        exporter: Exporter | None,
        scratch: Path | None,
        token: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.label = label
        self._store = store
        self._exporter = exporter
        self._scratch = scratch
        self._token = token
        self._clock = clock
        self._name = _file_name(label.dataset)
        self._root = f"{self._name}/"
        self._unpruned: Manifest | None = None

    @property
    def where(self) -> str:
        """The place, as people write it."""
        return self._store.where

    def listed(self) -> Listed:
        """What there is, newest first. Raises SnapshotUnavailable, SnapshotError where nothing can be listed at all."""
        manifests, unreadable = [], []
        for id_, files in sorted(self._found().items(), reverse=True):
            if not any(file.name.endswith(f"/{MANIFEST}") for file in files):
                continue
            try:
                manifests.append(self.read(id_))
            except SnapshotUnavailable:
                raise
            except SnapshotGone:
                continue
            except SnapshotError as error:
                # Refused, or not to be read whatever is tried: the others are there all the same.
                unreadable.append(Unreadable(id_, str(error)))
        return Listed(tuple(manifests), tuple(unreadable))

    def read(self, id_: str) -> Manifest:
        """One manifest. Raises SnapshotGone, SnapshotRefused, SnapshotUnavailable."""
        manifest = Manifest.decode(self._store.read(f"{self._root}{id_}/{MANIFEST}"))
        if manifest.id != id_:
            raise SnapshotRefused(f"its manifest is that of {manifest.id}")
        return manifest

    def save(self, taken_at: float, current_to: float) -> Manifest:
        """Write the live copy; see ``Shelf``.

        Where old ones cannot be removed this one is stored all the same, and no other before that has been made up for.
        """
        assert self._exporter is not None, "there is no copy to save"
        if self._unpruned is not None:
            self._prune_after(self._unpruned)
        id_ = snapshot_id(current_to, taken_at, self._token())
        with self._folder(id_) as folder:
            exported = self._exporter.export(folder, id_)
            if not exported.checkpoint.was_ready:
                raise SnapshotError("the copy is not complete; nothing was stored")
            paths = sorted(folder.iterdir())
            manifest = Manifest(
                id=id_,
                dataset=self.label.dataset,
                engine=self.label.engine,
                engine_version=exported.engine_version,
                table=self.label.table,
                taken_at=taken_at,
                current_to=current_to,
                rows=exported.rows,
                letters=exported.letters,
                waiting=exported.waiting,
                columns=tuple((column.name, type_name(column.type)) for column in exported.schema.columns),
                files=tuple(_described(path) for path in paths),
                checkpoint=exported.checkpoint,
                headrace=__version__,
            )
            self._store_whole(manifest, paths)
        # It is there: were it told to have failed, another would be written at once, and so on.
        with suppress(SnapshotError):
            self._prune_after(manifest)
        return manifest

    def restore(self, manifest: Manifest) -> None:
        """Put a snapshot in place of the copy; see ``Shelf``."""
        assert self._exporter is not None, "there is no copy to restore"
        with self._folder(manifest.id) as folder:
            self._fetch(manifest, folder)
            try:
                self._exporter.restore(folder)
            except AcceleratorError as error:
                raise type(error)(f"snapshot {manifest.id} cannot be restored: {error}") from error

    def verify(self, manifest: Manifest) -> None:
        """Prove all bytes of a snapshot. Raises SnapshotRefused, SnapshotGone, SnapshotUnavailable."""
        with self._folder(manifest.id) as folder:
            self._fetch(manifest, folder)

    def prune(self, like: Manifest | None = None) -> Sequence[str]:
        """Remove what is older than the newest ``keep`` of its kind, what was never completed, and what nobody can use.

        The last are those of another kind than the newest that are past their stream's memory. The ids of all.

        ``like``: only of that one's kind (engine, table, stream, settings of columns); None: of each kind. What cannot be read is left to
        people. Raises SnapshotUnavailable, SnapshotError.
        """
        found = self._found()
        manifests = self.listed().manifests
        kinds: dict[tuple[str, ...], list[Manifest]] = {}
        for manifest in manifests:
            kinds.setdefault(_kind(manifest), []).append(manifest)
        chosen = list(kinds.values()) if like is None else [kinds.get(_kind(like), [])]
        gone = [manifest.id for of_one in chosen for manifest in of_one[self.label.keep :]]
        gone += [id_ for id_, files in found.items() if self._abandoned(files)]
        gone += [manifest.id for manifest in manifests if self._useless(manifest, manifests[0])]
        for id_ in dict.fromkeys(gone):
            # The manifest first: what is half removed must not look like a snapshot.
            names = sorted(
                (file.name for file in found.get(id_, ())), key=lambda name: not name.endswith(MANIFEST)
            )
            for name in names:
                self._store.remove(name)
        return tuple(dict.fromkeys(gone))

    def close(self) -> None:
        """Have whatever is under way fail soon."""
        self._store.close()

    def _prune_after(self, saved: Manifest) -> None:
        self._unpruned = saved
        self.prune(saved)
        self._unpruned = None

    def _store_whole(self, manifest: Manifest, paths: Sequence[Path]) -> None:
        folder = f"{self._root}{manifest.id}"
        try:
            for path in paths:
                self._store.put(f"{folder}/{path.name}", path)
            self._store.write(f"{folder}/{MANIFEST}", manifest.encode())
        except BaseException:
            # What stays all the same is removed once it is old.
            with suppress(SnapshotError):
                for name in (MANIFEST, *(path.name for path in paths)):
                    self._store.remove(f"{folder}/{name}")
            raise

    def _found(self) -> dict[str, list[Stored]]:
        """The objects of each id."""
        found: dict[str, list[Stored]] = {}
        for stored in self._store.names(self._root):
            id_, slash, _ = stored.name[len(self._root) :].partition("/")
            if slash:
                found.setdefault(id_, []).append(stored)
        return found

    def _abandoned(self, files: Sequence[Stored]) -> bool:
        complete = any(file.name.endswith(f"/{MANIFEST}") for file in files)
        return not complete and max(file.written_at for file in files) < self._clock() - ABANDONED

    def _useless(self, manifest: Manifest, newest: Manifest) -> bool:
        """Whether the stream has forgotten what follows it, and those who wrote it have written nothing since."""
        forgotten = manifest.checkpoint.stream_arn and manifest.current_to < self._clock() - 2 * ABANDONED
        return bool(forgotten) and _kind(manifest) != _kind(newest)

    def _fetch(self, manifest: Manifest, folder: Path) -> None:
        for file in manifest.files:
            path = folder / Path(file.name).name
            try:
                self._store.fetch(f"{self._root}{manifest.id}/{file.name}", path)
            except SnapshotGone as error:
                if self._is_there(manifest):
                    raise SnapshotRefused(f"its file {file.name} is missing") from error
                raise
            found = _described(path)
            if found != file:
                raise SnapshotRefused(f"its file {file.name} is damaged: it has {_difference(found, file)}")

    def _is_there(self, manifest: Manifest) -> bool:
        try:
            return self.read(manifest.id) == manifest
        except SnapshotGone:
            return False

    @contextmanager
    def _folder(self, id_: str) -> Iterator[Path]:
        """A new folder on the way, removed with all that is left in it."""
        assert self._scratch is not None, "there is no room for files on their way"
        folder = self._scratch / f"{self._name}-{id_}-{self._token()}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise SnapshotUnavailable(f"cannot make {folder}: {error}") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _file_name(dataset: str) -> str:
    """A name for a folder, of each dataset its own, and never one that leads elsewhere."""
    name = quote(dataset, safe=" ")
    return name if name.strip(".") else name.replace(".", "%2E")


def _kind(manifest: Manifest) -> tuple[str, ...]:
    checkpoint = manifest.checkpoint
    return manifest.engine, checkpoint.table_id, checkpoint.stream_arn, checkpoint.reading


def _difference(found: SnapshotFile, stored: SnapshotFile) -> str:
    if found.size != stored.size:
        return f"{found.size:,} bytes, not {stored.size:,}"
    return "another checksum"


def _described(path: Path) -> SnapshotFile:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return SnapshotFile(path.name, path.stat().st_size, digest.hexdigest())
    except OSError as error:
        raise SnapshotUnavailable(f"cannot read {path}: {error}") from error
