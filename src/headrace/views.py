"""The views of a Spicepod: what statements know of them, and the threads that keep the rows of stored ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from headrace.accelerators.engines import Engines
from headrace.errors import ConfigError
from headrace.query.catalog import Catalog, TableFacts
from headrace.query.parser import Parser
from headrace.query.pod_views import checked_views, facts_of_views, waits_for
from headrace.query.statement import Statement
from headrace.refresh import RefreshAsked, RefreshOutcome
from headrace.status import DatasetStatus
from headrace.stored_view import StoredView
from headrace.versions import Versions
from headrace.view import View


class Views:
    """``views``, over ``tables``, which are all that are no views. Raises ConfigError for what is wrong with one."""

    def __init__(self, views: Sequence[View], tables: Collection[str], parser: Parser) -> None:
        self._views = {view.name: view for view in views}
        self._parser = parser
        self._queries = checked_views(views, tables, parser)
        self._stored: dict[str, StoredView] = {}

    @property
    def stored_names(self) -> list[str]:
        """The views whose rows are stored."""
        return [name for name, view in self._views.items() if view.refresh is not None]

    def keep(
        self,
        engines: Engines,
        query: Callable[[str], Statement],
        catalog: Callable[[], Catalog],
        versions: Versions,
        salt: str,
    ) -> None:
        """Have the rows of stored views in ``engines``: ``query`` reads them, ``catalog`` tells what is ready."""
        for name in self.stored_names:
            self._stored[name] = self._kept(self._views[name], engines, query, catalog, versions, salt)

    def facts(self, tables: Catalog) -> Mapping[str, TableFacts]:
        """What statements may know of the views, where this is what they know of ``tables``."""
        statuses = {name: stored.status for name, stored in self._stored.items()}
        stored = {name: TableFacts(status.ready, status.reason) for name, status in statuses.items()}
        return facts_of_views(self._queries, tables, stored)

    def start(self) -> None:
        """Make the rows of stored views, and keep them."""
        for stored in self._stored.values():
            stored.start()

    def stop(self) -> None:
        """End that. Safe to call twice."""
        for stored in self._stored.values():
            stored.stop()

    def statuses(self) -> tuple[DatasetStatus, ...]:
        """Of the stored ones; a view that is not stored has no state of its own."""
        return tuple(stored.status for stored in self._stored.values())

    def refresh(self, name: str, asked: RefreshAsked) -> int | None:
        """Ask for a refresh of a stored view; its number, None if it is none. Raises ConfigError."""
        stored = self._stored.get(name)
        if stored is None:
            return None
        if asked != RefreshAsked():
            raise ConfigError(f"{name} is a view: its refresh evaluates the whole query, and takes no choice")
        return stored.refresh()

    def __contains__(self, name: str) -> bool:
        return name in self._stored

    def outcome(self, name: str, number: int) -> RefreshOutcome | None:
        """What became of a refresh of a stored view."""
        return self._stored[name].outcome(number)

    def _kept(
        self,
        view: View,
        engines: Engines,
        query: Callable[[str], Statement],
        catalog: Callable[[], Catalog],
        versions: Versions,
        salt: str,
    ) -> StoredView:
        _, text = self._parser.only_statement(view.sql)
        # As in a view that is not stored, of two columns of one name the second has another.
        whole = f"SELECT * FROM ({text}\n)"  # noqa: S608  # It was checked, and is again.
        return StoredView(
            view,
            lambda: query(whole),
            engines.stored_rows(view.name),
            lambda: waits_for(self._queries[view.name], catalog()),
            versions,
            salt,
        )
