"""A copy as Parquet files and what is known of it as JSON: for engines that have no files of their own.

``copy.json`` holds CopyFacts, ``rows.parquet`` the rows with the columns of the schema, ``notes.parquet`` the noted keys
where there are any, ``letters.parquet`` the dead letters. All values are exactly as Arrow holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from headrace.accelerators import disk
from headrace.accelerators.exports import expect_dataset, expect_format, unusable
from headrace.decoding import decoded
from headrace.durable import sync
from headrace.errors import AcceleratorError

FORMAT: Final = 1
"""The layout of these files; raised when an older Headrace could not read them."""

FACTS: Final = "copy.json"
ROWS: Final = "rows.parquet"
NOTES: Final = "notes.parquet"
LETTERS: Final = "letters.parquet"

LETTER_FIELDS: Final = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("id", "shard", "sequence_number", "key", "key_form", "reason", "record")
        ),
        *((name, pa.timestamp("us")) for name in ("seen_at", "superseded_at")),
    ]
)
"""The columns of the letters: ``key_form`` is the key as ``accelerators.keys`` writes it, null where it cannot be read."""


class CopyFacts(msgspec.Struct, frozen=True):
    """What is stored of a copy beside its rows; ``checkpoint`` and ``schema`` are JSON texts.

    ``rows``, ``notes`` and ``letters`` count what is in the files, ``waiting`` the letters that are not superseded;
    ``notes`` is None where there is no file of notes.
    """

    engine: str
    dataset: str
    checkpoint: str
    schema: str
    rows: int
    notes: int | None
    letters: int
    waiting: int
    format: int = FORMAT


def write_facts(folder: Path, facts: CopyFacts) -> None:
    """Write down what is known of a copy whose files are written; all of the folder is durable on return.

    Raises AcceleratorFull, AcceleratorError.
    """
    path = folder / FACTS
    with disk.translated(f"cannot write {path}"):
        path.write_bytes(msgspec.json.encode(facts))
        for file in (*folder.iterdir(), folder):
            sync(file)


def read_facts(folder: Path, engine: str, dataset: str) -> CopyFacts:
    """What is known of the copy in a folder. Raises SnapshotRefused unless it is one of the dataset that ``engine`` wrote."""
    path = folder / FACTS
    if not path.is_file():
        raise unusable(dataset, f"it has no {FACTS}")
    with disk.translated(f"cannot read {path}"):
        text = path.read_bytes()
    try:
        facts = decoded(text, CopyFacts)
    except msgspec.MsgspecError as error:
        raise unusable(dataset, f"its {FACTS} cannot be read ({error})") from error
    expect_format(dataset, facts.format, FORMAT, FORMAT)
    if facts.engine != engine:
        raise unusable(dataset, f"it is of engine {facts.engine}")
    expect_dataset(dataset, facts.dataset)
    return facts


def write(path: Path, fields: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables with these columns, each as a part of its own; how many rows they have.

    Raises AcceleratorFull, AcceleratorError.
    """
    import pyarrow.parquet as pq

    rows = 0
    with (
        _translated(f"cannot write {path}"),
        pq.ParquetWriter(path, fields, compression="zstd", write_page_checksum=True) as writer,
    ):
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows


def read(path: Path, fields: pa.Schema, rows: int, dataset: str) -> Iterator[pa.Table]:
    """What was written, part by part. Raises SnapshotRefused unless it has these columns and so many rows."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise unusable(dataset, f"it has no {path.name}")
    with _readable(path, dataset), pq.ParquetFile(path, page_checksum_verification=True) as file:
        if file.schema_arrow != fields:
            raise unusable(dataset, f"{path.name} has other columns than its schema says")
        if file.metadata.num_rows != rows:
            raise unusable(dataset, f"{path.name} has {file.metadata.num_rows:,} rows, not {rows:,}")
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        with disk.translated(doing):
            yield
    except pa.ArrowException as error:
        raise AcceleratorError(f"{doing}: {error}") from error


@contextmanager
def _readable(path: Path, dataset: str) -> Iterator[None]:
    """Arrow says of damaged files that they are invalid, or that they cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise unusable(dataset, f"{path.name} cannot be read ({error})") from error
