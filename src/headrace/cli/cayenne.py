"""``headrace cayenne``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


@click.group("cayenne")
def cayenne() -> None:
    """Look into a dataset's folder of engine cayenne.

    Neither command needs the runtime, nor disturbs one that holds the dataset: nothing is written, and each tells
    of one commit.
    """


def _of_a_folder(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments that both commands have."""
    for decorate in (
        click.option(
            "--format",
            "format_",
            type=click.Choice(("table", "json")),
            default="table",
            show_default=True,
            help="How to print it.",
        ),
        click.option(
            "--files",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="The folder of the files, where the metastore has another (cayenne_metadata_dir).",
        ),
        click.argument("path", type=click.Path(path_type=Path)),
    ):
        command = decorate(command)
    return command


@cayenne.command("inspect")
@_of_a_folder
def inspect(path: Path, files: Path | None, format_: str) -> None:
    """Tell what the dataset in PATH consists of.

    PATH is the folder with metastore.sqlite: the dataset's cayenne_file_path, or its cayenne_metadata_dir where it
    has one. Of each copy: where its checkpoint is, its rows and bytes, the commits that are in no file yet (level 0),
    and its files, with the rows of them that are dead and the least and greatest key.
    """
    import time

    from headrace.accelerators.cayenne.inspection import inspect_folder
    from headrace.cli.folder import inspection_json, inspection_text
    from headrace.cli.listing import as_json

    found = inspect_folder(path, files)
    click.echo(as_json(inspection_json(found)) if format_ == "json" else inspection_text(found, time.time()))


@cayenne.command("verify")
@_of_a_folder
@click.pass_context
def verify(ctx: click.Context, path: Path, files: Path | None, format_: str) -> None:
    """Check the dataset in PATH: its metastore, and every byte and row of its files.

    PATH is the folder with metastore.sqlite. Checksums and sizes of all files; their rows, row numbers, order, keys
    and statistics; deleted positions; level 0; and that each key lives once. Each fault is a line with its cure. Keys
    that memory has no room for go to the system's folder for temporary files. Without headrace[cayenne], what the
    files hold is not checked, and a line says so.
    Exit codes: 0 no fault, 1 faults, or the metastore cannot be read.
    """
    from dataclasses import asdict

    from headrace.accelerators.cayenne.checkup import verify_folder
    from headrace.cli.listing import as_json
    from headrace.cli.table import one_line

    verdict = verify_folder(path, files)
    if format_ == "json":
        click.echo(as_json(asdict(verdict)))
    else:
        for line in (*map(str, verdict.faults), *verdict.notes):
            click.echo(one_line(line))
        rows = "" if verdict.rows is None else f", {verdict.rows:,} live rows"
        faults = f"{len(verdict.faults):,} fault{'' if len(verdict.faults) == 1 else 's'}"
        click.echo(f"{faults}: {verdict.files:,} files, {verdict.bytes:,} bytes{rows}")
    ctx.exit(1 if verdict.faults else 0)
