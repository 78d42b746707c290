"""The two tables of a replication, looked at before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.errors import TableUnusable
from headrace.table_shape import identity_of, keys_of
from headrace.target import Replica
from headrace.targets.replication.mark import origin_of
from headrace.targets.table import Table


@dataclass(frozen=True, slots=True)
class Sides:
    """``origin`` is what marks say of the source; ``keys`` pairs of attribute and type, of both tables."""

    origin: str
    keys: tuple[tuple[str, str], ...]


def looked_at(source: Table, target: Table, replica: Replica) -> Sides:
    """Describe both. Raises the SourceErrors; TableUnusable where the one cannot be the other's replica."""
    ours, theirs = source.describe(), target.describe()
    if ours.get("TableArn") == theirs.get("TableArn") and identity_of(ours) == identity_of(theirs):
        raise TableUnusable(f"{target} is the source itself; name another table, region or account")
    keys, others = keys_of(ours), keys_of(theirs)
    if keys != others:
        raise TableUnusable(
            f"the key of {target} is {_told(others)}, that of {source} is {_told(keys)}; a replica has the same key: "
            "create it with the source's KeySchema"
        )
    if replica.version_attribute in dict(keys):
        raise TableUnusable(
            f"version_attribute {replica.version_attribute} is a part of the key of {target}; name another one"
        )
    return Sides(origin_of(ours), keys)


def images_missing(source: Table, view: str | None) -> TableUnusable:
    """What is wrong with a stream of another view type than a two-way replication needs."""
    update = f"aws dynamodb update-table --table-name {source.name}{source.options} --stream-specification"
    return TableUnusable(
        f"the stream of {source} is {view}; two_way needs NEW_AND_OLD_IMAGES, to tell what a replicator wrote from what others "
        f"did. A stream's view type cannot be changed: turn it off with `{update} StreamEnabled=false`, then on with "
        f"`{update} StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES`"
    )


def _told(keys: tuple[tuple[str, str], ...]) -> str:
    return " and ".join(f"{name} ({tag})" for name, tag in keys)
