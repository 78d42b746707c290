"""The door to a service of AWS that takes what is sent: its client, made when it is needed, and its errors as ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

from headrace.dataset import AwsAccess
from headrace.errors import DestinationUnavailable, HeadraceError

T = TypeVar("T")

Connect = Callable[[str, AwsAccess], Any]
"""Makes a client of botocore for a service (sqs, sns, s3). Raises HeadraceError where what it is given cannot work."""

DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})
"""Codes of errors that say that the credentials do not allow what was asked."""

_KEYS: Final = "the credentials are not known to AWS; correct the keys"
_CURES: Final[Mapping[str, str]] = {
    "InvalidClientTokenId": _KEYS,
    "InvalidAccessKeyId": _KEYS,
    "UnrecognizedClientException": _KEYS,
    "SignatureDoesNotMatch": "the secret does not belong to the access key; correct it",
    "ExpiredToken": "the credentials have expired; renew them",
    "ExpiredTokenException": "the credentials have expired; renew them",
}


class Service:
    """A client of ``service``. ``cures`` say, by the code of an error, what is to be done; ``keys`` where a Spicepod has credentials.

    Any thread may use it. After an error the client is made anew, so that renewed credentials are found.
    """

    def __init__(
        self,
        service: str,
        access: AwsAccess,
        connect: Connect,
        cures: Mapping[str, str],
        keys: str = "on_failure.params",
    ) -> None:
        self._service = service
        self._access = access
        self._connect = connect
        self._cures = {**_CURES, **cures}
        self._keys = keys
        self._lock = threading.Lock()
        self._client: Any = None

    @contextmanager
    def client(self, doing: str) -> Iterator[Any]:
        """The client; what it raises inside becomes DestinationUnavailable. ``doing`` begins the message."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield self._opened()
        except DestinationUnavailable:
            self.close()
            raise
        except NoCredentialsError:
            self.close()
            raise DestinationUnavailable(
                f"{doing}: no AWS credentials found; set keys in {self._keys}, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached"
            ) from None
        except ClientError as error:
            self.close()
            code = _code(error)
            cure = self._cures.get(code)
            end = "" if cure is None else f"; {cure}"
            raise DestinationUnavailable(f"{doing}: {error}{end}", code) from error
        except (BotoCoreError, OSError) as error:
            self.close()
            raise DestinationUnavailable(f"{doing}: {type(error).__name__}: {error}") from error
        except HeadraceError as error:
            self.close()
            raise DestinationUnavailable(f"{doing}: {error}") from error

    def close(self) -> None:
        """Let the client go; another is made where it is needed."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect(self._service, self._access)
            return self._client


def unless_denied(ask: Callable[[], T], otherwise: T) -> T:
    """What ``ask`` gets of a client, ``otherwise`` where the credentials do not allow that."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if _code(error) in DENIED:
            return otherwise
        raise


def placed(access: AwsAccess, region: str | None, fallback: str | None) -> AwsAccess:
    """``access`` with the region that the place itself names, else its own, else ``fallback``."""
    return replace(access, region=region or access.region or fallback)


def _code(error: Any) -> str:
    """The code of a ClientError, without what some services put before it."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit(".", 1)[-1]
