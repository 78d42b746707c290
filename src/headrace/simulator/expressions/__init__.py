"""DynamoDB's expressions: text -> tokens -> a small tree -> what it says of an item, or makes of it."""

from __future__ import annotations

from headrace.simulator.expressions.evaluate import Projection, holds
from headrace.simulator.expressions.key_condition import KeyRange, key_range
from headrace.simulator.expressions.parser import parse_condition, parse_projection, parse_update
from headrace.simulator.expressions.placeholders import Placeholders
from headrace.simulator.expressions.tree import Action, Condition, DeleteAction, Path, RemoveAction, paths_in
from headrace.simulator.expressions.update import updated

__all__ = [
    "Action",
    "Condition",
    "DeleteAction",
    "KeyRange",
    "Path",
    "Placeholders",
    "Projection",
    "RemoveAction",
    "holds",
    "key_range",
    "parse_condition",
    "parse_projection",
    "parse_update",
    "paths_in",
    "updated",
]
