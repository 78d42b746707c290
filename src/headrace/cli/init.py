"""``headrace init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

_NEXT = """\
Wrote {file}. Next:

  1. write your table's name into it
  2. headrace validate{folder}   says what it would do
  3. headrace run{folder}        copies the table and answers SQL
"""


@click.command("init")
@click.argument("folder", metavar="[DIR]", required=False, default=".", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a first Spicepod.

    It goes to DIR/spicepod.yaml (DIR is made where it is missing; by default, it is the working directory).
    A file that exists is never overwritten.
    """
    from headrace.config import STARTER

    file = _written(folder, STARTER)
    click.echo(
        _NEXT.format(file=file, folder="" if folder == Path() else f" {shlex.quote(str(folder))}"), nl=False
    )


def _written(folder: Path, text: str) -> Path:
    """The new file. Raises ConfigError if there is a Spicepod already, or it cannot be written."""
    from headrace.config.load import FILE_NAMES
    from headrace.errors import ConfigError

    for name in FILE_NAMES:
        if (folder / name).exists():
            raise ConfigError(
                f"{folder / name} exists and is left as it is: name another folder, or remove it"
            )
    file = folder / FILE_NAMES[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error
    return file
