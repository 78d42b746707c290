"""The environment that a function finds: Headrace's, Lambda's variables that make sense here, and its own.

Names and forms: AWS Lambda developer guide, "Defined runtime environment variables".
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.event_source_mapping import Function

VERSION = "$LATEST"


def function_environment(
    environ: Mapping[str, str], mapping: str, function: Function, region: str | None, log_stream: str
) -> dict[str, str]:
    """What a process of the function gets; its own ``environment`` wins over all else.

    There is no runtime API and no Lambda behind it, so AWS_LAMBDA_RUNTIME_API and AWS_EXECUTION_ENV are not there.
    """
    regions = {} if region is None else {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return {
        **environ,
        **regions,
        "_HANDLER": function.reference,
        "AWS_LAMBDA_FUNCTION_NAME": mapping,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_size(function),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{mapping}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "TZ": ":UTC",
        **function.environment,
    }


def memory_size(function: Function) -> str:
    """In MB, as Lambda writes it."""
    return str(function.memory // 2**20)
