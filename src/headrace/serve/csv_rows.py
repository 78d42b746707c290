"""Rows as CSV (RFC 4180), with a header."""

from __future__ import annotations

import msgspec
import pyarrow as pa
from pyarrow import csv

from headrace.serve.sink import Sink
from headrace.serve.values import values


class CsvRows:
    """One result, as ``JsonRows``. Null is an empty field, an empty text ``""``; names stay as they are.

    Values are written as in JSON, nested ones as JSON text, numbers whole, and NaN and infinite numbers as
    ``nan``, ``inf`` and ``-inf``.
    """

    media_type = "text/csv; charset=utf-8"

    def __init__(self, schema: pa.Schema) -> None:
        self._fields = [pa.field(field.name, _written_as(field.type)) for field in schema]
        self._sink = Sink()
        self._schema = pa.schema(self._fields)
        self._writer = csv.CSVWriter(
            pa.PythonFile(self._sink, mode="w"),
            self._schema,
            write_options=csv.WriteOptions(include_header=True),
        )

    def head(self) -> bytes:
        """The header."""
        return self._sink.take()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """The lines of one batch."""
        columns = [
            column if column.type == field.type else _texts(column)
            for column, field in zip(batch.columns, self._fields, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        return self._sink.take()

    def tail(self) -> bytes:
        """Nothing."""
        self._writer.close()
        return self._sink.take()


def _written_as(type_: pa.DataType) -> pa.DataType:
    """The type itself where Arrow writes it as we do, else text. A HUGEINT's text is digits."""
    plain = any(is_one(type_) for is_one in _PLAIN) or type_ == pa.decimal128(38, 0)
    return type_ if plain else pa.string()


_PLAIN = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)


def _texts(column: pa.Array) -> pa.Array:
    return pa.array([None if value is None else _text(value) for value in values(column)], pa.string())


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    text = msgspec.json.encode(value).decode()
    # Binary is a JSON string: its quotes are JSON's, not the value's.
    return text.strip('"') if isinstance(value, bytes) else text
