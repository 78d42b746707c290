"""Numbers of a whole page, from texts to the one of four ways in which their column stores them.

What is surely held is told by a few passes in C; only the doubtful are judged one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.attribute import digits_of
from headrace.column_type import EXACT_IN_DOUBLE, MOST_DIGITS, Digits
from headrace.dynamodb.forms import Contents, Mismatch, ToArrow

Judge = Callable[[str], bool]
"""Whether a column's type holds a number. Raises BrokenValue where the text is none."""

_EXACT_DIGITS: Final = 15
_CANONICAL: Final = r"^(?:0|-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|0\.[0-9]*[1-9]))$"


def number_form(digits: Digits, holds: Judge, *, declared: bool) -> ToArrow:
    """From texts to the numbers of a column, for which ``holds`` judges.

    A ``declared`` one holds whatever is stored alike, others only what leaves their ``digits`` as they are.
    """
    arrow = digits.arrow()
    if pa.types.is_int64(arrow):
        return _integers(holds, doubles=digits.double and not declared)
    if pa.types.is_float64(arrow):
        return _rounded if digits.rounded else _doubles(holds, MOST_DIGITS if declared else digits.fraction)
    if pa.types.is_decimal(arrow):
        return _decimals(digits, holds, declared=declared)
    most = MOST_DIGITS + 1
    return _texts(holds, most, most) if declared else _texts(holds, digits.whole, digits.fraction)


def plain_digits(texts: pa.StringArray) -> pa.StringArray:
    """Numbers as ``digits_of`` writes them. Raises BrokenValue."""
    return _converted(texts, _CANONICAL, digits_of)


def _integers(holds: Judge, *, doubles: bool) -> ToArrow:
    """Texts are cast by Arrow, not by msgspec, which reads 0.99999999999999999999 as 1."""

    def to_arrow(texts: Contents) -> pa.Array:
        strings = pa.array(texts, pa.string())
        try:
            numbers = pc.cast(strings, pa.int64())
        except pa.ArrowInvalid:
            # Too large, or an integer written with a fraction or an exponent.
            _judge(texts, holds)
            return pa.array([None if text is None else int(Decimal(text)) for text in texts], pa.int64())
        # Arrow reads hexadecimal digits, too.
        if _has_any(strings, b"xX"):
            raise Mismatch
        if doubles and _reaches(numbers, EXACT_IN_DOUBLE + 1):
            large = pc.or_(pc.greater(numbers, EXACT_IN_DOUBLE), pc.less(numbers, -EXACT_IN_DOUBLE))
            _judge(strings.filter(large).to_pylist(), holds)
        return numbers

    return to_arrow


def _doubles(holds: Judge, fraction: int) -> ToArrow:
    """Doubles that write the same numbers as their texts, with up to ``fraction`` digits after the point.

    Of digits and a point alone, up to 15 characters are the shortest writing of their double, and no two of them
    are of one double: so what is rounded to ``fraction`` digits and stays as it was has no more.
    """

    def to_arrow(texts: Contents) -> pa.Array:
        strings = pa.array(texts, pa.string())
        numbers = _cast(strings, pa.float64())
        if not _only_digits(strings):
            _judge(texts, holds)
            return numbers
        length = pc.binary_length(strings)
        if (pc.max(length).as_py() or 0) > _EXACT_DIGITS:
            _judge(_doubtful(strings, length, numbers, fraction), holds)
        elif fraction < _EXACT_DIGITS and pc.any(pc.not_equal(pc.round(numbers, fraction), numbers)).as_py():
            _judge(texts, holds)
        return numbers

    return to_arrow


def _doubtful(strings: pa.StringArray, length: pa.Array, numbers: pa.DoubleArray, fraction: int) -> list[str]:
    """The texts that have more digits than ``fraction`` after the point, or are not sure to be doubles."""
    point = pc.find_substring(strings, ".")
    fits = pc.or_(pc.less(point, 0), pc.less_equal(pc.subtract(length, point), fraction + 1))
    exact = pc.or_(pc.less_equal(length, _EXACT_DIGITS), pc.equal(pc.cast(numbers, pa.string()), strings))
    doubtful: list[str] = strings.filter(pc.invert(pc.and_(fits, exact))).to_pylist()
    return doubtful


def _rounded(texts: Contents) -> pa.Array:
    """The doubles nearest to the numbers."""
    numbers = _cast(pa.array(texts, pa.string()), pa.float64())
    # Arrow reads nan and inf, which DynamoDB does not know.
    if pc.all(pc.is_finite(numbers)).as_py() is False:
        raise Mismatch
    return numbers


def _decimals(digits: Digits, holds: Judge, *, declared: bool) -> ToArrow:
    """Arrow casts texts exactly or not at all if they have no more digits before the point than the decimal has.

    Of longer ones, and of exponents, it makes anything: of 1E-40 it makes 0.
    """
    type_ = digits.arrow()
    whole = MOST_DIGITS - digits.fraction if declared else digits.whole
    narrower = whole + digits.fraction < MOST_DIGITS
    plain = _texts(holds, whole, digits.fraction)

    def to_arrow(texts: Contents) -> pa.Array:
        strings = pa.array(texts, pa.string())
        length = pc.binary_length(strings)
        if (pc.max(length).as_py() or 0) > MOST_DIGITS - digits.fraction or not _only_digits(strings):
            strings = plain(texts)
        numbers = _cast(strings, type_)
        if narrower and _reaches(numbers, Decimal(10) ** whole):
            raise Mismatch
        if digits.double and not declared:
            _judge(strings.filter(pc.greater(length, _EXACT_DIGITS)).to_pylist(), holds)
        return numbers

    return to_arrow


def _texts(holds: Judge, whole: int, fraction: int) -> ToArrow:
    """Plain digits. Those of up to so many digits before and after the point are taken as they are."""
    most_whole = "*" if whole > MOST_DIGITS else f"{{0,{whole - 1}}}"
    most = "*" if fraction > MOST_DIGITS else f"{{0,{fraction - 1}}}"
    part = rf"\.[0-9]{most}[1-9]" if fraction else "[^0-9]"
    known = rf"^(?:0|-?(?:[1-9][0-9]{most_whole}(?:{part})?|0{part}))$"

    def judged(text: str) -> str:
        _judge([text], holds)
        return digits_of(text)

    def to_arrow(texts: Contents) -> pa.Array:
        return _converted(pa.array(texts, pa.string()), known, judged)

    return to_arrow


def _judge(texts: Contents, holds: Judge) -> None:
    if not all(text is None or holds(text) for text in texts):
        raise Mismatch


def _converted(texts: pa.StringArray, known: str, convert: Callable[[str], str]) -> pa.StringArray:
    """``texts`` with those converted that do not match ``known``."""
    matches = pc.match_substring_regex(texts, known)
    if pc.all(matches).as_py() is not False:
        return texts
    odd = texts.filter(pc.invert(matches)).to_pylist()
    converted = pa.array([convert(text) for text in odd], pa.string())
    return pc.replace_with_mask(texts, pc.fill_null(pc.invert(matches), fill_value=False), converted)


def _reaches(numbers: pa.Array, size: int | Decimal) -> bool:
    ends = pc.min_max(numbers)
    least, most = ends["min"].as_py(), ends["max"].as_py()
    return least is not None and not -size < least <= most < size


def _cast(strings: pa.StringArray, type_: pa.DataType) -> pa.Array:
    try:
        return pc.cast(strings, type_)
    except pa.ArrowInvalid:
        raise Mismatch from None


def _only_digits(strings: pa.StringArray) -> bool:
    """Whether numbers that Arrow can read have neither exponents nor are nan or inf."""
    return not _has_any(strings, b"eEnN")


def _has_any(strings: pa.StringArray, letters: bytes) -> bool:
    """Whether texts of an array that was made from a list have one of some letters."""
    data = strings.buffers()[2]
    text = b"" if data is None else data.to_pybytes()
    return any(letter in text for letter in letters)
