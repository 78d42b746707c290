"""The door to Vortex and to the files: what they raise becomes ours here.

Vortex raises RuntimeError for everything, with the system's error number in its text ("os error 28") and a
backtrace after the first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from headrace.accelerators.disk import told
from headrace.errors import AcceleratorError

_NUMBER: Final = re.compile(r"os error (\d+)")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what Vortex, Arrow and the file system raise inside as AcceleratorError, or AcceleratorFull.

    ``doing`` begins the message.
    """
    try:
        yield
    except OSError as error:
        raise told(doing, str(error), error.errno) from error
    except RuntimeError as error:
        text = str(error).partition("\n")[0]
        found = _NUMBER.search(text)
        raise told(doing, text, int(found[1]) if found else None) from error
    except pa.ArrowException as error:
        raise AcceleratorError(f"{doing}: {error}") from error
