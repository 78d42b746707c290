"""Errors as Flight tells them: a gRPC code and a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from pyarrow import flight

from headrace.errors import HeadraceError, QueryError, QueryFault
from headrace.serve.fault import log_failure
from headrace.serve.flight.messages import Damaged


class _Untraced:
    """Keeps the traceback, with the paths of this machine and what the engine said, from the client.

    pyarrow adds it to the message of every exception that is not of its Flight module, and so to the only ones
    with the codes below. What it asks to write a traceback fails here, and it names the class instead.
    """

    @property
    def __cause__(self) -> BaseException | None:
        raise AttributeError


class Invalid(_Untraced, pa.ArrowInvalid):  # type: ignore[misc] # pyarrow is untyped
    """INVALID_ARGUMENT."""


class NotFound(_Untraced, pa.ArrowKeyError):  # type: ignore[misc] # pyarrow is untyped
    """NOT_FOUND."""


class Unimplemented(_Untraced, pa.ArrowNotImplementedError):  # type: ignore[misc] # pyarrow is untyped
    """UNIMPLEMENTED."""


_ERRORS: Final = {
    QueryFault.INVALID: Invalid,
    QueryFault.UNKNOWN_NAME: Invalid,
    QueryFault.REFUSED: flight.FlightUnauthorizedError,
    QueryFault.TIMEOUT: flight.FlightTimedOutError,
    QueryFault.TOO_LARGE: Invalid,
    QueryFault.NOT_READY: flight.FlightUnavailableError,
    QueryFault.BUSY: flight.FlightUnavailableError,
    QueryFault.FAILED: flight.FlightInternalError,
}
"""The codes: INVALID_ARGUMENT, PERMISSION_DENIED, DEADLINE_EXCEEDED, UNAVAILABLE, INTERNAL."""

_OWN: Final = (Invalid, NotFound, Unimplemented, flight.FlightError)


@contextmanager
def told() -> Iterator[None]:
    """Every error becomes one that Flight can tell, and that tells no more than HTTP's would."""
    try:
        yield
    except _OWN:
        raise
    except QueryError as error:
        if error.fault is QueryFault.FAILED:
            log_failure(error)
        raise _ERRORS[error.fault](str(error)) from None
    except (HeadraceError, Damaged) as error:
        raise Invalid(str(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, the client is told no more
        log_failure(error)
        raise flight.FlightInternalError("Headrace failed; its log says at what") from None
