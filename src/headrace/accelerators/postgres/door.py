"""The door to PostgreSQL: psycopg's exceptions become ours here, and names and texts are quoted here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pyarrow as pa
from psycopg import errors

from headrace.errors import (
    AcceleratorError,
    AcceleratorFull,
    CommitUnknown,
    RowRefused,
)

Redact = Callable[[str], str]
"""Takes secrets out of a text."""

_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
"""Connection exceptions, and the reasons for which the server ends a session.

Codes are those of appendix A of PostgreSQL's documentation.
"""

_OF_A_VALUE = ("22", "23", "54000", "54001")
"""Data exceptions, violated constraints, and a row, a value or an index entry beyond PostgreSQL's limits.

Not 54011: too many columns are no fault of a row.
"""

_BUSY = "; another session uses the table, it is tried again"

_CURES: Mapping[str, tuple[type[AcceleratorError], str]] = {
    "53100": (AcceleratorFull, "; make room on the server's disk, nothing was written"),
    "42501": (AcceleratorError, "; grant it to the role, or name another pg_user or pg_schema"),
    "54011": (AcceleratorError, "; declare columns, or have maps unnested less deep"),
    "55P03": (AcceleratorError, _BUSY),
    "40P01": (AcceleratorError, _BUSY),
}
"""disk_full, insufficient_privilege, too_many_columns, lock_not_available, deadlock_detected."""


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever its letters."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text without backslashes as an SQL string; ours have none."""
    assert "\\" not in text, "only texts of ours are written into statements"
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def translated(doing: str, redact: Redact = str) -> Iterator[None]:
    """Raise what psycopg and Arrow raise inside as AcceleratorError or a kind of it.

    ``doing`` begins the message. A lost connection raises CommitUnknown: only a new one tells what is stored.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, doing, redact) from None
    except (ValueError, pa.ArrowTypeError) as error:
        raise RowRefused(f"{doing}: {error}") from error
    except pa.ArrowException as error:
        raise AcceleratorError(f"{doing}: {error}") from error


def translate(error: psycopg.Error, doing: str, redact: Redact = str) -> AcceleratorError:
    """Our exception for one of psycopg's. Its cause is left out: secrets may stand in it."""
    text = f"{doing}: {redact(_told(error))}"
    state = error.sqlstate or ""
    if is_lost(error):
        return CommitUnknown(f"{text}; the connection is made anew")
    if state.startswith(_OF_A_VALUE):
        return RowRefused(text + _of_nul(error))
    kind, cure = _CURES.get(state, (AcceleratorError, ""))
    return kind(text + cure)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the session is at an end, so that nothing it has not told is known."""
    if error.sqlstate is None:
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return error.sqlstate.startswith(_LOST)


def _of_nul(error: psycopg.Error) -> str:
    """The reason of the two refusals that only PostgreSQL has, in our words."""
    if isinstance(error, (errors.UntranslatableCharacter, errors.CharacterNotInRepertoire)):
        return "; PostgreSQL holds no NUL characters, nor texts that are not UTF-8"
    return ""


def _told(error: psycopg.Error) -> str:
    """What the server says, without the lines that name the place in a statement or the row's values."""
    primary = error.diag.message_primary
    if primary is None:
        return " ".join(str(error).split())
    detail = error.diag.message_detail
    return primary if detail is None or _holds_values(error) else f"{primary} ({detail})"


def _holds_values(error: psycopg.Error) -> bool:
    return error.sqlstate is not None and error.sqlstate.startswith("23")
