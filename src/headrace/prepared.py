"""A statement that was checked and not run."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a statement before it runs: the columns of its answer, and how many values it takes.

    Where the type of a column depends on a parameter alone, it is the one that NULL gives there.
    """

    schema: pa.Schema
    parameters: int
