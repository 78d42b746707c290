"""What AWS Lambda gives to a function beside its event.

Names: AWS Lambda developer guide, "Using the Lambda context object to retrieve Python function information"; what each of them
holds where the guide is silent: aws/aws-lambda-python-runtime-interface-client, lambda_context.py.

This module is loaded in the process of every function, so it imports next to nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

ANY_REQUEST = "00000000-0000-4000-8000-000000000000"
ANY_SHARD = "shardId-00000000000000000000-00000000"
_ANY_STREAM = "2026/01/01/[$LATEST]00000000000000000000000000000000"


class CognitoIdentity:
    """Who called from a mobile app: nobody, for records of a stream."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class LambdaContext:
    """The context of one invocation.

    ``deadline`` is when the function is ended, as ``clock`` counts (seconds, from any origin); 30 seconds from now where
    none is given. ``memory_limit_in_mb`` is a text, as in Lambda. ``shard`` and ``idempotency_key`` are Headrace's own.
    """

    client_context: None = None
    tenant_id: None = None

    def __init__(
        self,
        *,
        function_name: str = "function",
        function_version: str = "$LATEST",
        invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function",
        memory_limit_in_mb: str = "128",
        aws_request_id: str = ANY_REQUEST,
        log_group_name: str = "/aws/lambda/function",
        log_stream_name: str = _ANY_STREAM,
        shard: str = ANY_SHARD,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.function_name = function_name
        self.function_version = function_version
        self.invoked_function_arn = invoked_function_arn
        self.memory_limit_in_mb = memory_limit_in_mb
        self.aws_request_id = aws_request_id
        self.log_group_name = log_group_name
        self.log_stream_name = log_stream_name
        self.identity = CognitoIdentity()
        self.shard = shard
        self._clock = clock
        self._deadline = clock() + 30.0 if deadline is None else deadline

    def get_remaining_time_in_millis(self) -> int:
        """How long the function may still run; 0 where that time is over."""
        return max(0, int((self._deadline - self._clock()) * 1000))

    def log(self, message: object) -> None:
        """Write it to standard output as it is, without a line's end."""
        sys.stdout.write(str(message))

    def idempotency_key(self, record: Mapping[str, object]) -> str:
        """The same whenever the same record is handed over again, and different for any other. Not in Lambda.

        ``record`` is one of the event's Records. The shard's id is part of the key and stands in no record.
        """
        change = record["dynamodb"]
        if not isinstance(change, Mapping):
            raise TypeError("idempotency_key takes a record of the event, as it stands in event['Records']")
        return idempotency_key(str(record["eventSourceARN"]), self.shard, str(change["SequenceNumber"]))

    def __repr__(self) -> str:
        return f"LambdaContext(function_name={self.function_name!r}, aws_request_id={self.aws_request_id!r})"


def idempotency_key(stream_arn: str, shard: str, sequence: str) -> str:
    """What names one record among those of all streams: sequence numbers are told apart within a shard only."""
    return f"{stream_arn}/{shard}/{sequence}"
