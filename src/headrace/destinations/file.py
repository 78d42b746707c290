"""Failures as lines of a file, each one JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from headrace.append_file import AppendFile, NoRegularFile
from headrace.destinations import document
from headrace.errors import DestinationUnavailable
from headrace.ledger import Failure

_BEGINNING: Final = b'{"requestContext":'


class FileDestination:
    """Appends to ``path``, as AppendFile does. A line is durable when ``send`` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = AppendFile(path, _BEGINNING)

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        try:
            self._file.append(document.whole(failure) + b"\n")
        except NoRegularFile as error:
            raise DestinationUnavailable(f"{error}; name another in on_failure") from error
        except OSError as error:
            raise DestinationUnavailable(
                f"cannot write failure {failure.id} to {self._path}: {error}; the file must be writable, and the disk "
                "have room"
            ) from error

    def close(self) -> None:
        """See ``Destination``: nothing is held."""
