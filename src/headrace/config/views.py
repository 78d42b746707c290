"""The views of a Spicepod: their keys, put together and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from headrace.config.document import Document
from headrace.config.entry import Entry, Key
from headrace.config.kind import choice, cron_schedule, duration, flag, prose, text
from headrace.config.naming import dataset_name
from headrace.config.problem import KeyPath, Problem
from headrace.config.quantity import SECOND
from headrace.dataset import Refresh
from headrace.view import View

LARGEST_FILE: Final = 256 * 1024
"""Bytes of SQL in a file; a statement of more characters is refused."""


class ViewAccelerationEntry(Entry):
    """The stored rows of a view."""

    enabled: Annotated[
        bool, Key(flag(), "Whether the rows are stored; `false`: each statement evaluates the query.")
    ] = True
    engine: Annotated[
        str, Key(choice("duckdb", "arrow"), "What holds the rows; `arrow` is another name for it.")
    ] = "duckdb"
    mode: Annotated[
        str, Key(choice("memory"), "Where the rows are: a process makes them anew when it starts.")
    ] = "memory"
    refresh_mode: Annotated[str, Key(choice("full"), "How they are refreshed: all of them.")] = "full"
    refresh_check_interval: Annotated[
        int | None,
        Key(
            duration(SECOND),
            "How long after the end of a refresh the next begins. Without it, and without `refresh_cron`, the query is "
            "evaluated once what it reads is ready, and then whenever somebody asks.",
        ),
    ] = None
    refresh_cron: Annotated[
        str | None,
        Key(
            cron_schedule(),
            "When refreshes begin, in place of `refresh_check_interval`: minute, hour, day of the month, month, day of the "
            "week, in UTC.",
        ),
    ] = None
    refresh_on_startup: Annotated[
        str, Key(choice("auto", "always"), "The rows are made at each start, as they are in memory.")
    ] = "auto"


class ViewEntry(Entry):
    """One view: a query under a name."""

    name: Annotated[str, Key(dataset_name(), "The view's name in SQL.")]
    sql: Annotated[
        str | None, Key(prose(), "The query: one SELECT over datasets and other views, in any order.")
    ] = None
    sql_ref: Annotated[str | None, Key(text("a file"), "A file that holds the query, in place of `sql`.")] = (
        None
    )
    description: Annotated[str | None, Key(prose(), "A note for people.")] = None
    metadata: Annotated[Any, Key(None, "Notes for people and programs.")] = None
    acceleration: Annotated[
        ViewAccelerationEntry | None,
        Field(
            description="The view's rows are stored, and statements read those ([more](views.md#stored-views))."
        ),
    ] = None


@dataclass(slots=True)
class Viewing:
    """The views of one document in the making. ``problems`` grow while ``views`` runs."""

    document: Document
    folder: Path
    called: str
    entries: Sequence[ViewEntry]
    problems: list[Problem] = field(default_factory=list)

    def views(self) -> tuple[View, ...]:
        """All of them; they hold only if ``problems`` stays empty."""
        return tuple(self._view(("views", index), entry) for index, entry in enumerate(self.entries))

    def _view(self, path: KeyPath, entry: ViewEntry) -> View:
        sql, place = self._sql(path, entry)
        return View(entry.name, sql, place, self._refresh((*path, "acceleration"), entry.acceleration))

    def _sql(self, path: KeyPath, entry: ViewEntry) -> tuple[str, str]:
        """The query, and where it stands."""
        if entry.sql is not None and entry.sql_ref is not None:
            self._refuse((*path, "sql_ref"), "sql gives the query too; keep one of them")
        elif entry.sql is None and entry.sql_ref is None:
            self._refuse(path, "has no query; add sql: SELECT ..., or sql_ref: FILE")
        if entry.sql_ref is not None:
            return self._content((*path, "sql_ref"), entry.sql_ref), f"{entry.sql_ref}:1:1"
        place = self.document.value_place((*path, "sql"))
        return entry.sql or "", f"{self.called}:{place.line}:{place.column}"

    def _content(self, path: KeyPath, name: str) -> str:
        file = self.folder / name
        try:
            if file.stat().st_size > LARGEST_FILE:
                self._refuse(
                    path, f"{name} is larger than {LARGEST_FILE} bytes, the most that a query may have"
                )
                return ""
            return file.read_text("utf-8")
        except UnicodeDecodeError:
            self._refuse(path, f"{name} is not text in UTF-8")
        except OSError as error:
            self._refuse(
                path, f"{name} cannot be read ({error.strerror}); its path starts at the Spicepod's folder"
            )
        return ""

    def _refresh(self, path: KeyPath, entry: ViewAccelerationEntry | None) -> Refresh | None:
        if entry is None or not entry.enabled:
            return None
        if entry.refresh_cron is not None and entry.refresh_check_interval is not None:
            place = self.document.key_place((*path, "refresh_check_interval"))
            self._refuse(
                (*path, "refresh_cron"),
                f"refresh_check_interval says when to refresh too ({place}); keep one of them",
            )
        interval = entry.refresh_check_interval
        return Refresh(interval=None if interval is None else interval / SECOND, cron=entry.refresh_cron)

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))
