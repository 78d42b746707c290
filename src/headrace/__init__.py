"""DynamoDB tables, and the streams of their changes, live in SQL.

config        Spicepod YAML   -> Dataset
dynamodb      Scan, Streams   -> ChangeBatch            the only room that knows AWS
replicate     ChangeBatch     -> in order, bounded, checkpointed      a pure machine
accelerators  ChangeBatch     -> rows and Checkpoint, in one transaction
query         SQL             -> Arrow
serve, cli    Arrow           -> HTTP, Flight SQL, terminal
program       Arrow           -> Python

Root files are words: values and protocols without I/O. Folders are rooms: they know the words, never
each other. Only ``runtime`` knows all the rooms.

Programs call ``connect``, for a runtime that runs elsewhere, or ``open``, which runs one within them. AWS Lambda calls
``lambda_handler``, where it follows the stream itself.
"""

from __future__ import annotations

from importlib import import_module

# Known to type checkers; the module typing, which has it too, takes its time in the process of each function.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from headrace.lambda_entry import lambda_handler
    from headrace.program import connect, open  # noqa: A004 - it is called as `headrace.open`

__all__ = ["__version__", "connect", "lambda_handler", "open"]

__version__ = "0.1.0"

_HOMES = {
    "connect": "headrace.program",
    "lambda_handler": "headrace.lambda_entry",
    "open": "headrace.program",
}


def __getattr__(name: str) -> object:
    """Load what programs call when it is first asked for: a help text needs none of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'headrace' has no attribute '{name}'")
    return getattr(import_module(home), name)
