"""Which form of the rows a client wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import pyarrow as pa
from starlette.exceptions import HTTPException

from headrace.serve.arrow_rows import ArrowRows
from headrace.serve.csv_rows import CsvRows
from headrace.serve.json_rows import JsonRows


class Rows(Protocol):
    """A result in one form: the whole text is ``head``, ``rows`` of each batch, ``tail``."""

    @property
    def media_type(self) -> str:
        """For the header Content-Type."""
        ...

    def head(self) -> bytes:
        """What comes first."""
        ...

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """The rows of one batch."""
        ...

    def tail(self) -> bytes:
        """What comes last."""
        ...


Form = Callable[[pa.Schema], Rows]

FORMS: Final[dict[str, Form]] = {
    "application/json": JsonRows,
    "text/csv": CsvRows,
    "application/vnd.apache.arrow.stream": ArrowRows,
}
"""The forms by media type, the one that is preferred first."""


def wanted(accept: str) -> Form:
    """The form for a header Accept (RFC 9110, section 12.5.1); JSON where there is none.

    Raises HTTPException 406 if none of the forms is accepted.
    """
    weights = dict.fromkeys(FORMS, (0.0, -1))
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        range_, _, parameters = part.strip().lower().partition(";")
        weight = _weight(parameters)
        for media_type in FORMS:
            # The most particular range decides for a type, whatever the order.
            narrowness = _narrowness(range_.strip(), media_type)
            if narrowness > weights[media_type][1]:
                weights[media_type] = (weight, narrowness)
    best = max(FORMS, key=lambda media_type: weights[media_type][0])
    if weights[best][0] <= 0:
        raise HTTPException(406, f"Accept: {accept[:100]} is none of {', '.join(FORMS)}")
    return FORMS[best]


def _narrowness(range_: str, media_type: str) -> int:
    """How particularly ``range_`` speaks of the type; -1 if not at all."""
    if range_ == media_type:
        return 2
    if range_ == media_type.partition("/")[0] + "/*":
        return 1
    return 0 if range_ in ("*/*", "*") else -1


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def is_json(content_type: str) -> bool:
    """Whether a body is said to be JSON."""
    return content_type.partition(";")[0].strip().lower() == "application/json"
