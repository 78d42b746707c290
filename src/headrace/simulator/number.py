"""DynamoDB's numbers: 38 significant digits, 1E-130 to 9.99...E+125, kept as canonical text.

Rules: developer guide, "Supported data types and naming rules" (Number), and "Item sizes and formats".
"""

from __future__ import annotations

import re
from decimal import Context, Decimal

from headrace.simulator.answers import Refusal, invalid

MAX_DIGITS = 38
MAX_POWER = 125
MIN_POWER = -130

# Canonical already, and the most common by far: no leading zero, no more digits than fit.
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,37}")
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,9}))?")
# Wide enough for the sum of the largest and the smallest number to be exact.
_EXACT = Context(prec=2 * (MAX_POWER - MIN_POWER))


def canonical(text: str) -> str:
    """The text that DynamoDB stores and returns: ``1.50`` is ``1.5``, ``1E3`` is ``1000``, ``-0`` is ``0``.

    Raises a ValidationException for what is no number, or has more digits or magnitude than fits.
    """
    if _WHOLE.fullmatch(text):
        return text
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        detail = f": {text}" if text else ""
        raise invalid(f"The parameter cannot be converted to a numeric value{detail}")
    sign, whole, fraction, power = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits = (whole + fraction).lstrip("0")
    exponent = power - len(fraction) + len(digits)
    digits = digits.rstrip("0")
    if not digits:
        return "0"
    _check_range(len(digits), exponent - 1)
    return ("-" if sign == "-" else "") + _plain(digits, exponent)


def _check_range(digits: int, power: int) -> None:
    if power > MAX_POWER:
        raise _overflow()
    if power < MIN_POWER:
        raise invalid(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    if digits > MAX_DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")


def _plain(digits: str, point: int) -> str:
    """``digits`` with the decimal point after the first ``point`` of them, without an exponent."""
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def add(left: str, right: str) -> str:
    """The exact sum. Raises a ValidationException for a result that does not fit."""
    return _result(_EXACT.add(Decimal(left), Decimal(right)))


def subtract(left: str, right: str) -> str:
    """The exact difference. Raises a ValidationException for a result that does not fit."""
    return _result(_EXACT.subtract(Decimal(left), Decimal(right)))


def _result(exact: Decimal) -> str:
    if len(exact.normalize(_EXACT).as_tuple().digits) > MAX_DIGITS:
        # AWS never rounds, and says this even where it is the digits that are too many.
        raise _overflow()
    return canonical(str(exact))


def _overflow() -> Refusal:
    return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")


def stored_bytes(text: str) -> int:
    """What a canonical number weighs: a byte per two significant digits, one more, and one for a minus."""
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")
