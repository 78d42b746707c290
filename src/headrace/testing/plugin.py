"""The pytest plugin: fixtures that begin with ``headrace_``, and the marker ``headrace``.

Nothing is imported until a test asks for it, so that other tests do not pay for being near.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from headrace.lambda_context import LambdaContext
    from headrace.testing.dynamodb import SimulatedDynamoDB

_MARKER = (
    "headrace(now, seed, initial_shards, weather, operations): what the simulated DynamoDB of "
    "headrace_dynamodb is made with; weather is a mapping of faults' names to their rates"
)
_UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def headrace_dynamodb(request: pytest.FixtureRequest) -> SimulatedDynamoDB:
    """A simulated DynamoDB, empty, of this test's own; the marker ``headrace`` says how it is made."""
    from headrace.testing.dynamodb import SimulatedDynamoDB

    options: dict[str, Any] = {}
    # From the outermost to the test itself, which has the last word.
    for marker in reversed(list(request.node.iter_markers("headrace"))):
        if marker.args:
            raise pytest.UsageError(f"the marker headrace takes keywords only: {_MARKER}")
        options |= marker.kwargs
    try:
        return SimulatedDynamoDB(**options)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"the marker headrace of {request.node.nodeid}: {error}") from error


@pytest.fixture
def headrace_client(headrace_dynamodb: SimulatedDynamoDB) -> Any:
    """A botocore client of ``headrace_dynamodb``, as ``boto3.client("dynamodb")`` gives one."""
    return headrace_dynamodb.client()


@pytest.fixture
def headrace_endpoint(headrace_dynamodb: SimulatedDynamoDB, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of ``headrace_dynamodb`` over HTTP; whatever SDK reads the environment goes there.

    For the test's length the environment names this endpoint for DynamoDB and its streams, a region, and
    credentials that are none.
    """
    from headrace.testing.clients import ACCESS_KEY, SECRET_KEY
    from headrace.testing.dynamodb import REGION

    with headrace_dynamodb.serve() as url:
        for name in _UNSET:
            monkeypatch.delenv(name, raising=False)
        for name, value in (
            ("AWS_ENDPOINT_URL_DYNAMODB", url),
            ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", url),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
        ):
            monkeypatch.setenv(name, value)
        yield url


@pytest.fixture
def headrace_lambda_context() -> LambdaContext:
    """What Lambda gives to a function beside its event; 30 seconds are left from the test's beginning."""
    from headrace.lambda_context import LambdaContext

    return LambdaContext()
