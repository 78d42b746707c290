"""What requests carry: bodies, parameters, and names of what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from headrace.errors import QueryError, QueryFault
from headrace.serve.fault import Missing

LARGEST_BODY: Final = 2**20
"""Bytes of a request's body."""

BODY_SECONDS: Final = 30.0
"""How long a request's body may take to come."""


def known(name: str, names: Iterable[str], noun: str) -> str:
    """The one of ``names`` that ``name`` is, whatever its case. Raises Missing; ``noun`` is what they name."""
    there = list(names)
    found = next((one for one in there if one.casefold() == name.casefold()), None)
    if found is None:
        raise Missing(f"there is no {noun} {name!r}; the {noun}s are: {', '.join(there) or 'none'}")
    return found


def expect_parameters(request: Request, allowed: frozenset[str]) -> None:
    """Raise QueryError INVALID for a query parameter that would be ignored."""
    unknown = sorted(set(request.query_params) - allowed)
    if unknown:
        there = ", ".join(sorted(allowed)) or "none"
        raise QueryError(
            QueryFault.INVALID, f"unknown parameter {unknown[0]!r}; the parameters here: {there}"
        )


async def whole_body(request: Request) -> bytes:
    """The whole body. Raises QueryError TOO_LARGE, before it has been read where its length is told."""
    told = request.headers.get("content-length", "0")
    pieces, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            if not told.isdigit() or int(told) <= LARGEST_BODY:
                async for piece in request.stream():
                    size += len(piece)
                    if size > LARGEST_BODY:
                        break
                    pieces.append(piece)
                else:
                    return b"".join(pieces)
    except TimeoutError:
        raise QueryError(QueryFault.TIMEOUT, f"the body has not come within {BODY_SECONDS:g} s") from None
    raise QueryError(QueryFault.TOO_LARGE, f"the body is larger than {LARGEST_BODY:,} bytes")
