"""Faults carried out: what is answered instead of the truth, and how it arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headrace.errors import Unavailable
from headrace.simulator.answers import Refusal, encode, invalid
from headrace.simulator.faults import (
    Alter,
    Amend,
    Cut,
    Damage,
    EmptyPage,
    EmptyScanPage,
    Fault,
    LateEnd,
    Lose,
    Refuse,
    Relist,
    Slow,
    SlowResponse,
    StaleScan,
    Unprocessed,
    Watch,
)
from headrace.wire import Response

_MEANT_FOR: dict[type, tuple[str, ...]] = {
    Amend: ("DescribeStream", "GetRecords", "ListStreams", "ListTables", "Query", "Scan"),
    EmptyPage: ("GetRecords",),
    LateEnd: ("GetRecords",),
    Relist: ("DescribeStream",),
    StaleScan: ("Scan",),
    EmptyScanPage: ("Scan",),
    Unprocessed: ("BatchWriteItem", "BatchGetItem"),
}
_NOTHING_LEFT = (b'"UnprocessedItems":{}', b'"UnprocessedKeys":{}')
_decode = msgspec.json.Decoder().decode

Answer = Callable[..., bytes]
"""An operation: the request, and the keywords of what is wrong with it; gives the body."""


def planted(faults: Fault | Sequence[Fault] | None) -> Sequence[Fault]:
    """What the test gave, as a sequence."""
    if faults is None:
        return ()
    return faults if isinstance(faults, Sequence) else (faults,)


def refuse(faults: Sequence[Fault], operation: str) -> None:
    """Raise what comes instead of doing the operation: a Refusal, or Unavailable."""
    for fault in faults:
        wanted = _MEANT_FOR.get(type(fault), (operation,))
        if operation not in wanted:
            raise invalid(
                f"{type(fault).__name__} is a fault of {', '.join(wanted)}; it was planted at {operation}"
            )
        if isinstance(fault, Refuse):
            fault.told()
            raise Refusal(fault.code, fault.message, status=fault.status)
        if isinstance(fault, Lose) and not fault.after_effect:
            fault.told()
            raise Unavailable(f"{operation}: the connection was lost before the request arrived (planted)")


def distort(faults: Sequence[Fault], answer: Answer, request: dict[str, Any]) -> bytes:
    """The body of the answer. Operations that have an effect are done once."""
    body = _partly(faults, answer, request)
    wrong: dict[str, Any] = {}
    for fault in faults:
        if isinstance(fault, Amend):
            request = {**request, **fault.members}
        elif not _add(fault, wrong):
            continue
        other = answer(request, **wrong)
        if other != body:
            fault.told()
        body = other
    for fault in faults:
        if isinstance(fault, Watch) and fault.sees(body):
            fault.told()
        elif isinstance(fault, Alter):
            other = encode(fault.change(_decode(body)))
            if other != body:
                fault.told()
            body = other
    return body


def deliver(faults: Sequence[Fault], operation: str, response: Response) -> Response:
    """The answer as it arrives. Raises Unavailable where it does not."""
    for fault in faults:
        if isinstance(fault, Lose):
            fault.told()
            raise Unavailable(f"{operation}: the connection was lost before the answer arrived (planted)")
        if isinstance(fault, Cut):
            whole = len(response.body)
            kept = min(fault.keep + int(fault.share * max(whole - fault.keep, 0)), whole - 1)
            response = Response(response.status, response.headers, response.body[:kept])
        elif isinstance(fault, Damage):
            response = _damaged(fault, response)
        elif isinstance(fault, Slow):
            response = SlowResponse(response.status, response.headers, response.body, fault.seconds)
        else:
            continue
        fault.told()
    return response


def _partly(faults: Sequence[Fault], answer: Answer, request: dict[str, Any]) -> bytes:
    """The answer; of a batch, to so much of it as the faults let it do."""
    partly = [fault for fault in faults if isinstance(fault, Unprocessed)]
    if not partly:
        return answer(request)
    body = answer(request, most=min(fault.most for fault in partly))
    if b'"Unprocessed' in body and not any(empty in body for empty in _NOTHING_LEFT):
        for fault in partly:
            fault.told()
    return body


def _add(fault: Fault, wrong: dict[str, Any]) -> bool:
    """Note the keyword that makes an operation answer so; False if this fault has none."""
    if isinstance(fault, EmptyPage):
        wrong["empty"] = True
    elif isinstance(fault, LateEnd):
        wrong["late_end"] = True
    elif isinstance(fault, Relist):
        wrong["relist"] = (*wrong.get("relist", ()), fault.change)
    elif isinstance(fault, StaleScan):
        wrong["as_of"] = fault.as_of
    elif isinstance(fault, EmptyScanPage):
        wrong["empty"] = fault.random
    else:
        return False
    return True


def _damaged(fault: Damage, response: Response) -> Response:
    if fault.header:
        wrong = str(int(response.headers["x-amz-crc32"]) ^ 1)
        return Response(response.status, {**response.headers, "x-amz-crc32": wrong}, response.body)
    body = bytearray(response.body)
    place = min(int(fault.share * len(body)), len(body) - 1)
    # From there on the first digit: what arrives can be read, and says something else.
    place = next((at for at in range(place, len(body)) if 0x30 <= body[at] <= 0x39), place)  # noqa: PLR2004  # 0 to 9.
    body[place] ^= 1
    return Response(response.status, response.headers, bytes(body))
