"""Who may ask the runtime and what statements may use, from a Spicepod's ``runtime``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.access import Access, ApiKey, Scope, Tls
from headrace.config import runtime_model as keys
from headrace.config.document import Data, Document
from headrace.config.environment import Environment, UnresolvedError
from headrace.config.parameter import Parameter, ParameterReader, Settings
from headrace.config.problem import BadValueError, KeyPath, Problem
from headrace.config.quantity import SECOND
from headrace.config.shape import unbuilt_sentences
from headrace.dataset import Secret
from headrace.errors import ConfigError
from headrace.limits import Caching, QueryLimits
from headrace.tls import server_context

SHORTEST_SAFE_KEY: Final = 16
"""Characters of a key that nobody guesses, if they are random."""

_PATH: Final[KeyPath] = ("runtime",)
_API_KEY: Final[KeyPath] = (*_PATH, "auth", "api-key")
_TLS: Final[KeyPath] = (*_PATH, "tls")
_QUERY: Final[KeyPath] = (*_PATH, "query")
_RESULTS: Final[KeyPath] = (*_PATH, "caching", "sql_results")
_OLD_RESULTS: Final[KeyPath] = (*_PATH, "results_cache")

_SCOPES: Final = {"ro": Scope.READ, "rw": Scope.OPERATE}
_VISIBLE: Final = re.compile(r"[!-~]+")


@dataclass(slots=True)
class Serving:
    """The Spicepod's ``runtime`` in the making. ``problems`` and ``warnings`` grow while the others run."""

    document: Document
    environment: Environment
    folder: Path
    entry: keys.RuntimeEntry
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def access(self) -> Access:
        """Who may ask; it holds only if ``problems`` stays empty."""
        return Access(self._keys(), self._tls())

    def limits(self) -> QueryLimits:
        """What statements may use; it holds only if ``problems`` stays empty."""
        given = self._read(_QUERY, keys.QUERY)
        spill = given.get(keys.SPILL)
        return QueryLimits(
            timeout=(given.get(keys.TIMEOUT) or 0) / SECOND,
            places=given.get(keys.PLACES) or 0,
            memory=given.get(keys.MEMORY),
            spill=None if spill is None else self.folder / spill,
        )

    def caching(self) -> Caching | None:
        """Which answers are kept, None for none; it holds only if ``problems`` stays empty."""
        if self.document.at(_RESULTS) is not None and self.document.at(_OLD_RESULTS) is not None:
            place = self.document.key_place(_RESULTS)
            why = f"is the old name of runtime.caching.sql_results ({place}); keep one of them"
            self.problems.append(self.document.at_key(_OLD_RESULTS, why))
        old = self.document.at(_RESULTS) is None
        given = self._read(_OLD_RESULTS if old else _RESULTS, keys.RESULTS)
        ttl, size = given.get(keys.CACHE_TTL), given.get(keys.CACHE_SIZE)
        if not given.get(keys.CACHE_ENABLED) or not size or ttl == 0:
            return None
        return Caching(size, None if ttl is None else ttl / SECOND)

    def unbuilt(self) -> Iterator[str]:
        """A sentence for each key that asks for what this version does not do."""
        yield from unbuilt_sentences(keys.RuntimeEntry, self.document.at(_PATH), "runtime.")
        caching = self.document.at(_RESULTS[:-1])
        yield from unbuilt_sentences(keys.CachingEntry, caching, "runtime.caching.")
        tables = (
            (_TLS, keys.TLS),
            (_QUERY, keys.QUERY),
            (_RESULTS, keys.RESULTS),
            (_OLD_RESULTS, keys.RESULTS),
        )
        for path, table in tables:
            where = ".".join(str(step) for step in path)
            yield from self._settings(path, table)[0].unbuilt(table, where)

    def _settings(
        self, path: KeyPath, table: tuple[Parameter[object], ...]
    ) -> tuple[Settings, list[Problem]]:
        return ParameterReader(self.document, self.environment, table, "").read(path)

    def _read(self, path: KeyPath, table: tuple[Parameter[object], ...]) -> Settings:
        settings, wrong = self._settings(path, table)
        self.problems += wrong
        return settings

    def _keys(self) -> tuple[ApiKey, ...]:
        auth = self.entry.auth
        entry = auth.api_key if auth is not None else None
        if entry is None:
            return ()
        path = (*_API_KEY, "keys")
        listed = self.document.at(path)
        if not isinstance(listed, list) or not listed:
            if entry.enabled:
                why = "expected a list of keys, each after '- ', at least one; or write enabled: false"
                self.problems.append(self.document.at_value(path, why))
            return ()
        found = [self._key((*path, number), value) for number, value in enumerate(listed)]
        return tuple(key for key in found if key is not None) if entry.enabled else ()

    def _key(self, path: KeyPath, value: Data) -> ApiKey | None:
        if not isinstance(value, str):
            self.problems.append(self.document.at_value(path, "expected a key, best ${secrets:NAME}"))
            return None
        # As in Spice: the ending is the list's, never the end of what a reference stands for.
        written, colon, ending = value.rpartition(":")
        scope = _SCOPES.get(ending) if colon else None
        try:
            key = self.environment.resolve(value if scope is None else written).text.strip()
        except UnresolvedError as error:
            self.problems.append(self.document.at_value(path, str(error)))
            return None
        if not _VISIBLE.fullmatch(key):
            why = "a key is of letters, digits and signs of ASCII, without spaces: it travels in a header"
            self.problems.append(self.document.at_value(path, why))
            return None
        if len(key) < SHORTEST_SAFE_KEY:
            why = (
                f"the key has fewer than {SHORTEST_SAFE_KEY} characters, and may be guessed; `openssl rand -hex 32` "
                "makes one that is not"
            )
            self.warnings.append(self.document.at_value(path, why))
        return ApiKey(Secret(key), scope or Scope.OPERATE)

    def _tls(self) -> Tls | None:
        given = self._read(_TLS, keys.TLS)
        if self.document.at(_TLS) is None or self.problems:
            return None
        certificate = self._pem(given, keys.TLS_CERTIFICATE, keys.TLS_CERTIFICATE_FILE)
        key = self._pem(given, keys.TLS_KEY, keys.TLS_KEY_FILE)
        if certificate is None or key is None or not given.get(keys.TLS_ENABLED):
            return None
        tls = Tls(certificate.reveal(), key)
        try:
            server_context(tls)
        except ConfigError as error:
            self.problems.append(self.document.at_key(_TLS, str(error)))
        return tls

    def _pem(self, given: Settings, inline: Parameter[Secret], in_file: Parameter[str]) -> Secret | None:
        """What a key gives, or the file that another names. Exactly one of them must."""
        text, name = given.get(inline), given.get(in_file)
        if text is not None and name is not None:
            why = f"'{inline.name}' stands beside it; keep one of them"
            self.problems.append(self.document.at_key((*_TLS, in_file.name), why))
        if text is None and name is None and given.get(keys.TLS_ENABLED):
            why = f"needs {in_file.name} (or {inline.name}); or write enabled: false"
            self.problems.append(self.document.at_key(_TLS, why))
        if text is not None or name is None:
            return text
        try:
            return _read_pem(self.folder / name, inline)
        except ConfigError as error:
            why = str(error)
        self.problems.append(self.document.at_value((*_TLS, in_file.name), why))
        return None


def read_tls(certificate: Path, key: Path) -> Tls:
    """The certificate and key in files (PEM). Raises ConfigError where they cannot be used."""
    tls = Tls(_read_pem(certificate, keys.TLS_CERTIFICATE).reveal(), _read_pem(key, keys.TLS_KEY))
    server_context(tls)
    return tls


def _read_pem(path: Path, parameter: Parameter[Secret]) -> Secret:
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    try:
        return parameter.kind.parse(text)
    except BadValueError as error:
        raise ConfigError(f"{path}: {error}") from None
