"""``headrace replicate``."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from headrace.event_source_mapping import EventSourceMapping
    from headrace.target import Replica
    from headrace.targets.comparison import Compared, ItemDifference
    from headrace.targets.replication import ReplicaComparison

PATIENCE: Final = 30.0
"""Seconds that one request waits between its tries."""

FAILED: Final = 2
"""The exit code where nothing can be said of the replica."""


@click.group("replicate")
def replicate() -> None:
    """Compare a replica with its source, and repair it.

    Replicas are those of event source mappings: `target: {replicate: ...}` in a Spicepod.
    """


@replicate.command("verify")
@click.argument("mapping")
@click.argument("pod", required=False, type=click.Path(path_type=Path))
@click.option("--repair", is_flag=True, help="Write what differs to the replica, from an empty one on.")
@click.option(
    "--segments",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="How many parts of each table are scanned at once.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How to print it; json is one object for each difference, then one for the whole.",
)
def verify(mapping: str, pod: Path | None, segments: int, format_: str, *, repair: bool) -> None:
    """Say whether the replica of a MAPPING is equal to its source, item by item.

    POD is a Spicepod or the folder that holds spicepod.yaml; by default, the working directory. Both tables are scanned
    with consistent reads, and may change meanwhile: what differs is looked at again after a moment, and is told if the source
    has not changed since. The version attribute does not count.

    With --repair the replica's items become what the source's are, each only if nobody has written it since it was
    read: beside a running mapping nothing newer is replaced. Where the replica is written to by others, the source wins.

    Exit codes: 0 equal, or repaired, 1 there are differences, 2 it cannot be told.
    """
    import json

    from headrace.cli.table import one_line
    from headrace.errors import HeadraceError

    def tell(found: ItemDifference) -> None:
        click.echo(
            json.dumps(asdict(found), ensure_ascii=False) if format_ == "json" else one_line(_line(found))
        )

    try:
        source, replica = _mapping(mapping, pod)
        compared = _comparison(source, replica, segments).run(tell, repair=repair)
    except HeadraceError as error:
        if click.get_current_context().find_root().params.get("debug"):
            raise
        click.echo(f"Error: {error}", err=True)
        click.get_current_context().exit(FAILED)
    if format_ == "json":
        click.echo(json.dumps({**asdict(compared), "equal": compared.is_equal}))
    else:
        click.echo(_summary(source.table, replica.table, compared))
    if not compared.is_equal:
        click.get_current_context().exit(1)


def _mapping(name: str, pod: Path | None) -> tuple[EventSourceMapping, Replica]:
    """The mapping of that name, and its replica. Raises HeadraceError where there is none."""
    from headrace.config import load_pod
    from headrace.errors import HeadraceError
    from headrace.target import Replica

    mappings = load_pod(pod, os.environ, Path.cwd()).mappings
    found = next((mapping for mapping in mappings if mapping.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in mappings if isinstance(each.consumer, Replica)) or "none"
        raise HeadraceError(f"there is no mapping {name!r}; those with a replica are: {names}")
    if not isinstance(found.consumer, Replica):
        raise HeadraceError(f"mapping {name} has no replica: it calls {found.consumer_name}")
    return found, found.consumer


def _comparison(mapping: EventSourceMapping, replica: Replica, segments: int) -> ReplicaComparison:
    import time

    from headrace.dynamodb import botocore_transport, place_of
    from headrace.read_budget import ReadBudget
    from headrace.targets.replication import ReplicaComparison
    from headrace.targets.table import Patience, Table

    patience = Patience(PATIENCE, f"verify {mapping.name}", time.sleep)
    budget = None if mapping.read_units is None else ReadBudget(mapping.read_units)
    reached = ((mapping.table, mapping.access, budget), (replica.table, replica.access, None))
    source, target = (
        Table(botocore_transport(access), table, place_of(access), patience, budget)
        for table, access, budget in reached
    )
    return ReplicaComparison(source, target, replica, segments=segments)


def _line(found: ItemDifference) -> str:
    which = f": {', '.join(found.attributes)}" if found.attributes else ""
    done = " (repaired)" if found.repaired else f" (not repaired: {found.reason})" if found.reason else ""
    return f"{found.kind.value:<9} {found.key}{which}{done}"


def _summary(source: str, replica: str, compared: Compared) -> str:
    told = f"{compared.source:,} items in {source}, {compared.replica:,} in {replica}: "
    differ = compared.missing + compared.extra + compared.different
    if differ:
        told += f"{compared.missing:,} missing, {compared.extra:,} extra, {compared.different:,} different"
        told += f"; {compared.repaired:,} repaired" if compared.repaired else ""
    else:
        told += "equal"
    if compared.moving:
        told += f"; {compared.moving:,} kept changing, and can only be told of later"
    return told
