"""How a server is reached: libpq's connection information from the Spicepod, and connections made with it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from headrace.accelerators.postgres.door import translate
from headrace.dataset import PostgresAccess
from headrace.errors import AcceleratorError, ConfigError

OLDEST_SERVER = 14
"""The oldest version of PostgreSQL whose times can be read exactly."""

_DEFAULTS = {
    "connect_timeout": "10",
    # A server that has vanished is noticed within half a minute, whether it is read from or written to.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
"""What libpq does where neither the connection string nor the environment says otherwise."""

_SESSION = (
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET standard_conforming_strings = on",
    # Compiling a statement takes longer than any of ours.
    "SET jit = off",
)
"""What the texts of values depend on; a role or a database may have other defaults."""


class PostgresServer:
    """One server and database, as one dataset reaches it. Nothing is connected until it is asked for."""

    def __init__(self, access: PostgresAccess, dataset: str) -> None:
        self._dataset = dataset
        self._given = _given(access, dataset)
        self._secrets = tuple(_secrets(self._given))
        name = f"headrace {dataset} ({socket.gethostname()}, process {os.getpid()})"
        ours = {"application_name": _cut(name)} | self._given | {"client_encoding": "UTF8"}
        self._conninfo = make_conninfo(**ours)

    def connect(self) -> psycopg.Connection:
        """A new connection, in which every statement is its own transaction until one is begun.

        Its statements have parameters as the server writes them, ``$1``: a name may hold a percent sign.

        Raises AcceleratorError where the server cannot be reached, refuses, or is none that can be worked with.
        """
        doing = f"cannot connect to the PostgreSQL of {self._dataset}"
        try:
            connection = psycopg.connect(
                self._conninfo, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.RawCursor
            )
        except psycopg.Error as error:
            raise AcceleratorError(f"{doing}: {self.redact(' '.join(str(error).split()))}") from None
        try:
            self._expect(connection)
            connection.execute("; ".join(_SESSION))
        except psycopg.Error as error:
            connection.close()
            raise translate(error, doing, self.redact) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def redact(self, text: str) -> str:
        """The text without passwords and user names."""
        for secret in self._secrets:
            text = text.replace(f'"{secret}"', '"***"')
            if len(secret) >= _TELLING:
                text = text.replace(secret, "***")
        return text

    def _expect(self, connection: psycopg.Connection) -> None:
        version = connection.info.server_version // 10_000
        if version < OLDEST_SERVER:
            raise AcceleratorError(
                f"{self._dataset}: the server is PostgreSQL {version}; use {OLDEST_SERVER} or newer"
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise AcceleratorError(
                f"{self._dataset}: the database has the encoding {encoding}, which does not hold all texts; "
                "make one WITH ENCODING 'UTF8' TEMPLATE template0"
            )


_TELLING = 4
"""Letters from which on a secret is taken out of a text wherever it stands."""

_LONGEST_NAME = 63


def _given(access: PostgresAccess, dataset: str) -> dict[str, str]:
    """What the Spicepod says, as libpq's keywords. Raises ConfigError without a word of the connection string."""
    stated = {
        "host": access.host,
        "port": None if access.port is None else str(access.port),
        "dbname": access.database,
        "user": None if access.user is None else access.user.reveal(),
        "password": None if access.password is None else access.password.reveal(),
        "sslmode": access.sslmode,
        "sslrootcert": None if access.sslrootcert is None else str(access.sslrootcert),
    }
    text = "" if access.connection_string is None else access.connection_string.reveal()
    try:
        parsed = {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
        given = parsed | {key: value for key, value in stated.items() if value is not None}
        whole = _defaults(given) | given
        make_conninfo(**whole)
    except psycopg.Error:
        raise ConfigError(
            f"dataset {dataset}: libpq cannot read the connection string or one of the pg_ parameters; write "
            "postgresql://user@host:5432/database, or host=... dbname=..., with quotes around blanks"
        ) from None
    return whole


def _defaults(given: dict[str, str]) -> dict[str, str]:
    # What is given here goes before a service's file and the environment, in which the user may have said something.
    if "service" in given or "PGSERVICE" in os.environ:
        return {}
    return {key: value for key, value in _DEFAULTS.items() if f"PG{key.upper()}" not in os.environ}


def _secrets(given: dict[str, str]) -> Iterator[str]:
    for key in ("password", "sslpassword", "user"):
        if given.get(key):
            yield given[key]


def _cut(name: str) -> str:
    """As much of a name as the server keeps, in ASCII, which is all that it keeps."""
    return re.sub(r"[^\x20-\x7e]", "?", name)[:_LONGEST_NAME]
