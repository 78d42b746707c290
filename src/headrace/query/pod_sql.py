"""SQL that stands in a Spicepod."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headrace.dataset import Dataset
from headrace.errors import ConfigError, QueryError
from headrace.query.parser import Parser
from headrace.query.row_query import deleted, selected


def expect_sql(datasets: Sequence[Dataset], parser: Parser) -> None:
    """Raise ConfigError, with a line for each, for SQL in the Spicepod that does not name rows of its dataset."""
    wrong = []
    for dataset in datasets:
        for key, sql in ({} if dataset.acceleration is None else dataset.acceleration.sql).items():
            try:
                _SQL[key](sql, dataset.name, parser)
            except QueryError as error:
                wrong.append(f"dataset {dataset.name}: acceleration.{key}: {error}")
    if wrong:
        raise ConfigError("\n".join(wrong))


_SQL: Mapping[str, Callable[[str, str, Parser], object]] = {
    "refresh_sql": selected,
    "retention_sql": deleted,
}
