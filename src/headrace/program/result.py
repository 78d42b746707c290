"""The answer to one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.errors import PackageMissing

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Result:
    """All rows of an answer, in the form that is asked for. Any library that takes Arrow's streams takes it as it is."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def arrow(self) -> pa.Table:
        """An Arrow table; nothing is copied."""
        return self._table

    def pandas(self) -> pd.DataFrame:
        """A pandas DataFrame. Raises PackageMissing where pandas is not installed."""
        try:
            return self._table.to_pandas()
        except ImportError as error:
            raise PackageMissing("pandas is not installed: pip install pandas") from error

    def polars(self) -> pl.DataFrame:
        """A polars DataFrame. Raises PackageMissing where polars is not installed."""
        try:
            import polars as pl
        except ImportError as error:
            raise PackageMissing("polars is not installed: pip install polars") from error
        return pl.DataFrame(self._table)

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows as tuples of Python's values, in the order of the columns."""
        columns = [column.to_pylist() for column in self._table.columns]
        return list(zip(*columns, strict=True)) if columns else []

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        names: list[str] = self._table.column_names
        return names

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Arrow's PyCapsule interface: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html."""
        return self._table.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"<Result of {len(self):,} rows: {', '.join(self.columns)}>"
