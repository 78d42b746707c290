"""What an answer says that it consumed.

Shapes: Amazon DynamoDB API Reference, ConsumedCapacity: one of Scan and Query, a list of them of BatchGetItem.
"""

from __future__ import annotations

import msgspec

from headrace.decoding import json_decoder
from headrace.errors import Unavailable


class _Units(msgspec.Struct, rename={"units": "CapacityUnits"}):
    units: float = 0.0


class _Answer(msgspec.Struct, rename={"consumed": "ConsumedCapacity"}):
    consumed: _Units | list[_Units] | None = None


_ANSWER = json_decoder(_Answer)


def consumed(body: bytes) -> float:
    """The read units of an answer; 0 where the service does not tell. Raises Unavailable where it is not whole."""
    try:
        told = _ANSWER.decode(body).consumed
    except msgspec.ValidationError:
        return 0.0
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unavailable(
            f"an answer of {len(body)} bytes is not whole ({error}); it is asked for again"
        ) from error
    if isinstance(told, list):
        return sum(one.units for one in told)
    return 0.0 if told is None else told.units
