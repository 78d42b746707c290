"""``headrace validate``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click


@click.command("validate")
@click.argument("pod", required=False, type=click.Path(path_type=Path))
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of Spicepods, for editors, and check nothing."
)
def validate(pod: Path | None, *, schema: bool) -> None:
    """Check a Spicepod and print what it would do.

    POD is a Spicepod or the folder that holds spicepod.yaml; by default, the working directory. Nothing
    is written, and no connection is made.
    """
    from headrace.config import describe, json_schema, load_pod

    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
    else:
        click.echo(describe(load_pod(pod, os.environ, Path.cwd())).rstrip())
