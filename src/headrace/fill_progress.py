"""How far a fill is: what is known of it after a crash."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.decoding import decoded
from headrace.durable import sync
from headrace.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Progress:
    """A fill. ``at`` is as in ``Fillable``; ``stream`` the ARN of what was followed when it began.

    ``cursors`` are where the next page of each segment begins, "" at a segment's beginning, None where it is read. ``due`` says why
    another one must follow.
    """

    at: float
    stream: str
    why: str
    cursors: tuple[str | None, ...] = ()
    items: int = 0
    done: bool = False
    due: str | None = None


def read_progress(path: Path | None) -> Progress | None:
    """What the file says, None where there is none. Raises LedgerError where it cannot be read."""
    if path is None:
        return None
    try:
        return decoded(path.read_bytes(), Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise LedgerError(
            f"cannot read {path}, which says how far the target was filled: {error}; if it is damaged, remove it: the target is "
            "filled anew"
        ) from error


def write_progress(path: Path | None, progress: Progress, *, durable: bool) -> None:
    """Replace the file; one that is not ``durable`` may be lost with the power. Raises LedgerError where it cannot be written."""
    if path is None:
        return
    beside = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(progress))
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(path)
        if durable:
            sync(path.parent)
    except OSError as error:
        raise LedgerError(
            f"cannot write {path}: {error}; its folder must be writable, and the disk have room"
        ) from error
