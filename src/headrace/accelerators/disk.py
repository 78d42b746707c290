"""Files on the disk: made durable, put at other places, and what the system says about them as our exceptions."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from headrace.durable import sync
from headrace.errors import AcceleratorError, AcceleratorFull

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what the system raises inside as AcceleratorError, or AcceleratorFull. ``doing`` begins the message."""
    try:
        yield
    except OSError as error:
        raise told(doing, str(error), error.errno) from error


def told(doing: str, text: str, number: int | None) -> AcceleratorError:
    """Our exception for what the system says in ``text``, with its number (errno)."""
    if number in _NO_ROOM:
        return AcceleratorFull(f"{doing}: {text}; make room on the disk; nothing was written")
    return AcceleratorError(f"{doing}: {text}")


def put(source: Path, target: Path) -> None:
    """Have ``target``, of which there is none, be the same file as ``source``, or else a copy of it, durable but for its name.

    Only for files that nobody changes. Raises OSError; then there is no new ``target``.
    """
    if target.exists():
        # To write over it would change whatever else is linked to it.
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    try:
        try:
            target.hardlink_to(source)
        except OSError:
            # Another file system, or one without links.
            shutil.copyfile(source, target)
        sync(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
