"""What Lambda gives to a function beside its event."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LambdaContext:
    """The attributes that the context of every Python function has.

    Names: AWS Lambda developer guide, "AWS Lambda context object in Python".
    """

    function_name: str = "function"
    function_version: str = "$LATEST"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    memory_limit_in_mb: str = "128"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"
    log_group_name: str = "/aws/lambda/function"
    log_stream_name: str = "2026/01/01/[$LATEST]00000000000000000000000000000000"
    remaining_milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        """How long the function may still run; it never gets less."""
        return self.remaining_milliseconds
