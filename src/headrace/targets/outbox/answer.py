"""What the answer to a webhook means.

Sources: Standard Webhooks 1.0.0, "Delivery success and failure"; RFC 9110, 10.2.3 "Retry-After".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from headrace.errors import ConsumerFailed, HeadraceError, Throttled, Unavailable

LONGEST_REST: Final = 300.0
"""Seconds that a receiver may ask to be left alone; what it asks beyond is not heard."""

_TOO_MANY: Final = 429
_NOT_NOW: Final = frozenset({408, 425, 502, 503, 504})
_PARTLY: Final = 207
_SERVER_ERRORS: Final = 500

_CURES: Final[Mapping[int, str]] = {
    401: "it does not accept the headers",
    403: "it does not accept the headers",
    404: "there is nothing at that path",
    410: "it wants no more events; take the mapping out, or correct `to`",
    413: "the event is too large for it",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The event was not taken: ``error`` says why. ``again``: it may be taken the next time, after ``rest`` seconds at least."""

    error: HeadraceError
    again: bool
    rest: float = 0.0


def refusal(
    status: int, headers: Mapping[str, str], text: str, place: str, now: float, *, partly: bool
) -> Refusal | None:
    """Why an answer is no success, None for one. ``text`` is what it says, ``place`` who; ``now`` is epoch seconds.

    ``partly``: 207 says that events of an array were not taken (Nakadi Event Bus API Definition, "/event-types/{name}/events").
    """
    if 200 <= status < 300 and not (partly and status == _PARTLY):  # noqa: PLR2004 - 2xx
        return None
    says = f": {text}" if text else ""
    cure = f" ({_CURES[status]})" if status in _CURES else ""
    if 300 <= status < 400:  # noqa: PLR2004 - 3xx
        cure = " (redirects are not followed; correct `to`)"
    message = f"{place} answers {status}{cure}{says}"
    rest = _rest(headers.get("retry-after"), now)
    if status == _TOO_MANY:
        return Refusal(Throttled(message), again=True, rest=rest)
    if status in _NOT_NOW:
        return Refusal(Unavailable(message), again=True, rest=rest)
    again = status >= _SERVER_ERRORS or status == _PARTLY
    return Refusal(ConsumerFailed(f"Http{status}", message), again=again, rest=rest)


def _rest(asked: str | None, now: float) -> float:
    """Seconds that Retry-After asks for, as a number or as a date."""
    if asked is None:
        return 0.0
    asked = asked.strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_REST)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    at = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, at.timestamp() - now), LONGEST_REST)
