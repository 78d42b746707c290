"""``headrace.connect``: a DB-API 2.0 connection to a runtime, over Arrow Flight SQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from headrace.errors import ConfigError, PackageMissing

if TYPE_CHECKING:
    from adbc_driver_flightsql.dbapi import Connection

DEFAULT_URI: Final = "grpc://127.0.0.1:50051"

_LARGEST_MESSAGE: Final = 2**30
"""Bytes. Rows come in messages of about a megabyte; one row that is larger is one message."""


def connect(
    uri: str = DEFAULT_URI,
    *,
    api_key: str | None = None,
    tls_roots: str | Path | None = None,
    timeout: float | None = None,
) -> Connection:
    """Connect to the runtime that ``headrace run`` serves at ``uri``, which begins with grpc: or grpc+tls:.

    ``api_key`` is a key of ``runtime.auth``. ``tls_roots`` is a file with the certificates (PEM) of the authorities
    to trust; the system's are trusted without it. ``timeout`` is how many seconds each call may take.

    What comes is the connection of ADBC's driver (https://arrow.apache.org/adbc), with PEP 249's methods and
    ``fetch_arrow_table``, ``fetch_record_batch``, ``fetch_df``, ``fetch_polars`` of its cursors; it raises PEP 249's errors.
    Parameters are ``?``. It is made when first used: only then does an address at which nobody listens show.

    Raises PackageMissing where the extra ``headrace[client]`` is not installed, ConfigError for what cannot be meant.
    """
    try:
        from adbc_driver_flightsql import DatabaseOptions, dbapi
    except ImportError as error:
        raise PackageMissing(
            "headrace.connect needs ADBC's driver: pip install 'headrace[client]'"
        ) from error
    scheme, there, _ = uri.partition("://")
    if not there or scheme not in ("grpc", "grpc+tcp", "grpc+tls"):
        raise ConfigError(f"{uri!r} is not grpc://HOST:PORT or grpc+tls://HOST:PORT, such as {DEFAULT_URI}")
    options = {DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(_LARGEST_MESSAGE)}
    if api_key is not None:
        options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Bearer {api_key}"
    if tls_roots is not None:
        if scheme != "grpc+tls":
            raise ConfigError(f"tls_roots: {uri} is not encrypted; write grpc+tls://")
        options[DatabaseOptions.TLS_ROOT_CERTS.value] = _certificates(Path(tls_roots))
    if timeout is not None:
        for option in (
            DatabaseOptions.TIMEOUT_FETCH,
            DatabaseOptions.TIMEOUT_QUERY,
            DatabaseOptions.TIMEOUT_UPDATE,
        ):
            options[option.value] = str(float(timeout))
    # There is nothing to commit; without this the driver warns that there are no transactions.
    return dbapi.connect(uri, db_kwargs=options, autocommit=True)


def _certificates(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"tls_roots: {file} cannot be read: {error}") from None
