"""What expressions become when parsed."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.simulator.items import Value


@dataclass(frozen=True, slots=True)
class Path:
    """A document path: names, and indices into lists. The first part is an attribute's name."""

    parts: tuple[str | int, ...]

    def __str__(self) -> str:
        shown = (f"[{part}]" if isinstance(part, int) else part for part in self.parts)
        return f"[{', '.join(shown)}]"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value from ExpressionAttributeValues, canonical."""

    value: Value

    @property
    def kind(self) -> str:
        """Its type: S, N, ..."""
        return next(iter(self.value))

    def __str__(self) -> str:
        content = self.value[self.kind]
        return f"AttributeValue: {{{self.kind}:{content}}}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its operands."""

    name: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """``left + right`` or ``left - right`` in SET."""

    sign: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Comparison:
    """``=``, ``<>``, ``<``, ``<=``, ``>`` or ``>=``."""

    sign: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Between:
    """``operand BETWEEN low AND high``, bounds included."""

    operand: Operand
    low: Operand
    high: Operand


@dataclass(frozen=True, slots=True)
class In:
    """``operand IN (choice, ...)``."""

    operand: Operand
    choices: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class And:
    """All of the terms."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the terms."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not the term."""

    term: Condition


@dataclass(frozen=True, slots=True)
class SetAction:
    """``SET path = value``."""

    path: Path
    value: Operand


@dataclass(frozen=True, slots=True)
class RemoveAction:
    """``REMOVE path``."""

    path: Path


@dataclass(frozen=True, slots=True)
class AddAction:
    """``ADD path :value``."""

    path: Path
    value: Constant


@dataclass(frozen=True, slots=True)
class DeleteAction:
    """``DELETE path :value``."""

    path: Path
    value: Constant


Operand = Path | Constant | Call | Sum
Condition = Comparison | Between | In | And | Or | Not | Call
Node = Operand | Condition
Action = SetAction | RemoveAction | AddAction | DeleteAction


def paths_in(node: Node) -> list[Path]:  # noqa: PLR0911  # One return per kind of node.
    """Every path that a node reads."""
    match node:
        case Path():
            return [node]
        case Constant():
            return []
        case Call(operands=inner) | And(terms=inner) | Or(terms=inner):
            return [path for each in inner for path in paths_in(each)]
        case Sum(left=left, right=right) | Comparison(left=left, right=right):
            return paths_in(left) + paths_in(right)
        case Between(operand=operand, low=low, high=high):
            return paths_in(operand) + paths_in(low) + paths_in(high)
        case In(operand=operand, choices=choices):
            return paths_in(operand) + [path for each in choices for path in paths_in(each)]
        case Not(term=term):
            return paths_in(term)
