"""The acceleration of one dataset: engine, file or server, key and indexes, put together and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from headrace.column_reference import format_reference, parse_reference
from headrace.config import acceleration as accelerating
from headrace.config.acceleration_model import AccelerationEntry
from headrace.config.document import Document
from headrace.config.parameter import Parameter, Settings
from headrace.config.problem import KeyPath, Problem
from headrace.config.quantity import SECOND
from headrace.config.snapshots import Snapshotted
from headrace.dataset import (
    Acceleration,
    CayenneFiles,
    Compression,
    Engine,
    Index,
    Mode,
    PostgresAccess,
    RefreshMode,
    Snapshots,
)

DATA_FOLDER = Path(".headrace") / "data"
"""Where accelerators keep their files, from the Spicepod's folder, unless it names others."""

SYSTEM = "system"
"""What ``pg_sslrootcert`` calls the certificates of the system, as libpq does."""

UNINDEXED = frozenset({Engine.DUCKDB, Engine.CAYENNE})
"""The engines that make no index but what finds a key: queries scan."""

_PROVING = ("require", "verify-ca", "verify-full")
"""The modes in which libpq looks at certificates, where it has some to trust (PostgreSQL, "SSL Support")."""


@dataclass(slots=True)
class Accelerated:
    """One acceleration in the making.

    ``path`` is its own in the document, ``folder`` the Spicepod's, ``name`` the dataset's. ``snapshots`` tells of its
    snapshots. ``problems`` and
    ``warnings`` grow while ``acceleration`` runs.
    """

    document: Document
    path: KeyPath
    folder: Path
    name: str
    entry: AccelerationEntry
    settings: Settings
    snapshots: Snapshotted
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def acceleration(self) -> Acceleration:
        """The acceleration; it holds only if ``problems`` stays empty."""
        entry = self.entry
        engine = Engine.DUCKDB if entry.engine == "arrow" else Engine(entry.engine)
        self._refuse_keys_of_others(engine)
        mode = self._mode(engine)
        busy_timeout = self.settings.get(accelerating.BUSY_TIMEOUT)
        assert busy_timeout is not None
        return Acceleration(
            engine=engine,
            mode=mode,
            refresh_mode=RefreshMode(entry.refresh_mode),
            path=self._file(engine, mode),
            on_conflict=self._on_conflict(),
            primary_key=self._primary_key(),
            memory_limit=self.settings.get(accelerating.DUCKDB_MEMORY_LIMIT),
            indexes=tuple(self._indexes(engine)),
            busy_timeout=busy_timeout / SECOND,
            postgres=self._server() if engine is Engine.POSTGRES else None,
            cayenne=self._folders() if engine is Engine.CAYENNE else None,
            snapshots=self._snapshots(),
        )

    def _snapshots(self) -> Snapshots | None:
        found = self.snapshots.snapshots()
        self.problems += self.snapshots.problems
        self.warnings += self.snapshots.warnings
        return found

    def _refuse_keys_of_others(self, engine: Engine) -> None:
        for other, parameters in accelerating.ENGINES.items():
            for parameter in parameters if other is not engine else ():
                found = self.settings.given.get(parameter.name)
                if found is not None:
                    problem = self.document.at_key(
                        (*self.path, "params", found.key),
                        f"belongs to engine {other}, and this one is {self.entry.engine}; write engine: {other}, or "
                        "remove the key",
                    )
                    self.problems.append(problem)

    def _mode(self, engine: Engine) -> Mode:
        mode, at = Mode(self.entry.mode), (*self.path, "mode")
        if self.entry.engine == "arrow" and mode is Mode.FILE:
            self._refuse(at, "engine arrow lives in memory; write engine: duckdb to keep a file")
        keeper = _OUTLIVING.get(engine)
        if keeper is None:
            return mode
        if self.document.at(at) is not None:
            kept = f"engine {engine} keeps the copy in {keeper} the process; remove the key"
            if mode is Mode.MEMORY:
                self._refuse(at, f"{kept}, or write engine: duckdb or sqlite for a copy in memory")
            elif engine is Engine.POSTGRES:
                self.warnings.append(self.document.at_value(at, kept))
        return Mode.FILE

    def _file(self, engine: Engine, mode: Mode) -> Path | None:
        parameter = accelerating.FILES.get(engine)
        if parameter is None:
            return None
        at = (*self.path, "params", parameter.name)
        named = self.settings.get(parameter)
        if mode is Mode.MEMORY:
            if named is not None:
                self._refuse(at, "a copy in memory has no file; write mode: file, or remove the key")
            return None
        file = self.folder / (named or DATA_FOLDER / f"{self.name}.{engine}")
        self._check(at, file, folder=False)
        return file

    def _folders(self) -> CayenneFiles:
        folder = self._folder(accelerating.CAYENNE_FILE_PATH, DATA_FOLDER / f"{self.name}.{Engine.CAYENNE}")
        apart = accelerating.CAYENNE_METADATA_DIR.name in self.settings.given
        compression = self.settings.get(accelerating.CAYENNE_COMPRESSION_STRATEGY)
        assert compression is not None
        return CayenneFiles(
            folder=folder,
            metadata=self._folder(accelerating.CAYENNE_METADATA_DIR, folder) if apart else folder,
            compression=Compression(compression),
        )

    def _folder(self, parameter: Parameter[str], otherwise: Path) -> Path:
        """The folder that a parameter names, or the one it has otherwise."""
        folder = self.folder / (self.settings.get(parameter) or otherwise)
        self._check((*self.path, "params", parameter.name), folder, folder=True)
        return folder

    def _check(self, at: KeyPath, place: Path, *, folder: bool) -> None:
        """Refuse a place that is there and of the other kind, or that the system will not look at."""
        try:
            wrong = place.exists() and place.is_dir() is not folder
        except OSError as error:
            self._refuse(at, f"{place} cannot be used ({error.strerror}); name another")
            return
        if wrong:
            self._refuse(
                at, f"{place} is a file; name a folder" if folder else f"{place} is a folder; name a file"
            )

    def _server(self) -> PostgresAccess:
        get = self.settings.get
        return PostgresAccess(
            host=get(accelerating.PG_HOST),
            port=get(accelerating.PG_PORT),
            database=get(accelerating.PG_DB),
            user=get(accelerating.PG_USER),
            password=get(accelerating.PG_PASS),
            sslmode=get(accelerating.PG_SSLMODE),
            sslrootcert=self._certificates(),
            connection_string=get(accelerating.PG_CONNECTION_STRING),
            schema=get(accelerating.PG_SCHEMA),
        )

    def _certificates(self) -> Path | None:
        named = self.settings.get(accelerating.PG_SSLROOTCERT)
        if named is None:
            return None
        at = (*self.path, "params", accelerating.PG_SSLROOTCERT.name)
        mode = self.settings.get(accelerating.PG_SSLMODE)
        if mode is not None and mode not in _PROVING:
            message = (
                f"nobody looks at certificates with pg_sslmode: {mode}; write verify-full, or remove the key"
            )
            self.warnings.append(self.document.at_value(at, message))
        if named == SYSTEM:
            return Path(SYSTEM)
        file = self.folder / named
        if not file.is_file():
            self._refuse(at, f"there is no file {file}; name a file of certificates, or write system")
        return file

    def _on_conflict(self) -> tuple[str, ...] | None:
        if not self.entry.on_conflict:
            return None
        if len(self.entry.on_conflict) > 1:
            self._refuse(
                (*self.path, "on_conflict"),
                "a table has one key; write one line, such as (id, version): upsert",
            )
        return next(iter(self.entry.on_conflict))

    def _primary_key(self) -> tuple[str, ...] | None:
        key, other = self.entry.primary_key, self._on_conflict_alone()
        if key is not None and other is not None and _folded(key) != _folded(other):
            place = self.document.key_place((*self.path, "on_conflict"))
            self._refuse(
                (*self.path, "primary_key"),
                f"names {format_reference(key)}, and on_conflict {format_reference(other)} ({place}); a table has one "
                "key, so name it in both, or leave both out",
            )
        return key

    def _on_conflict_alone(self) -> tuple[str, ...] | None:
        """What ``on_conflict`` names, None unless it is one key."""
        named = tuple(self.entry.on_conflict or ())
        return named[0] if len(named) == 1 else None

    def _indexes(self, engine: Engine) -> list[Index]:
        block = self.document.at((*self.path, "indexes"))
        written = tuple(block) if isinstance(block, dict) else ()
        first: dict[tuple[str, ...], KeyPath] = {}
        indexes = []
        # The entry holds spellings of one reference once; the document holds each.
        for key in written:
            columns = parse_reference(key)
            at = (*self.path, "indexes", key)
            earlier = first.setdefault(columns, at)
            if earlier is not at:
                place = self.document.key_place(earlier)
                self.problems.append(
                    self.document.at_key(at, f"is the index of these columns again ({place}); keep one")
                )
            unique = (self.entry.indexes or {})[columns] == "unique"
            if unique and engine in UNINDEXED:
                self._refuse(at, f"engine {engine} {_NOT_UNIQUE}")
            indexes.append(Index(columns, unique))
        return indexes if engine not in UNINDEXED else []

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))


def _folded(names: tuple[str, ...]) -> list[str]:
    """Names as SQL compares them, in any order."""
    return sorted(name.lower() for name in names)


_NOT_UNIQUE = "does not keep columns unique; write enabled, or choose engine: sqlite or engine: postgres"

_OUTLIVING = {
    Engine.POSTGRES: "its server, which outlives",
    Engine.CAYENNE: "files, which outlive",
}
"""What the engines that have no copy in memory keep it in."""
