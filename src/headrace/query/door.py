"""The one place where DuckDB's errors become ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

from headrace.errors import AcceleratorError, HeadraceError, LeafWidened, QueryError, QueryFault

_KIND = re.compile(r"\A(?P<kind>[A-Za-z][A-Za-z ]*?) Error: ")

_TO_BLAME: Final = {
    "Parser": QueryFault.INVALID,
    "Syntax": QueryFault.INVALID,
    "Binder": QueryFault.INVALID,
    "Catalog": QueryFault.UNKNOWN_NAME,
    "Conversion": QueryFault.INVALID,
    "Invalid Input": QueryFault.INVALID,
    "Invalid type": QueryFault.INVALID,
    "Mismatch Type": QueryFault.INVALID,
    "Out of Range": QueryFault.INVALID,
    "Not implemented": QueryFault.INVALID,
    "Constraint": QueryFault.INVALID,
    "Sequence": QueryFault.INVALID,
    "Expression": QueryFault.INVALID,
    "Parameter Not Resolved": QueryFault.INVALID,
    "Permission": QueryFault.REFUSED,
}
"""Kinds of error whose cause is the statement. Every other kind is the engine's own, and its text stays
inside: it may name files."""

_INSIDE = "the engine could not answer the statement; its own words are in Headrace's log"
_UNKNOWN_NAME = re.compile(
    r'\AReferenced (?:column|table) "|does not have a column named|Values list .* does not have'
)
_ADVICE = re.compile(r'\s*Use "SET [^"]*"[^.\n]*\.?')
_NO_PARAMETER: Final = "Parameter not supported in "
"""How DuckDB begins what it says of a parameter in a place where there may be none, without naming a kind."""

_PATH = re.compile(r"""(?<![\w:/\\.])(?:[A-Za-z]:)?[\\/][^\s'"<>|:,;()]*[\\/][^\s'"<>|:,;()]*""")


_REOPENED: Final = "the database of a dataset failed and is being opened anew; send the statement again"


@contextmanager
def translated(sql: str, tables: Collection[str] = ()) -> Iterator[None]:
    """Let out of the block only QueryError, whatever DuckDB or its Arrow stream raises for ``sql``.

    ``tables`` are the datasets that it reads: one that is not there is being opened anew. A database that
    has failed is the engine's matter, not the statement's: NOT_READY, as long as it takes to reopen it.
    An error that the statement caused keeps DuckDB's words, without advice to change settings and
    without paths that the statement itself does not hold. The cause is chained for the log.
    """
    try:
        yield
    except QueryError:
        raise
    except LeafWidened as error:
        raise QueryError(QueryFault.NOT_READY, f"{error}; ask again") from error
    except AcceleratorError as error:
        raise QueryError(QueryFault.NOT_READY, _REOPENED) from error
    except HeadraceError as error:
        raise QueryError(QueryFault.FAILED, _INSIDE) from error
    except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
        raise fault_of(error, sql, tables) from error


def fault_of(error: Exception, sql: str, tables: Collection[str] = ()) -> QueryError:
    """What to tell of ``error``, which ``sql`` met when it read the datasets ``tables``."""
    text = str(error)
    if _has_failed(text, tables):
        return QueryError(QueryFault.NOT_READY, _REOPENED)
    match = _KIND.match(text)
    kind = match["kind"] if match else ""
    if kind == "INTERRUPT":
        # Whoever ends a statement on purpose says why himself. Of two threads of DuckDB that end one together, because it fails
        # in the first, the second is heard now and then: the reason is lost.
        return QueryError(
            QueryFault.BUSY,
            "the statement was interrupted: it failed, or a dataset was opened anew, at this moment; send it again",
        )
    if kind == "Out of Memory":
        return QueryError(
            QueryFault.FAILED,
            "the statement needs more memory than it may use; select fewer columns or rows, or aggregate",
        )
    if "read-only mode" in text:
        return QueryError(QueryFault.REFUSED, "the statement would write; statements only read")
    misplaced = text.startswith(_NO_PARAMETER)
    fault = QueryFault.INVALID if misplaced else _TO_BLAME.get(kind)
    if fault is None:
        return QueryError(QueryFault.FAILED, _INSIDE)
    words = f"{text}; write the value there" if misplaced else text[match.end() if match else 0 :]
    if fault is QueryFault.INVALID and _UNKNOWN_NAME.search(words):
        fault = QueryFault.UNKNOWN_NAME
    return QueryError(fault, _without_paths(_ADVICE.sub("", words).strip(), sql))


def _has_failed(text: str, tables: Collection[str]) -> bool:
    """Whether a database has given up, or is not there at this moment."""
    if text.startswith("FATAL Error: ") or "has been invalidated" in text:
        return True
    lower = text.lower()
    return any(f"table with name {name.lower()} does not exist" in lower for name in tables)


def _without_paths(words: str, sql: str) -> str:
    return _PATH.sub(lambda found: found[0] if found[0] in sql else "(path)", words)
