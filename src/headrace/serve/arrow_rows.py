"""Rows as an Arrow IPC stream."""

from __future__ import annotations

import pyarrow as pa

from headrace.serve.sink import Sink


class ArrowRows:
    """One result, as ``JsonRows``. The types are DuckDB's own; nothing is converted."""

    media_type = "application/vnd.apache.arrow.stream"

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = Sink()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._sink, mode="w"), schema)

    def head(self) -> bytes:
        """The schema."""
        return self._sink.take()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """One batch."""
        self._writer.write_batch(batch)
        return self._sink.take()

    def tail(self) -> bytes:
        """The mark of the stream's end, without which a reader knows that it was cut off."""
        self._writer.close()
        return self._sink.take()
