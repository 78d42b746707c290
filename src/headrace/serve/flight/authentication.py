"""Who may call: the key in a header, or in the handshake that gives a token."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pyarrow import flight

from headrace.access import Access, bearer

_REFUSED: Final = (
    "a key is needed that the runtime knows: as the password, with any user name, or in a header, authorization: Bearer KEY "
    "or x-api-key: KEY"
)


class NoHandshake(flight.ServerAuthHandler):  # type: ignore[misc] # pyarrow is untyped
    """Lets the handshake of Flight through, which ``Authentication`` has answered by then in a header."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """Nothing is left to say."""

    def is_valid(self, _: bytes) -> bytes:
        """Nobody has a name here."""
        return b""


class Authentication(flight.ServerMiddlewareFactory):  # type: ignore[misc] # pyarrow is untyped
    """Looks at every call's headers before anything else does."""

    def __init__(self, access: Access) -> None:
        self._access = access
        super().__init__()

    def start_call(self, _: Any, headers: Mapping[str, Sequence[str | bytes]]) -> _Token | None:
        """Let the call through, or raise FlightUnauthenticatedError.

        Who gives a password (RFC 7617) gets it back as the token for further calls, as clients of Flight expect:
        https://arrow.apache.org/docs/format/Flight.html#authentication.
        """
        told = {name.lower(): _text(values[0]) for name, values in headers.items() if values}
        authorization = told.get("authorization")
        password = _password(authorization)
        given = next((key for key in (bearer(authorization), password, told.get("x-api-key")) if key), None)
        if not self._access.admits(given):
            raise flight.FlightUnauthenticatedError(_REFUSED)
        # What no header can hold is no key's; Arrow would complain of it on standard error.
        told_back = password is not None and password.isascii() and password.isprintable()
        return _Token(password) if password is not None and told_back else None


class _Token(flight.ServerMiddleware):  # type: ignore[misc] # pyarrow is untyped
    """Gives the client what it sends with its further calls."""

    def __init__(self, token: str) -> None:
        self._token = token
        super().__init__()

    def sending_headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {"authorization": f"Bearer {self._token}"}


def _password(authorization: str | None) -> str | None:
    """The password in a header ``Authorization: Basic``, None of any other."""
    scheme, _, given = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        # Clients in Go leave out the padding.
        whole = given.strip().rstrip("=")
        padded = whole + "=" * (-len(whole) % 4)
        _, colon, password = base64.b64decode(padded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if colon else None


def _text(value: str | bytes) -> str:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
