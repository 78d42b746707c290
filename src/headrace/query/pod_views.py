"""The views of a Spicepod, checked against the tables that there are and against one another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from headrace.errors import ConfigError, QueryError, QueryFault
from headrace.query.allow_list import check
from headrace.query.catalog import Catalog, TableFacts, ViewQuery
from headrace.query.parser import Parser, Verb
from headrace.view import View

_PLAIN = "a view is one SELECT over datasets and other views"


def checked_views(views: Sequence[View], tables: Collection[str], parser: Parser) -> Mapping[str, ViewQuery]:
    """The query of each view, each after those that it reads; ``tables`` are all that are no views.

    Raises ConfigError with a line for each view that is wrong: SQL that is not one query that only reads, names of nothing,
    and views that read themselves, however many others lie between.
    """
    names = dict.fromkeys([*tables, *(view.name for view in views)], TableFacts(ready=True))
    queries: dict[str, ViewQuery] = {}
    wrong = []
    for view in views:
        try:
            queries[view.name] = _query(view, names, parser)
        except QueryError as error:
            wrong.append(f"{view.place}: view {view.name}: {error}")
    for view in views:
        circle = _circle(view.name, queries)
        if circle:
            way = " reads ".join(circle)
            wrong.append(
                f"{view.place}: view {view.name} reads itself ({way}); one of them must read datasets only"
            )
    if wrong:
        raise ConfigError("\n".join(wrong))
    return dict(_in_order(queries))


def facts_of_views(
    queries: Mapping[str, ViewQuery], catalog: Catalog, stored: Mapping[str, TableFacts]
) -> Mapping[str, TableFacts]:
    """What a statement may know of views: one is ready when all that it reads is, a stored one when ``stored`` says so."""
    facts: dict[str, TableFacts] = {}
    for name, query in queries.items():
        if name in stored:
            facts[name] = TableFacts(stored[name].ready, stored[name].reason, query, stored=True)
            continue
        reason = waits_for(query, {**catalog, **facts})
        facts[name] = TableFacts(reason is None, reason, query)
    return facts


def waits_for(query: ViewQuery, catalog: Catalog) -> str | None:
    """Which of the tables that ``query`` reads are not ready, and why; None if all are."""
    reads = {one.table: catalog[one.table] for one in query.references if one.table in catalog}
    waiting = [(table, one) for table, one in reads.items() if not one.ready]
    return "; ".join(f"{table}: {one.reason or 'it is loading'}" for table, one in waiting) or None


def _query(view: View, names: Catalog, parser: Parser) -> ViewQuery:
    checked = check(view.sql, names, parser)
    shown = (checked.parsed.tree.get("from_table") or {}).get("type") == "SHOW_REF"
    if checked.verb is not Verb.RUN or shown:
        raise QueryError(QueryFault.REFUSED, f"{_PLAIN}, and this is none")
    if checked.parsed.parameters:
        raise QueryError(
            QueryFault.REFUSED, f"{_PLAIN}, and nobody gives it values: write them in place of ? or $1"
        )
    return ViewQuery(view.sql, checked.parsed, checked.references)


def _circle(name: str, queries: Mapping[str, ViewQuery]) -> list[str]:
    """The way from a view back to itself; empty if there is none."""
    ways = [[name]]
    seen = set()
    while ways:
        way = ways.pop()
        query = queries.get(way[-1])
        for table in sorted({one.table for one in query.references} if query is not None else ()):
            if table == name:
                return [*way, table]
            if table not in seen:
                seen.add(table)
                ways.append([*way, table])
    return []


def _in_order(queries: Mapping[str, ViewQuery]) -> Iterator[tuple[str, ViewQuery]]:
    """Each view after those that it reads."""
    told: set[str] = set()

    def tell(name: str) -> Iterator[tuple[str, ViewQuery]]:
        if name in queries and name not in told:
            told.add(name)
            for reference in queries[name].references:
                yield from tell(reference.table)
            yield name, queries[name]

    for name in queries:
        yield from tell(name)
