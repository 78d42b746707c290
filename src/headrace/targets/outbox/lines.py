"""``file:``: events as lines of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.append_file import AppendFile, NoRegularFile
from headrace.errors import DestinationUnavailable, HeadraceError
from headrace.targets.outbox.event import Event, Format, Place


class Lines(Place):
    """Appends to ``path``, as AppendFile does. Events are durable when ``deliver`` returns; after a crash they may come again."""

    def __init__(self, path: Path, format_: Format) -> None:
        self._path = path
        self._file = AppendFile(path, format_.beginning)

    def deliver(self, events: Sequence[Event]) -> Mapping[Event, HeadraceError]:
        """See ``Place``: all of them or none."""
        try:
            self._file.append(b"".join(event.body + b"\n" for event in events))
        except NoRegularFile as error:
            raise DestinationUnavailable(f"{error}; name another in target.outbox.to") from error
        except OSError as error:
            raise DestinationUnavailable(
                f"cannot write events to {self._path}: {error}; the file must be writable, and the disk have room"
            ) from error
        return {}

    def close(self) -> None:
        """See ``Place``: nothing is held."""
