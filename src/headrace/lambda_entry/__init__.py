"""What AWS Lambda calls, where it follows the stream itself: ``headrace.lambda_handler``.

Lambda's own event source mapping reads the shards, makes the batches, retries and keeps the positions. Of the Spicepod come the targets, with
their filters, and the datasets that are kept in PostgreSQL.

received   event       -> Batch
served     Spicepod    -> what takes the batches of a table
handed     Batch       -> a mapping's target, in pieces that a Pace makes
copied     Batch       -> a dataset in PostgreSQL
function   Batch       -> all of that, and Lambda's response
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

# Lambda asks for the handler while it starts an environment, when a function has more of a processor than later.
from headrace.lambda_entry.function import LambdaFunction
from headrace.lambda_entry.settings import read_settings

_OPENING: Final = threading.Lock()
_OPENED: Final[list[LambdaFunction]] = []


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """Handle one event of a DynamoDB stream, as the function of an event source mapping; the handler is ``headrace.lambda_handler``.

    The Spicepod is loaded by the first call of an execution environment; see ``settings`` for the environment's variables. Whatever is raised fails the
    whole batch, which Lambda retries.
    """
    return _function()(event, context)


def _function() -> LambdaFunction:
    with _OPENING:
        if not _OPENED:
            _OPENED.append(LambdaFunction.opened(read_settings(os.environ), os.environ))
        return _OPENED[0]
