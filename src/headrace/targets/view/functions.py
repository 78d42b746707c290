"""The functions and operators of a view: each depends on its arguments alone, and none rounds unless it says so by its name.

What each gives is what DuckDB gives for the same values. NULL among the arguments gives NULL, but for those of ``LAZY`` names in
``expression``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

from headrace.targets.view.value import EXACT, Unevaluable, Value, expect_range, told

_MOST_TEXT: Final = 400 * 1024
"""Bytes of a text that a function may make: no item is larger."""


@dataclass(frozen=True, slots=True)
class Function:
    """``call`` takes ``least`` to ``most`` arguments (None: any number), none of them NULL."""

    call: Callable[..., Value]
    least: int
    most: int | None


def number(name: str, value: Value) -> Decimal:
    """``value`` as a number. Raises Unevaluable where it is none."""
    if isinstance(value, Decimal):
        return value
    raise Unevaluable(f"{name} takes numbers, and got {told(value)}")


def text(name: str, value: Value) -> str:
    """``value`` as a text. Raises Unevaluable where it is none."""
    if isinstance(value, str):
        return value
    raise Unevaluable(
        f"{name} takes texts, and got {told(value)}; CAST(... AS VARCHAR) makes texts of others"
    )


def whole(name: str, value: Value) -> int:
    """``value`` as a whole number of moderate size. Raises Unevaluable where it is none."""
    found = number(name, value)
    if found != found.to_integral_value() or abs(found) > 10**9:
        raise Unevaluable(f"{name} takes whole numbers here, and got {told(value)}")
    return int(found)


def of_texts(name: str, call: Callable[..., Value], count: int) -> Function:
    """A function of ``count`` texts."""
    return Function(lambda *given: call(*(text(name, each) for each in given)), count, count)


def _add(one: Value, other: Value) -> Value:
    return EXACT.add(number("+", one), number("+", other))


def _subtract(one: Value, other: Value | None = None) -> Value:
    # A unary minus comes with one argument.
    if other is None:
        return number("-", one).copy_negate()
    return EXACT.subtract(number("-", one), number("-", other))


def _multiply(one: Value, other: Value) -> Value:
    return EXACT.multiply(number("*", one), number("*", other))


def _remainder(one: Value, other: Value) -> Value:
    divisor = number("%", other)
    return EXACT.remainder(number("%", one), divisor) if divisor else None


def _rounded(name: str, mode: str) -> Callable[..., Value]:
    def rounded(value: Value, places: Value = Decimal(0)) -> Value:
        given, digits = number(name, value), whole(name, places)
        exponent = given.as_tuple().exponent
        assert isinstance(exponent, int), "DynamoDB has no infinities"
        if exponent >= -digits:
            return given
        # quantize would need the digits in between.
        return given.quantize(Decimal(1).scaleb(-digits), rounding=mode, context=_ROUNDING)

    return rounded


_ROUNDING: Final = EXACT.copy()
_ROUNDING.clear_traps()


def _sign(value: Value) -> Value:
    given = number("sign", value)
    return Decimal((given > 0) - (given < 0))


def _concat(*given: Value) -> Value:
    return _short("||", "".join(text("||", each) for each in given))


def _replace(whole_text: str, old: str, new: str) -> str:
    return _short("replace", whole_text.replace(old, new) if old else whole_text)


def _left(value: Value, count: Value) -> Value:
    given, size = text("left", value), whole("left", count)
    return given[:size]


def _right(value: Value, count: Value) -> Value:
    given, size = text("right", value), whole("right", count)
    return given[-size:] if size else ""


def _substring(value: Value, start: Value, length: Value | None = None) -> Value:
    given, first = text("substring", value), whole("substring", start)
    begin = max(len(given) + first, 0) if first < 0 else first - 1
    end = len(given) if length is None else begin + whole("substring", length)
    if length is not None and end < begin:
        raise Unevaluable(f"substring takes lengths from 0 on, and got {told(length)}")
    return given[max(begin, 0) : max(end, 0)]


def _split_part(value: Value, separator: Value, index: Value) -> Value:
    given, by, place = text("split_part", value), text("split_part", separator), whole("split_part", index)
    parts = given.split(by) if by else list(given)
    if place > 0:
        place -= 1
    elif place < 0:
        place += len(parts)
    else:
        return ""
    return parts[place] if 0 <= place < len(parts) else ""


def _upper(given: str) -> str:
    return given.upper() if given.isascii() else "".join(map(_upper_of, given))


def _upper_of(each: str) -> str:
    """As everywhere in SQL one character stays one: Unicode's simple mapping."""
    found = (each.upper(), each.title(), "\u1e9e" if each == "\u00df" else each)
    return next(one for one in found if len(one) == 1)


def _lower(given: str) -> str:
    # By characters: in a word Python minds where a sigma stands, and of a dotted I it makes two.
    return given.lower() if given.isascii() else "".join(each.lower()[0] for each in given)


@lru_cache(256)
def _pattern(pattern: str) -> re.Pattern[str]:
    first, *others = (
        "".join("." if each == "_" else re.escape(each) for each in part) for part in pattern.split("%")
    )
    if not others:
        return re.compile(first, re.DOTALL)
    # The first place where a part fits is as good as any later one: never to look for another keeps long texts from taking for ever.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
    return re.compile(f"{first}{middle}.*{others[-1]}", re.DOTALL)


def _like(name: str, *, wanted: bool, ignores_case: bool = False) -> Function:
    def like(value: str, pattern: str) -> Value:
        if ignores_case:
            value, pattern = _lower(value), _lower(pattern)
        return bool(_pattern(pattern).fullmatch(value)) is wanted

    return of_texts(name, like, 2)


def _short(name: str, made: str) -> str:
    if len(made) > _MOST_TEXT:
        raise Unevaluable(f"{name} makes a text of {len(made):,} characters; no item is so large")
    return made


def _made(call: Callable[[Decimal], Decimal], name: str) -> Function:
    return Function(lambda value: call(number(name, value)), 1, 1)


FUNCTIONS: Final[dict[str, Function]] = {
    "+": Function(_add, 2, 2),
    "-": Function(_subtract, 1, 2),
    "*": Function(_multiply, 2, 2),
    "%": Function(_remainder, 2, 2),
    "mod": Function(_remainder, 2, 2),
    "abs": _made(lambda value: value.copy_abs(), "abs"),
    "sign": Function(_sign, 1, 1),
    "round": Function(_rounded("round", ROUND_HALF_UP), 1, 2),
    "floor": Function(_rounded("floor", ROUND_FLOOR), 1, 1),
    "ceil": Function(_rounded("ceil", ROUND_CEILING), 1, 1),
    "ceiling": Function(_rounded("ceiling", ROUND_CEILING), 1, 1),
    "||": Function(_concat, 2, 2),
    "lower": of_texts("lower", _lower, 1),
    "upper": of_texts("upper", _upper, 1),
    "trim": of_texts("trim", lambda given: given.strip(" "), 1),
    "ltrim": of_texts("ltrim", lambda given: given.lstrip(" "), 1),
    "rtrim": of_texts("rtrim", lambda given: given.rstrip(" "), 1),
    "length": of_texts("length", lambda given: Decimal(len(given)), 1),
    "left": Function(_left, 2, 2),
    "right": Function(_right, 2, 2),
    "substring": Function(_substring, 2, 3),
    "substr": Function(_substring, 2, 3),
    "replace": of_texts("replace", _replace, 3),
    "split_part": Function(_split_part, 3, 3),
    "contains": of_texts("contains", lambda given, part: part in given, 2),
    "starts_with": of_texts("starts_with", str.startswith, 2),
    "ends_with": of_texts("ends_with", str.endswith, 2),
    "~~": _like("LIKE", wanted=True),
    "!~~": _like("NOT LIKE", wanted=False),
    "~~*": _like("ILIKE", wanted=True, ignores_case=True),
    "!~~*": _like("NOT ILIKE", wanted=False, ignores_case=True),
}
"""By DuckDB's names for them, of functions that take values. Those that look at NULL too are in ``expression``."""


def cast(value: Value, type_: str, width: int, scale: int) -> Value:
    """``value`` as a VARCHAR, BOOLEAN, BIGINT, INTEGER or DECIMAL(width, scale). Nothing is rounded.

    Raises Unevaluable where ``value`` has no such form, or not all of it.
    """
    match type_:
        case "VARCHAR":
            return _as_text(value)
        case "BOOLEAN":
            return _as_boolean(value)
        case _:
            return _as_number(value, type_, width, scale)


_BOOLEANS: Final = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
_INTEGERS: Final = {"INTEGER": 2**31, "BIGINT": 2**63}


def _as_text(value: Value) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        expect_range(value)
        plain = format(value, "f")
        plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
        return "0" if plain == "-0" else plain
    if isinstance(value, str):
        return value
    raise _no_cast(value, "VARCHAR")


def _as_boolean(value: Value) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, Decimal):
        return bool(value)
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise _no_cast(value, "BOOLEAN")


def _as_number(value: Value, type_: str, width: int, scale: int) -> Value:
    said = f"DECIMAL({width},{scale})" if type_ == "DECIMAL" else type_
    if isinstance(value, bool):
        found = Decimal(value)
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        found = Decimal(value.strip())
    elif isinstance(value, Decimal):
        found = value
    else:
        raise _no_cast(value, said)
    shifted = found.scaleb(scale, EXACT)
    if shifted != shifted.to_integral_value():
        raise Unevaluable(
            f"{told(found)} has more digits after the point than {said}; a cast does not round: round(..., {scale}) does"
        )
    if type_ == "DECIMAL":
        fits = abs(shifted) < Decimal(10) ** width
    else:
        fits = -_INTEGERS[type_] <= shifted < _INTEGERS[type_]
    if not fits:
        raise Unevaluable(f"{told(found)} is beyond {said}")
    return found


def _no_cast(value: Value, type_: str) -> Unevaluable:
    return Unevaluable(
        f"{told(value)} cannot be made {type_}; TRY_CAST(... AS {type_}) gives NULL for what cannot"
    )
