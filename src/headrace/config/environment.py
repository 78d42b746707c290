"""References to secrets and environment variables, and the ``.env`` files beside a Spicepod."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.errors import ConfigError

FILES = (".env.local", ".env")
"""Read beside the Spicepod; the earlier wins, and the process's environment wins over both."""

BUILT_IN_STORES = frozenset({"env", "secrets"})

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_NAMED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*:\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


class UnresolvedError(ValueError):
    """A reference stands for nothing: ``missing`` where it is well formed but its name is not set."""

    def __init__(self, message: str, *, missing: bool) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Resolved:
    """A text with its references replaced; ``replaced`` says whether there were any."""

    text: str = field(repr=False)
    replaced: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """Where references look, in order. Values are never shown.

    ``sources`` are named mappings, ``looked_in`` says in words which. ``stores`` are the names that may
    stand before the colon.
    """

    sources: tuple[Mapping[str, str], ...] = field(repr=False)
    looked_in: str
    stores: frozenset[str] = BUILT_IN_STORES

    def resolve(self, text: str) -> Resolved:
        """Replace every ``${secrets:name}`` and ``${env:name}``.

        Raises UnresolvedError where a reference is malformed, or neither NAME nor SPICE_NAME (the name in
        upper case) is set.
        """
        if "${" not in text:
            return Resolved(text, replaced=False)
        if "${" in _REFERENCE.sub("", text):
            raise UnresolvedError("'${' opens a reference that '}' does not close", missing=False)
        return Resolved(_REFERENCE.sub(self._replacement, text), replaced=True)

    def _replacement(self, match: re.Match[str]) -> str:
        named = _NAMED.fullmatch(match[1])
        if named is None:
            raise UnresolvedError(
                "a reference is written ${secrets:name} or ${env:name}, the name of letters, digits and '_'",
                missing=False,
            )
        store, name = named[1], named[2].upper()
        if store not in self.stores:
            known = ", ".join(sorted(self.stores))
            raise UnresolvedError(f"there is no secret store '{store}'; known here: {known}", missing=False)
        for candidate in (name, f"SPICE_{name}"):
            for source in self.sources:
                if candidate in source:
                    return source[candidate]
        raise UnresolvedError(
            f"neither {name} nor SPICE_{name} is set in {self.looked_in}; set one of them", missing=True
        )


def read_environment(
    folder: Path, environ: Mapping[str, str], stores: frozenset[str] = BUILT_IN_STORES
) -> Environment:
    """The process's environment over ``.env.local`` over ``.env`` in ``folder``.

    Raises ConfigError where one of the files cannot be read or understood.
    """
    sources: list[Mapping[str, str]] = [environ]
    looked_in = ["the environment"]
    for name in FILES:
        path = folder / name
        if path.is_file():
            sources.append(_read_file(path))
            looked_in.append(str(path))
        else:
            looked_in.append(f"{path} (which does not exist)")
    return Environment(tuple(sources), f"{', '.join(looked_in[:-1])} or {looked_in[-1]}", stores)


def _read_file(path: Path) -> dict[str, str]:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        content = None
    if content is None:
        # Outside the except block: the decoder's error holds the file's bytes.
        raise ConfigError(f"{path}: the file is not UTF-8 text; save it as UTF-8")
    return parse_env(content, str(path))


def parse_env(content: str, file: str) -> dict[str, str]:
    """Names and values of ``KEY=VALUE`` lines.

    ``export`` may stand before the name. '#' starts a comment on a line of its own, or after a space.
    Values in single quotes are literal; in double quotes, backslash escapes n, r, t, '"', '$' and itself.
    No value refers to another. Raises ConfigError with the line, never with its text.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        column = line.index(stripped[0]) + 1
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise ConfigError(f"{file}:{number}:{column}: expected NAME=value, or a comment after '#'")
        value = _unquoted(match[2])
        if value is None:
            at = column + match.start(2)
            raise ConfigError(f"{file}:{number}:{at}: a quote is not closed, or text follows it")
        values[match[1]] = value
    return values


def _unquoted(text: str) -> str | None:
    """The value that ``text`` stands for, None if its quotes are wrong."""
    if text.startswith("'"):
        literal = re.fullmatch(r"'([^']*)'\s*(?:#.*)?", text)
        return literal[1] if literal else None
    if text.startswith('"'):
        escaped = re.fullmatch(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?', text)
        return re.sub(r"\\(.)", _unescaped, escaped[1]) if escaped else None
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[0])
