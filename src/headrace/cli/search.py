"""``headrace search``."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from headrace.cli.client import Place, http_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from headrace.event_source_mapping import EventSourceMapping
    from headrace.target import SearchIndex
    from headrace.targets.comparison import Compared, Comparison, ItemDifference

PATIENCE: Final = 30.0
"""Seconds that one request waits between its tries."""

FAILED: Final = 2
"""The exit code where nothing can be said of the index."""


@click.group("search")
def search() -> None:
    """Compare an index with its table, repair it, or fill it again.

    Indexes are those of event source mappings: `target: {search: ...}` in a Spicepod.
    """


@search.command("verify")
@click.argument("mapping")
@click.argument("pod", required=False, type=click.Path(path_type=Path))
@click.option("--repair", is_flag=True, help="Write what differs to the index, from a missing one on.")
@click.option(
    "--segments",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="How many parts of the table are scanned at once.",
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
    """Say whether the index of a MAPPING is equal to its table, document by document.

    POD is a Spicepod or the folder that holds spicepod.yaml; by default, the working directory. The table is scanned with
    consistent reads, the index scrolled; both may change meanwhile: what differs is looked at again after a moment, and is told
    if the table has not changed since. A document that can be of no item is told as `=ID`.

    With --repair documents become what the items are, each only if nobody has written it since it was read: beside a
    running mapping nothing newer is replaced. Documents that no item has are deleted.

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
        source, settings = _mapping(mapping, pod)
        with _comparison(source, settings, segments, make=repair) as comparison:
            compared = comparison.run(tell, repair=repair)
    except HeadraceError as error:
        if click.get_current_context().find_root().params.get("debug"):
            raise
        click.echo(f"Error: {error}", err=True)
        click.get_current_context().exit(FAILED)
    if format_ == "json":
        told = asdict(compared)
        click.echo(
            json.dumps(
                {
                    "source": told.pop("source"),
                    "index": told.pop("replica"),
                    **told,
                    "equal": compared.is_equal,
                }
            )
        )
    else:
        click.echo(_summary(source.table, settings.index, compared))
    if not compared.is_equal:
        click.get_current_context().exit(1)


@search.command("backfill")
@click.argument("mapping")
@http_option
def backfill(mapping: str, place: Place) -> None:
    """Have the running runtime fill the index of a MAPPING with its table once more.

    It begins as soon as the stream is followed, and goes on in the background: `headrace status` shows how far it is. Whatever changes
    meanwhile stays; documents whose items are gone are deleted at the end.
    """
    from headrace.cli.client import Client

    Client(place).fill(mapping)
    click.echo(f"{mapping}: it will be filled; `headrace status` shows how far it is")


def _mapping(name: str, pod: Path | None) -> tuple[EventSourceMapping, SearchIndex]:
    """The mapping of that name, and its index. Raises HeadraceError where there is none."""
    from headrace.config import load_pod
    from headrace.errors import HeadraceError
    from headrace.target import SearchIndex

    mappings = load_pod(pod, os.environ, Path.cwd()).mappings
    found = next((mapping for mapping in mappings if mapping.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in mappings if isinstance(each.consumer, SearchIndex)) or "none"
        raise HeadraceError(f"there is no mapping {name!r}; those with an index are: {names}")
    if not isinstance(found.consumer, SearchIndex):
        raise HeadraceError(f"mapping {name} has no index: it calls {found.consumer_name}")
    return found, found.consumer


def _comparison(
    mapping: EventSourceMapping, settings: SearchIndex, segments: int, *, make: bool
) -> AbstractContextManager[Comparison]:
    import time
    from contextlib import contextmanager

    from headrace.dynamodb import botocore_transport, place_of, request_signer
    from headrace.read_budget import ReadBudget
    from headrace.targets.comparison import Comparison
    from headrace.targets.search.bulk import Bulk
    from headrace.targets.search.comparison import IndexPair
    from headrace.targets.search.index import Index
    from headrace.targets.search.service import SearchService
    from headrace.targets.table import Patience, Table

    @contextmanager
    def opened() -> Iterator[Comparison]:
        patience = Patience(PATIENCE, f"verify {mapping.name}", time.sleep)
        budget = None if mapping.read_units is None else ReadBudget(mapping.read_units)
        transport = botocore_transport(mapping.access)
        table = Table(transport, mapping.table, place_of(mapping.access), patience, budget)
        sign: Any = None if settings.service is None else request_signer(settings.service, settings.access)
        service = SearchService(settings, sign)
        try:
            index = Index(service, settings)
            bulk = Bulk(service, settings.index, patience)
            yield Comparison(IndexPair(table, index, bulk, segments=segments, make=make))
        finally:
            service.close()

    return opened()


def _line(found: ItemDifference) -> str:
    which = f": {', '.join(found.attributes)}" if found.attributes else ""
    done = " (repaired)" if found.repaired else f" (not repaired: {found.reason})" if found.reason else ""
    return f"{found.kind.value:<9} {found.key}{which}{done}"


def _summary(table: str, index: str, compared: Compared) -> str:
    told = f"{compared.source:,} items in {table}, {compared.replica:,} documents in {index}: "
    differ = compared.missing + compared.extra + compared.different
    if differ:
        told += f"{compared.missing:,} missing, {compared.extra:,} extra, {compared.different:,} different"
        told += f"; {compared.repaired:,} repaired" if compared.repaired else ""
    else:
        told += "equal"
    if compared.moving:
        told += f"; {compared.moving:,} kept changing, and can only be told of later"
    return told
