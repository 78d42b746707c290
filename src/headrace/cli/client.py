"""The running runtime, as the verbs that ask it see it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
import urllib3

from headrace.errors import HeadraceError

DEFAULT_URL = "http://127.0.0.1:8090"

ARROW_STREAM = "application/vnd.apache.arrow.stream"

_UNAUTHORIZED = 401
_NOT_FOUND = 404
_PAGE = 1000
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_SETTLING_SECONDS = 75.0
_SNAPSHOT_SECONDS = 630.0
"""Longer than the runtime waits for its own machine."""


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that says how answers are printed; it arrives as ``format_``."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(("table", "json", "csv")),
        default="table",
        show_default=True,
        help="How to print answers; json and csv are passed on as the runtime sends them.",
    )(command)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a runtime listens and how it is reached: ``url`` may leave out ``http://``.

    ``api_key`` is sent where there is one. ``authorities`` is a file of certificates (PEM) that are trusted, None for
    those that the system trusts.
    """

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    authorities: Path | None = None


def http_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name the runtime to ask; they arrive together as ``place``."""

    @wraps(command)
    def placed(
        *args: Any, url: str, api_key: str | None, tls_root_certificate_file: Path | None, **others: Any
    ) -> Any:
        return command(*args, place=Place(url, api_key, tls_root_certificate_file), **others)

    for option in (
        click.option(
            "--tls-root-certificate-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            envvar="HEADRACE_TLS_ROOT_CERTIFICATE_FILE",
            show_envvar=True,
            help="The certificates (PEM) of the authorities that are trusted, in place of the system's.",
        ),
        click.option(
            "--api-key",
            metavar="KEY",
            envvar="HEADRACE_API_KEY",
            show_envvar=True,
            help="The key that the runtime asks for. Best in the environment: other users see arguments.",
        ),
    ):
        placed = option(placed)
    return click.option(
        "--http",
        "url",
        metavar="URL",
        default=DEFAULT_URL,
        envvar="HEADRACE_HTTP",
        show_default=True,
        show_envvar=True,
        help="Where the runtime listens.",
    )(placed)


class Client:
    """HTTP to one runtime.

    Every method raises HeadraceError with what the runtime said, or that none listens.
    """

    def __init__(self, place: Place) -> None:
        url = place.url
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HeadraceError(f"{url!r} is not the URL of a runtime: write it like {DEFAULT_URL}")
        self._headers = {} if place.api_key is None else {"X-API-Key": _sendable(place.api_key)}
        trusted = None if place.authorities is None else str(place.authorities)
        self._pool = urllib3.PoolManager(retries=False, ca_certs=trusted)

    @contextmanager
    def sql(self, statement: str, accept: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to one statement in the media type ``accept``, not yet read.

        Leaving the context before all is read drops the connection, and so cancels the statement.
        """
        body = statement.encode()
        # The runtime has a time limit of its own for statements.
        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=None)
        with self._said():
            response = self._request("POST", "/v1/sql", body=body, accept=accept, timeout=timeout)
            try:
                _expect_ok(response)
                yield response
                response.drain_conn()
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()

    def datasets(self) -> list[dict[str, Any]]:
        """Every dataset with its status, as the runtime's JSON has it."""
        datasets = self._json("GET", "/v1/datasets?status=true")
        if not isinstance(datasets, list):
            raise HeadraceError(
                f"{self.url} did not answer with a list of datasets: is it a Headrace runtime?"
            )
        return datasets

    def not_ready(self) -> str | None:
        """Why the runtime is not ready; None if it is."""
        status, body = self._whole("GET", "/v1/ready")
        if status == 200:  # noqa: PLR2004 - OK
            return None
        return _complaint(status, body)

    def refresh(self, dataset: str, asked: dict[str, str]) -> dict[str, Any]:
        """Ask for a refresh of one dataset; what the runtime says to it, with its number as ``refresh``."""
        path = f"/v1/datasets/{quote(dataset, safe='')}/acceleration/refresh"
        return self._object("POST", path, asked or None)

    def refreshed(self, dataset: str, number: int) -> dict[str, Any]:
        """What became of a refresh, as the runtime's JSON has it."""
        return self._object("GET", f"/v1/datasets/{quote(dataset, safe='')}/acceleration/refresh/{number}")

    def take_snapshot(self, dataset: str) -> dict[str, Any]:
        """Store the copy of one dataset as a snapshot, and wait for it; what it is, as the runtime's JSON has it."""
        path = f"/v1/datasets/{quote(dataset, safe='')}/acceleration/snapshots"
        return self._as_object(path, self._json("POST", path, {}, _SNAPSHOT_SECONDS))

    def shards(self, dataset: str, shard_id: str | None) -> Any:
        """What is known of a dataset's shards, or of one's family."""
        one = "" if shard_id is None else f"/{quote(shard_id, safe='')}"
        return self._json("GET", f"/v1/datasets/{quote(dataset, safe='')}/shards{one}")

    def key(self, dataset: str, partition: str, sort: str | None) -> Any:
        """The life of one key."""
        parts = {"partition": partition} if sort is None else {"partition": partition, "sort": sort}
        query = urlencode(parts, errors="surrogateescape")
        return self._json("GET", f"/v1/datasets/{quote(dataset, safe='')}/key?{query}")

    def settle_letters(self, dataset: str, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Retry or discard dead letters of one dataset; how many, as the runtime's JSON has it."""
        path = f"/v1/datasets/{quote(dataset, safe='')}/dead-letters/{action}"
        return self._object("POST", path, asked)

    def mappings(self) -> list[dict[str, Any]]:
        """Every event source mapping with its status, as the runtime's JSON has it."""
        mappings = self._json("GET", "/v1/event_source_mappings")
        if not isinstance(mappings, list):
            raise HeadraceError(
                f"{self.url} did not answer with a list of mappings: is it a Headrace runtime?"
            )
        return mappings

    def failures(self, mapping: str) -> Iterator[dict[str, Any]]:
        """The failures of a mapping without their records, in the order of their ids."""
        return self._pages(f"/v1/event_source_mappings/{quote(mapping, safe='')}/failures", "failures")

    def parked(self, mapping: str) -> Iterator[dict[str, Any]]:
        """The items of which records wait, in the order of their keys."""
        return self._pages(f"/v1/event_source_mappings/{quote(mapping, safe='')}/parked", "parked")

    def failure(self, mapping: str, id_: str) -> dict[str, Any] | None:
        """One failure, whole; None where the mapping has none of that id."""
        path = f"/v1/event_source_mappings/{quote(mapping, safe='')}/failures/{quote(id_, safe='')}"
        status, body = self._whole("GET", path)
        return None if status == _NOT_FOUND else self._as_object(path, self._read(path, status, body))

    def settle_failures(self, mapping: str, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Redrive or discard failures of one mapping; how many, as the runtime's JSON has it."""
        return self._object(
            "POST", f"/v1/event_source_mappings/{quote(mapping, safe='')}/failures/{action}", asked
        )

    def fill(self, mapping: str) -> None:
        """Have a mapping's target filled with its table once more."""
        self._object("POST", f"/v1/event_source_mappings/{quote(mapping, safe='')}/fill")

    def verify(self, mapping: str) -> dict[str, Any]:
        """What a mapping's target keeps, compared with its table, however long that takes."""
        path = f"/v1/event_source_mappings/{quote(mapping, safe='')}/verify"
        return self._as_object(path, self._json("POST", path, {}, patience=None))

    def _pages(self, path: str, field: str) -> Iterator[dict[str, Any]]:
        """All that is listed there, page by page."""
        after: dict[str, str] = {}
        while True:
            page = self._object("GET", f"{path}?{urlencode({'limit': _PAGE, **after})}")
            if not page.get(field):
                return
            yield from page[field]
            after = {"after": page["next"]}

    def _object(self, method: str, path: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._as_object(path, self._json(method, path, asked))

    def _as_object(self, path: str, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise HeadraceError(f"{self.url}{path} did not answer with an object: is it a Headrace runtime?")
        return found

    def _json(
        self,
        method: str,
        path: str,
        asked: dict[str, Any] | None = None,
        patience: float | None = _SETTLING_SECONDS,
    ) -> Any:
        return self._read(path, *self._whole(method, path, asked, patience))

    def _read(self, path: str, status: int, body: bytes) -> Any:
        if status >= 400:  # noqa: PLR2004 - errors begin here
            raise HeadraceError(_complaint(status, body))
        try:
            return json.loads(body or b"null")
        except ValueError:
            raise HeadraceError(
                f"{self.url}{path} did not answer with JSON: is it a Headrace runtime?"
            ) from None

    def _whole(
        self,
        method: str,
        path: str,
        asked: dict[str, Any] | None = None,
        patience: float | None = _SETTLING_SECONDS,
    ) -> tuple[int, bytes]:
        seconds = _ANSWER_SECONDS if asked is None else patience
        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=seconds)
        body = None if asked is None else json.dumps(asked).encode()
        content_type = "text/plain; charset=utf-8" if asked is None else "application/json"
        with self._said():
            response = self._request(
                method, path, body=body, accept="application/json", timeout=timeout, content_type=content_type
            )
            try:
                return response.status, response.read()
            finally:
                response.release_conn()

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None,
        accept: str,
        timeout: urllib3.Timeout,
        content_type: str = "text/plain; charset=utf-8",
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method,
            self.url + path,
            body=body,
            headers={"Accept": accept, "Content-Type": content_type, **self._headers},
            timeout=timeout,
            preload_content=False,
        )

    @contextmanager
    def _said(self) -> Iterator[None]:
        """The door at which urllib3's exceptions become ours."""
        try:
            yield
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise HeadraceError(
                f"no runtime listens at {self.url}: start one with `headrace run`, "
                "or name another with --http URL (or HEADRACE_HTTP)"
            ) from error
        except urllib3.exceptions.SSLError as error:
            raise HeadraceError(_distrust(self.url, error)) from error
        except urllib3.exceptions.HTTPError as error:
            hint = "; if it speaks TLS, write https://" if self.url.startswith("http:") else ""
            raise HeadraceError(f"{self.url} broke off its answer: {error}{hint}") from error


def _sendable(key: str) -> str:
    if not key or not all("!" <= sign <= "~" for sign in key):
        raise HeadraceError("the API key cannot be one: it is of visible signs of ASCII, without spaces")
    return key


def _distrust(url: str, error: Exception) -> str:
    """What to say where TLS fails."""
    said = str(error)
    if "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER_FAILURE" in said:
        return f"{url} does not speak TLS: write http:// in place of https://"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        why = re.search(r"certificate verify failed: (.*?)(?: \(_ssl|\)|$)", said)
        return (
            f"the certificate of {url} is not trusted ({why[1] if why else 'it cannot be verified'}); name the authority's "
            "with --tls-root-certificate-file FILE, and the runtime as its certificate does"
        )
    return f"{url}: TLS failed: {said}"


def _expect_ok(response: urllib3.BaseHTTPResponse) -> None:
    if response.status != 200:  # noqa: PLR2004 - OK
        raise HeadraceError(_complaint(response.status, response.read()))
    # Arrow asks a stream whether it is closed after its end.
    vars(response)["auto_close"] = False


def _complaint(status: int, body: bytes) -> str:
    """What an error answer says: the message of its JSON, else its text."""
    if status == _UNAUTHORIZED:
        return "the runtime asks for a key that it knows: give --api-key KEY (or HEADRACE_API_KEY)"
    text = body.decode(errors="replace").strip()
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return text or f"HTTP status {status}"
    return str(message)
