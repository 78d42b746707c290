"""A statement and the views beneath it -> the relations of one connection, and the texts of queries over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.leaf import RemoteReading
from headrace.query.allow_list import Checked
from headrace.query.counting import counts_alone, without_where
from headrace.query.derived import pieces
from headrace.query.joined_far import Questioned
from headrace.query.leaf_names import renamed
from headrace.query.leaf_plan import Asked, Lookups, asked_of
from headrace.query.parameters import Given
from headrace.query.parser import Parser
from headrace.query.view_reading import Body, ViewReading

OWN: Final = "headrace_leaf_"
"""Tables of a statement's connection that no statement can name."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table of the connection: ``name`` as queries see it, the leaf ``table`` that it reads, and what it asks."""

    name: str
    table: str
    asked: Asked


@dataclass(frozen=True, slots=True)
class Planned:
    """``text`` is the statement's query, ``views`` are those of the views, each after those that it reads."""

    text: str
    views: Mapping[str, str]
    relations: Sequence[Relation]


def bodies_of(checked: Checked, given: Given) -> list[Body]:
    """The queries of a statement, each before the views that it reads."""
    parsed = checked.parsed
    own = Body(None, parsed, given.within(parsed.tree), checked.references)
    views = [
        Body(name, view.parsed, view.parsed.tree, view.references) for name, view in checked.views.items()
    ]
    return [own, *reversed(views)]


def planned(
    bodies: Sequence[Body], readings: Mapping[str, Questioned], lookups: Lookups, parser: Parser
) -> Planned:
    """The relations over the leaves of ``readings``, with names of their own where references ask different things."""
    asked = _asked_by(bodies, readings, lookups)
    references = [(body, one) for body in bodies for one in body.references if one.table in readings]
    wants = {
        table: {asked[id(one.node)] for _, one in references if one.table == table} for table in readings
    }
    names: dict[int, str] = {}
    relations = []
    for number, (_, reference) in enumerate(references):
        table, name = reference.table, reference.table
        if len(wants[table]) > 1:
            name = names[id(reference.node)] = f"{OWN}{number}"
        relations.append(Relation(name, table, asked[id(reference.node)]))
    texts = [_renamed(body, names, parser) for body in bodies]
    if None in texts:
        relations = [Relation(table, table, common(some)) for table, some in wants.items()]
        texts = [body.parsed.query for body in bodies]
    elif _is_counted(bodies[0], asked, readings):
        texts[0] = without_where(bodies[0].parsed, parser) or texts[0]
    return _of(bodies, [str(text) for text in texts], list(dict.fromkeys(relations)))


def _is_counted(body: Body, asked: Mapping[int, Asked], readings: Mapping[str, Questioned]) -> bool:
    """Whether the number of rows that a table far away gives is the whole answer."""
    if len(body.references) != 1 or not counts_alone(body.tree) or body.tree["where_clause"] is None:
        return False
    (only,) = body.references
    return isinstance(readings.get(only.table), RemoteReading) and asked[id(only.node)].whole


def unplanned(bodies: Sequence[Body], tables: Iterable[str]) -> Planned:
    """The same where no row is wanted."""
    return _of(
        bodies, [body.parsed.query for body in bodies], [Relation(name, name, Asked()) for name in tables]
    )


def common(some: Iterable[Asked]) -> Asked:
    """What all of them ask; the limit only of one alone."""
    first, *others = some
    if not others:
        return first
    asked_by_all = frozenset(first.conditions).intersection(*(other.conditions for other in others))
    return Asked(tuple(one for one in first.conditions if one in asked_by_all))


def _asked_by(
    bodies: Sequence[Body], readings: Mapping[str, Questioned], lookups: Lookups
) -> Mapping[int, Asked]:
    """What each reference asks, by the id of its node."""
    parts = pieces(bodies)
    every, views = dict(readings), dict[str, ViewReading]()
    for body in reversed(parts):
        if body.name is not None:
            every[body.name] = views[body.name] = ViewReading(body, every)
    asked: dict[int, Asked] = {}
    of_table: dict[str, list[Asked]] = {}
    for body in parts:
        known = [one for one in body.references if one.table in every or one.table in lookups.native]
        found = asked_of(body.tree, known, every, lookups)
        own = {id(reference.node): what for reference, what in zip(known, found, strict=True)}
        if body.name is not None:
            own = dict(views[body.name].carried(common(of_table[body.name]), own))
        for reference in known:
            of_table.setdefault(reference.table, []).append(own[id(reference.node)])
        asked |= own
    return asked


def _renamed(body: Body, names: Mapping[int, str], parser: Parser) -> str | None:
    own = {id(one.node): names[id(one.node)] for one in body.references if id(one.node) in names}
    parsed = body.parsed
    return renamed(parsed.query, parsed.tree, own, parser) if own else parsed.query


def _of(bodies: Sequence[Body], texts: Sequence[str], relations: Sequence[Relation]) -> Planned:
    own, *views = zip(bodies, texts, strict=True)
    inner_first = {str(body.name): text for body, text in reversed(views)}
    return Planned(own[1], inner_first, relations)
