"""What a well-formed expression still may not say: wrong functions, operands, overlaps.

Rules: developer guide, "Condition and filter expressions, operators, and functions" and "Update expressions".
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.simulator.answers import Refusal, invalid
from headrace.simulator.expressions.tree import (
    AddAction,
    And,
    Between,
    Call,
    Comparison,
    Condition,
    Constant,
    DeleteAction,
    In,
    Node,
    Not,
    Operand,
    Or,
    Path,
)
from headrace.simulator.items import TYPES
from headrace.simulator.keys import sortable

CONDITION_FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
_SCALARS = ("S", "N", "B")
_NEED_PATH = ("attribute_exists", "attribute_not_exists", "if_not_exists")
_LONG_NAMES = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "NULL": "NULL",
    "BOOL": "BOOLEAN",
    "L": "LIST",
    "M": "MAP",
}


def check_call(call: Call, known: dict[str, int]) -> None:
    """A function: it exists here, and its operands are of the number and types that it takes."""
    if call.name not in known:
        if call.name in CONDITION_FUNCTIONS or call.name in UPDATE_FUNCTIONS:
            where = "a condition" if known is CONDITION_FUNCTIONS else "an update"
            raise invalid(f"The function is not allowed in {where} expression; function: {call.name}")
        raise invalid(f"Invalid function name; function: {call.name}")
    if len(call.operands) != known[call.name]:
        raise invalid(
            "Incorrect number of operands for operator or function; "
            f"operator or function: {call.name}, number of operands: {len(call.operands)}"
        )
    first = call.operands[0]
    if call.name in _NEED_PATH and not isinstance(first, Path):
        raise invalid(f"Operator or function requires a document path; operator or function: {call.name}")
    _check_types(call)
    if len(call.operands) > 1:
        _check_distinct(call.name, first, call.operands[1])


def _check_types(call: Call) -> None:
    kinds = [operand.kind if isinstance(operand, Constant) else None for operand in call.operands]
    match call.name:
        case "begins_with":
            bad = [kind for kind in kinds if kind not in {None, "S", "B"}]
        case "size":
            bad = [kind for kind in kinds if kind in {"N", "BOOL", "NULL"}]
        case "list_append":
            bad = [kind for kind in kinds if kind not in {None, "L"}]
        case "attribute_type":
            second = call.operands[1]
            if not isinstance(second, Constant) or second.kind != "S":
                kind = kinds[1] or "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
                raise _wrong_type(call.name, kind)
            if second.value["S"] not in TYPES:
                raise invalid(
                    f"Invalid attribute type name found; type: {second.value['S']}, "
                    "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
                )
            return
        case _:
            return
    if bad:
        raise _wrong_type(call.name, str(bad[0]))


def check_comparison(comparison: Comparison) -> None:
    """Operands differ; only scalars have an order."""
    _check_nesting((comparison.left, comparison.right))
    _check_distinct(comparison.sign, comparison.left, comparison.right)
    if comparison.sign in {"=", "<>"}:
        return
    for operand in (comparison.left, comparison.right):
        if isinstance(operand, Constant) and operand.kind not in _SCALARS:
            raise _wrong_type(comparison.sign, operand.kind)


def check_between(between: Between) -> None:
    """Bounds are of one ordered type and in order."""
    _check_nesting((between.operand, between.low, between.high))
    for operand in (between.operand, between.low, between.high):
        if isinstance(operand, Constant) and operand.kind not in _SCALARS:
            raise _wrong_type("BETWEEN", operand.kind)
    low, high = between.low, between.high
    if not isinstance(low, Constant) or not isinstance(high, Constant):
        return
    shown = f"lower bound operand: {low}, upper bound operand: {high}"
    if low.kind != high.kind:
        raise invalid(f"The BETWEEN operator requires same data type for lower and upper bounds; {shown}")
    if sortable(low.value) > sortable(high.value):
        raise invalid(
            f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {shown}"
        )


def check_in(node: In) -> None:
    """At most 100 choices."""
    _check_nesting((node.operand, *node.choices))
    if len(node.choices) > 100:  # noqa: PLR2004  # Developer guide: "up to 100 values, separated by commas".
        raise invalid(
            "Invalid number of operands for operator or function; "
            f"operator or function: IN, number of operands: {len(node.choices)}"
        )


def as_condition(node: Node) -> Condition | None:
    """The node if it says yes or no, None if it is an operand."""
    if isinstance(node, Call):
        if node.name == "size":
            raise _misused(node)
        return node
    return node if isinstance(node, Comparison | Between | In | And | Or | Not) else None


def check_sum(sign: str, operands: Sequence[Operand]) -> None:
    """``+`` and ``-`` are for numbers."""
    for operand in operands:
        if isinstance(operand, Constant) and operand.kind != "N":
            raise _wrong_type(sign, operand.kind)


def check_set_action(action: AddAction | DeleteAction) -> None:
    """ADD is for numbers and sets, DELETE for sets."""
    operator = "ADD" if isinstance(action, AddAction) else "DELETE"
    kind = action.value.kind
    if kind in _LONG_NAMES and not (operator == "ADD" and kind == "N"):
        raise invalid(
            "Incorrect operand type for operator or function; "
            f"operator: {operator}, operand type: {_LONG_NAMES[kind]}"
        )


def check_overlaps(paths: Sequence[Path]) -> None:
    """No path leads to or into another, and none takes for a list what another takes for a map."""
    for number, later in enumerate(paths):
        for earlier in paths[:number]:
            _check_pair(earlier, later)


def _check_pair(earlier: Path, later: Path) -> None:
    for left, right in zip(earlier.parts, later.parts, strict=False):
        if left != right:
            if isinstance(left, str) == isinstance(right, str):
                return
            break
    else:
        raise invalid(
            "Two document paths overlap with each other; must remove or rewrite one of these paths; "
            f"path one: {earlier}, path two: {later}"
        )
    raise invalid(
        "Two document paths conflict with each other; must remove or rewrite one of these paths; "
        f"path one: {earlier}, path two: {later}"
    )


def _check_nesting(operands: Sequence[Operand]) -> None:
    for operand in operands:
        if isinstance(operand, Call) and operand.name != "size":
            raise _misused(operand)


def check_call_nesting(call: Call, known: dict[str, int]) -> None:
    """In conditions no function takes another; in SET the two may be nested."""
    if known is CONDITION_FUNCTIONS:
        for operand in call.operands:
            if isinstance(operand, Call):
                raise _misused(operand)


def _check_distinct(operator: str, left: Operand, right: Operand) -> None:
    if isinstance(left, Path) and left == right and operator not in UPDATE_FUNCTIONS:
        raise invalid(
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {operator}, first operand: {left}"
        )


def _wrong_type(operator: str, kind: str) -> Refusal:
    return invalid(
        "Incorrect operand type for operator or function; "
        f"operator or function: {operator}, operand type: {kind}"
    )


def _misused(call: Call) -> Refusal:
    return invalid(f"The function is not allowed to be used this way in an expression; function: {call.name}")
