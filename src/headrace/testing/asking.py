"""Requests that must succeed."""

from __future__ import annotations

from typing import Any

import msgspec

from headrace.errors import RequestRejected
from headrace.wire import Transport


def ask(transport: Transport, operation: str, **request: Any) -> dict[str, Any]:
    """The answer. Raises RequestRejected where it is an error, in the words ``OPERATION: CODE: MESSAGE``."""
    response = transport(operation, msgspec.json.encode(request))
    answer: dict[str, Any] = msgspec.json.decode(response.body)
    if response.status == 200:  # noqa: PLR2004  # HTTP's OK.
        return answer
    code = str(answer["__type"]).rpartition("#")[2]
    raise RequestRejected(f"{operation}: {code}: {answer.get('message', answer.get('Message'))}")
