"""A view: a query under a name, which statements read like a table."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.dataset import Refresh


@dataclass(frozen=True, slots=True)
class View:
    """One view of a Spicepod.

    ``place`` is where its SQL stands, as ``file:line:column``. ``refresh`` says when its rows are stored anew; None: they
    are not stored, and each statement evaluates the query.
    """

    name: str
    sql: str
    place: str
    refresh: Refresh | None = None
