"""Finds a handler, calls it, and says what went wrong in the words of AWS Lambda.

Types and messages: aws/aws-lambda-python-runtime-interface-client, bootstrap.py, lambda_runtime_exception.py and
lambda_runtime_marshaller.py. Runs in the process of the function.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from types import TracebackType

Handler = Callable[[object, object], object]

MOST_RESPONSE_BYTES = 6_291_556
"""The largest response: AWS Lambda developer guide, "Lambda quotas" (6 MB), and the figure in Lambda's own message."""

_MOST_MESSAGE = 32_768
_MOST_FRAMES = 100
_ASYNC = (
    0x80 | 0x200
)  # CO_COROUTINE and CO_ASYNC_GENERATOR; the module inspect takes longer to load than all else.


class Fault(Exception):
    """An invocation failed: Lambda's errorType, errorMessage and stackTrace."""

    def __init__(self, type_: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.type = type_
        self.message = message if len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}…"
        self.trace = trace or []

    def payload(self) -> dict[str, object]:
        """As Lambda gives it to whoever invoked the function."""
        return {"errorType": self.type, "errorMessage": self.message, "stackTrace": self.trace}


def find_handler(reference: str) -> Handler:
    """The callable that ``module:name`` refers to. Raises Fault, and whatever the module itself raises but Exceptions."""
    module_name, _, name = reference.partition(":")
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module; rename it",
        )
    try:
        found: object = import_module(module_name)
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [place]
        ) from error
    except Exception as error:
        raise raised(error) from error
    where = getattr(found, "__file__", None)
    for part in name.split("."):
        if not hasattr(found, part):
            raise Fault(
                "Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}' ({where})"
            )
        found = getattr(found, part)
    if not callable(found):
        raise Fault(
            "Runtime.HandlerNotFound",
            f"Handler '{name}' on module '{module_name}' is no function: it is of type {type(found).__name__}",
        )
    if getattr(getattr(found, "__code__", None), "co_flags", 0) & _ASYNC:
        raise Fault(
            "Runtime.HandlerNotFound",
            f"Handler '{name}' on module '{module_name}' is an async function, which Lambda does not await; "
            "write a plain one that calls asyncio.run",
        )
    return found


def encoded(response: object) -> bytes:
    """The response as JSON; bytes as they are. Raises Fault."""
    if isinstance(response, bytes):
        text = response
    else:
        try:
            text = json.dumps(response, default=_decimal).encode()
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {_message(error)}") from error
    if len(text) > MOST_RESPONSE_BYTES:
        raise Fault(
            "Function.ResponseSizeTooLarge",
            f"Response payload size ({len(text)} bytes) exceeded maximum allowed payload size "
            f"({MOST_RESPONSE_BYTES} bytes).",
        )
    return text


def raised(error: Exception) -> Fault:
    """What user code raised; frames of ours are left out of its trace."""
    frames = traceback.extract_tb(within_user_code(error.__traceback__))
    return Fault(type(error).__name__, _message(error), traceback.format_list(frames)[-_MOST_FRAMES:])


def within_user_code(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins outside of this folder; all of it if none does."""
    ours = __file__.rpartition("handler")[0]
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(ours):
        inner = inner.tb_next
    return trace if inner is None else inner


def _decimal(value: object) -> object:
    """Numbers that boto3 gives: the marshaller of Lambda takes them too."""
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - user code says how its errors are told, and may fail at it.
        return f"<unprintable {type(error).__name__} object>"
