"""``target.replicate``: another table that is kept equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headrace.config.kind import duration, flag, text
from headrace.config.naming import table_name
from headrace.config.parameter import Parameter, Settings
from headrace.config.quantity import SECOND, format_duration
from headrace.config.targets.block import BESIDE, TargetBlock, TargetKind, table_in_words
from headrace.target import Replica, Target

_DEFAULTS: Final = Replica("")

TABLE: Final = Parameter(
    "table", table_name(), "The table that is kept equal. It must exist, with the same key."
)
VERSION_ATTRIBUTE: Final = Parameter(
    "version_attribute",
    text("the name of an attribute"),
    "The attribute that holds, in each item of that table, which change wrote it.",
    default=_DEFAULTS.version_attribute,
)
CONDITIONAL: Final = Parameter(
    "conditional",
    flag(),
    "Whether a write may never replace a newer one. With `false`, items have no `version_attribute` and are written in "
    "batches.",
    default=str(_DEFAULTS.conditional).lower(),
)
TWO_WAY: Final = Parameter(
    "two_way",
    flag(),
    "Whether that table is written to by others too, and replicated back by a mapping of its own: what came from there "
    "is not sent back.",
    default=str(_DEFAULTS.two_way).lower(),
)
TOMBSTONES: Final = Parameter(
    "tombstones",
    duration(3600 * SECOND),
    "For how long deletions are remembered, so that an older write cannot bring an item back.",
    default=format_duration(int(_DEFAULTS.tombstones) * SECOND),
)


def _read(block: TargetBlock) -> Replica | None:
    settings = block.settings(REPLICATE.parameters)
    if settings is None:
        return None
    name = settings.get(TABLE)
    if name is None:
        block.refuse("names no table; write replicate: {table: TABLE}")
        return None
    replica = Replica(
        name,
        block.beside(settings),
        version_attribute=settings.get(VERSION_ATTRIBUTE) or "",
        conditional=settings.get(CONDITIONAL) is not False,
        two_way=settings.get(TWO_WAY) is True,
        tombstones=(settings.get(TOMBSTONES) or 0) / SECOND,
    )
    if (name, replica.access) == (block.table, block.access):
        block.refuse("is the table that is read; name another, or another region or endpoint_url", "table")
    if not replica.conditional:
        _expect_versions(block, settings)
    return replica


def _expect_versions(block: TargetBlock, settings: Settings) -> None:
    """Refuse what is for versions where there are none."""
    for parameter in (VERSION_ATTRIBUTE, TWO_WAY, TOMBSTONES):
        given: Parameter[object] = parameter
        if given.name in settings.given and settings.get(given) is not False:
            block.refuse("needs versions, and conditional: false writes none; keep one of them", given.name)


def _facts(target: Target) -> Iterator[tuple[str, str]]:
    assert isinstance(target, Replica), "it is of this kind"
    how = (
        f"no write replaces a newer one ({target.version_attribute})"
        if target.conditional
        else "written in batches, without versions"
    )
    ways = ", replicated back too" if target.two_way else ""
    yield "replica", f"{table_in_words(target.table, target.access)}; {how}{ways}"
    yield (
        "view type",
        "NEW_AND_OLD_IMAGES alone, to tell what the other side has written"
        if target.two_way
        else "any; of KEYS_ONLY and OLD_IMAGE the items are read from the table, as they are by then",
    )


REPLICATE: Final = TargetKind(
    "replicate",
    "A table that is kept equal.",
    (TABLE, *BESIDE, VERSION_ATTRIBUTE, CONDITIONAL, TWO_WAY, TOMBSTONES),
    _read,
    _facts,
    note="What is left out of region and address is as for the source, and so are the keys, where the address is the same.",
)
