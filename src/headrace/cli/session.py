"""Statements sent to the runtime, and their answers printed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from headrace.arrow_name import arrow_name
from headrace.cli.arrow_text import column_texts
from headrace.cli.client import ARROW_STREAM, Client
from headrace.cli.statement import describes, explains
from headrace.cli.table import draw
from headrace.errors import HeadraceError


class Format(StrEnum):
    """How answers are printed: a table for people, or what the runtime sends as JSON or CSV."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_ACCEPT = {Format.TABLE: ARROW_STREAM, Format.JSON: "application/json", Format.CSV: "text/csv"}

ROWS_ON_TERMINAL = 1000
"""How many rows a terminal is shown of an answer; elsewhere all are printed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was kept of an Arrow answer: the texts of its first rows, and the number of all."""

    schema: Any
    rows: list[tuple[str, ...]]
    count: int


class Session:
    """Runs statements one after the other and prints each answer.

    ``echo`` prints bytes or text as they are. ``width`` gives the terminal's width now, None where there
    is no terminal. ``clock`` gives seconds.
    """

    def __init__(
        self,
        client: Client,
        format_: Format,
        echo: Callable[[bytes | str], None],
        width: Callable[[], int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.format = format_
        self._echo = echo
        self._width = width
        self._clock = clock

    def execute(self, statement: str) -> None:
        """Run one statement and print its answer. Raises HeadraceError if there is none."""
        if self.format is not Format.TABLE:
            self._pass_on(statement)
        else:
            self._show(statement)

    def _pass_on(self, statement: str) -> None:
        last = b""
        with self.client.sql(statement, _ACCEPT[self.format]) as answer:
            for chunk in answer.stream(2**16):
                self._echo(chunk)
                last = chunk
        if not last.endswith(b"\n"):
            self._echo("\n")

    def _show(self, statement: str) -> None:
        started = self._clock()
        if explains(statement):
            self._plan(statement, started)
            return
        shown = self._rows(statement)
        # An answer that is about types needs none in its heading.
        plain = describes(statement)
        headings = [
            field.name if plain else f"{field.name} ({arrow_name(field.type)})" for field in shown.schema
        ]
        self._table(headings, shown.rows, shown.count, started)

    def _plan(self, statement: str, started: float) -> None:
        """A plan is drawn by the engine: it is printed as it stands, line by line."""
        with self.client.sql(statement, ARROW_STREAM) as answer, _whole_arrow():
            table = pa.ipc.open_stream(answer).read_all()
        for row in table.to_pylist():
            self._echo("\n".join(str(value) for value in row.values() if value is not None) + "\n")
        self._echo(f"({self._clock() - started:.3f} s)\n")

    def _rows(self, statement: str) -> Shown:
        limit = None if self._width() is None else ROWS_ON_TERMINAL
        rows: list[tuple[str, ...]] = []
        count = 0
        with self.client.sql(statement, ARROW_STREAM) as answer, _whole_arrow():
            reader = pa.ipc.open_stream(answer)
            for batch in reader:
                count += batch.num_rows
                kept = batch if limit is None else batch.slice(0, max(0, limit - len(rows)))
                rows += zip(*(column_texts(column) for column in kept.columns), strict=True)
            return Shown(reader.schema, rows, count)

    def _table(self, headings: Any, rows: Any, count: int, started: float) -> None:
        seconds = self._clock() - started
        text, hidden = draw([str(heading) for heading in headings], rows, self._width())
        self._echo(text + "\n")
        notes = [f"{count:,} row{'' if count == 1 else 's'} ({seconds:.3f} s)"]
        if len(rows) < count:
            notes.append(f"the first {len(rows):,} are shown")
        if hidden:
            notes.append(
                f"{hidden} of {len(headings)} columns do not fit; name fewer, or ask for --format json"
            )
        self._echo("; ".join(notes) + "\n")


@contextmanager
def _whole_arrow() -> Any:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise HeadraceError(f"the answer is not a whole Arrow stream: {error}") from error
