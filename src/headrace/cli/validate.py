"""``headrace validate``."""

from __future__ import annotations

import json
import os
from dataclasses import replace
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
        return
    loaded = load_pod(pod, os.environ, Path.cwd())
    if any(dataset.acceleration is not None and dataset.acceleration.sql for dataset in loaded.datasets):
        # What reads SQL takes its time to import.
        from headrace.query.parser import Parser
        from headrace.query.pod_sql import expect_sql

        expect_sql(loaded.datasets, Parser())
    if loaded.views:
        from headrace.accelerator import DEAD_LETTERS
        from headrace.query.parser import Parser
        from headrace.query.pod_views import checked_views

        names = [*(dataset.name for dataset in loaded.datasets), DEAD_LETTERS]
        checked_views(loaded.views, names, Parser())
    if loaded.mappings:
        from headrace.mappings import warnings_of

        told = tuple(
            f"event_source_mappings: {name}: {warning}"
            for name, warnings in warnings_of(loaded.mappings).items()
            for warning in warnings
        )
        loaded = replace(loaded, warnings=(*loaded.warnings, *told))
    click.echo(describe(loaded).rstrip())
