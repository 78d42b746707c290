"""Rows that are put where there is none of their key, each by a request of its own: PutItem alone takes a condition."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

from headrace.errors import HeadraceError, InternalError, RequestRejected
from headrace.row_table import Row
from headrace.targets.table import FAILED_CHECK, Table


class SinglePuts:
    """Writes to ``table``, as many requests at once as ``workers`` has threads. Any thread may call."""

    def __init__(self, table: Table, workers: Executor) -> None:
        self._table = table
        self._workers = workers

    def write(self, rows: Sequence[Row]) -> list[HeadraceError | None]:
        """How each went: None where it is there, now or since before, or the error with which it is not, or may be.

        RequestRejected is of the row itself. Any other says that the table takes no more for now, or nothing at all.
        Raises InternalError for a row that is to be none.
        """
        unreachable: list[HeadraceError] = []

        def put(row: Row) -> HeadraceError | None:
            # Each would wait in vain for as long as the first.
            error = unreachable[0] if unreachable else self._put(row)
            if error is not None and not isinstance(error, RequestRejected):
                unreachable.append(error)
            return error

        return list(self._workers.map(put, rows))

    def _put(self, row: Row) -> HeadraceError | None:
        if row.item is None:
            raise InternalError(f"a row of {self._table} was to be deleted, and rows are only put there")
        names = {"#k": next(iter(row.key))}
        body = {
            "Item": row.item,
            "ConditionExpression": "attribute_not_exists(#k)",
            "ExpressionAttributeNames": names,
        }
        try:
            self._table.ask("PutItem", body)
        except RequestRejected as error:
            return None if error.code == FAILED_CHECK else error
        except HeadraceError as error:
            return error
        return None
