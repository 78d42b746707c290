"""A dataset's folder of engine cayenne in figures, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from headrace.accelerators.cayenne.inspection import CopyFigures, FileFigures, Inspection
from headrace.cli.table import draw, one_line

_FILE_COLUMNS = ("file", "rows", "dead", "bytes", "keys_bytes", "schema", "keys", "missing")


def inspection_json(found: Inspection) -> dict[str, Any]:
    """All figures; keys, whatever their type, are texts."""
    told = asdict(found)
    told["database"], told["folder"] = str(found.database), str(found.folder)
    for copy, figures in zip(told["copies"], found.copies, strict=True):
        copy["bytes_a_row"] = figures.bytes_a_row
        for file in copy["files"]:
            file["keys"] = {name: [_key(low), _key(high)] for name, (low, high) in file["keys"].items()}
    return told


def inspection_text(found: Inspection, now: float) -> str:
    """Lines, and for each copy a table of its files."""
    return "\n".join(_lines(found, now))


def _lines(found: Inspection, now: float) -> Iterator[str]:
    yield one_line(f"dataset {found.dataset or '(none yet)'} in {found.folder}")
    yield one_line(
        f"metastore {found.database}: format {found.format}, commit {found.commits:,}, {found.metastore_bytes:,} bytes"
    )
    for number, columns in found.schemas.items():
        yield f"schema {number}: {columns:,} columns"
    for copy in found.copies:
        yield ""
        yield from _copy_lines(copy, now)
    if found.orphans:
        yield ""
        yield one_line(f"{len(found.orphans):,} files that no commit names: {', '.join(found.orphans)}")


def _copy_lines(copy: CopyFigures, now: float) -> Iterator[str]:
    age = "" if copy.read_up_to is None else f", its newest change {now - copy.read_up_to:,.0f} s old"
    each = "" if copy.bytes_a_row is None else f", {copy.bytes_a_row:,.1f} a row"
    yield f"{copy.target} copy (number {copy.number}): {copy.stage}{age}"
    yield (
        f"{copy.rows:,} rows, {copy.dead:,} dead, {copy.columns:,} columns, {copy.bytes:,} bytes{each}, "
        f"{copy.letters:,} dead letters"
    )
    recent = copy.recent
    yield (
        f"level 0: {recent.commits:,} commits, {recent.rows:,} rows, {recent.removed:,} removed keys, {recent.bytes:,} bytes"
    )
    if copy.files:
        yield draw(_FILE_COLUMNS, [_cells(file) for file in copy.files])[0]


def _cells(file: FileFigures) -> list[str]:
    numbers = (file.rows, file.dead, file.bytes, file.keys_bytes, file.schema)
    keys = "; ".join(f"{name} {_key(low)} to {_key(high)}" for name, (low, high) in file.keys.items())
    return [file.file, *(f"{number:,}" for number in numbers), one_line(keys), " ".join(file.missing)]


def _key(bound: object) -> str:
    """A bound as text; of a greatest value that is too long for one nothing is known."""
    match bound:
        case None:
            return "?"
        case bytes():
            return bound.hex()
        case _:
            return str(bound)
