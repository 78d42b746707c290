"""One FROM: which tables stand in it, and what its joins do to the rows of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from headrace.query.parser import Tree

_FILTERING: Final = ("SEMI", "ANTI")
"""Joins that show only the rows of their left side."""


@dataclass(frozen=True, slots=True)
class Step:
    """A join that a table stands in, and on which side of it."""

    join: Tree
    left: bool

    @property
    def kind(self) -> str:
        """INNER, LEFT, RIGHT, FULL, SEMI or ANTI."""
        return str(self.join["join_type"])

    def is_filter(self) -> bool:
        """Whether it shows only the rows of its left side."""
        return self.kind in _FILTERING

    def leaves_others_alone(self) -> bool:
        """Whether the row that the join makes of one row of this side depends on no other row of this side."""
        match self.join["ref_type"]:
            case "REGULAR" | "NATURAL" | "CROSS":
                return (
                    self.left if self.kind in _FILTERING else self.kind in ("INNER", "LEFT", "RIGHT", "FULL")
                )
            case "ASOF":
                # The right side's rows compete for each row of the left.
                return self.left and self.kind in ("INNER", "LEFT")
            case _:
                return False

    def keeps_values(self) -> bool:
        """Whether the join never puts NULLs in place of a row of this side."""
        match self.kind:
            case "INNER":
                return True
            case "RIGHT":
                return not self.left
            case "LEFT" | "SEMI" | "ANTI":
                return self.left
            case _:
                return False

    def may_lose_by_condition(self) -> bool:
        """Whether a row of this side that fails the join's condition, whatever the other row, may as well not be there."""
        if self.join["ref_type"] != "REGULAR":
            return False
        match self.kind:
            case "INNER" | "SEMI":
                return True
            case "LEFT" | "ANTI":
                return not self.left
            case "RIGHT":
                return self.left
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Standing:
    """A table's place: its node, the name that it goes by here, and the joins around it, the outermost first."""

    node: Tree
    name: str
    steps: tuple[Step, ...] = ()

    @property
    def columns_have_their_names(self) -> bool:
        """Whether its columns are not renamed, as by ``orders AS o(a, b)``."""
        return not self.node.get("column_name_alias")

    def within(self, join: Tree) -> tuple[Step, ...] | None:
        """The joins between ``join`` and the table; None if it does not stand in that."""
        for place, step in enumerate(self.steps):
            if step.join is join:
                return self.steps[place + 1 :]
        return None


class FromClause:
    """The tables and subqueries of one FROM. What stands in a subquery belongs to the subquery's own FROM."""

    def __init__(self, tree: Tree | None) -> None:
        self.tables: list[Standing] = []
        self.joins: list[Tree] = []
        self._names: Counter[str] = Counter()
        if tree:
            self._visit(tree, ())

    def _visit(self, tree: Tree, steps: tuple[Step, ...]) -> None:
        name = str(tree.get("alias") or "")
        if tree["type"] == "JOIN" and not name and tree.get("sample") is None:
            self.joins.append(tree)
            self._visit(tree["left"], (*steps, Step(tree, left=True)))
            self._visit(tree["right"], (*steps, Step(tree, left=False)))
            return
        if tree["type"] in ("BASE_TABLE", "SUBQUERY"):
            name = name or str(tree.get("table_name") or "")
            if tree.get("sample") is None:
                self.tables.append(Standing(tree, name.casefold(), steps))
        elif tree["type"] == "TABLE_FUNCTION":
            name = name or str(tree["function"].get("function_name", ""))
        self._names[name.casefold()] += 1

    def has(self, name: str) -> bool:
        """Whether something here goes by ``name``."""
        return name in self._names

    def is_only(self, name: str) -> bool:
        """Whether no two things here go by ``name``."""
        return self._names[name] == 1

    @cached_property
    def merged(self) -> Counter[str]:
        """The columns of USING, and in how many joins each is."""
        return Counter(str(name).casefold() for join in self.joins for name in join["using_columns"])

    @cached_property
    def natural(self) -> bool:
        """Whether a join takes its columns from what it finds."""
        return any(join["ref_type"] == "NATURAL" for join in self.joins)

    def owners_of(self, column: str, has: Callable[[Standing, str], bool]) -> list[Standing]:
        """The tables to which the bare name ``column`` may belong, as far as ``has`` knows which have it.

        Where DuckDB knows another table that has it too, the name is ambiguous, and the statement fails.
        """
        candidates = [one for one in self.tables if one.columns_have_their_names and has(one, column)]
        if self.natural:
            return []
        if not self.merged[column]:
            return candidates
        merging = [join for join in self.joins if column in map(_folded, join["using_columns"])]
        if len(merging) > 1 or merging[0]["join_type"] in ("RIGHT", "FULL"):
            return []
        # The bare name of a merged column means the left side's.
        return [one for one in candidates if any(step.left and step.join is merging[0] for step in one.steps)]


def _folded(name: object) -> str:
    return str(name).casefold()
