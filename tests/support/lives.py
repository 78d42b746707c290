"""Any life of a dataset: sequences of works on both copies, and the engine that says what they leave."""

from __future__ import annotations

from contextlib import contextmanager
from functools import reduce
from unittest import mock

from hypothesis import strategies as st

from headrace import column_type
from headrace.accelerator import Notes, Target
from headrace.column_type import NULL, ColumnType
from support.copies import batch, checkpoint, create, schema_of, work
from support.engines import harness_of
from support.typed_values import VALUES, in_column, type_of


@contextmanager
def few_members():
    """Maps become dictionaries at four members: often enough to come up."""
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        yield


@st.composite
def batches(draw, holding, *, deletions=True, mark=""):
    attributes = draw(st.lists(st.sampled_from(["u", "v", "w", "W", "rowid"]), max_size=3, unique=True))
    items, deleted = [], []
    for key in draw(st.lists(st.sampled_from("abcdef"), max_size=6)):
        gone = deletions and draw(st.integers(0, 4)) == 0
        items.append(
            {"id": key + mark} | {one: None if gone else holding(draw(VALUES)) for one in attributes}
        )
        deleted.append(gone)
    types = {one: reduce(ColumnType.join, (type_of(item[one]) for item in items), NULL) for one in attributes}
    schema = schema_of(**types)
    rows = [
        {"id": item["id"]}
        | {schema.column(one).name: in_column(item[one], type_) for one, type_ in types.items()}
        for item in items
    ]
    return batch(schema, *rows, deleted=deleted if any(deleted) or draw(st.booleans()) else None)


@st.composite
def works(draw, holding):
    """A life of two copies: a live one and one that is built aside, changed and swapped in.

    ``holding`` takes out of a value what the engine refuses.
    """
    plan = [create(0)]
    scanned = {Target.LIVE: 0}
    for mark in range(1, draw(st.integers(2, 8))):
        target = draw(st.sampled_from(Target))
        if target not in scanned or draw(st.integers(0, 5)) == 0:
            plan.append(create(mark, target=target))
            scanned[target] = 0
            continue
        # Pages that continue the Scan exactly take the short way: each key is at one place of a Scan.
        exact = draw(st.booleans())
        pages = draw(
            st.lists(batches(holding, deletions=False, mark=f"-{mark}" if exact else ""), max_size=2)
        )
        scanned[target] += sum(page.count for page in pages) + (0 if exact else 1)
        swapped = target is Target.BUILDING and draw(st.booleans())
        plan.append(
            work(
                mark,
                *draw(st.lists(batches(holding), max_size=2)),
                target=target,
                checkpoint=checkpoint(mark, rows_scanned=scanned[target], cursor=str(mark)),
                scan=tuple(pages),
                scanning=draw(st.booleans()),
                notes=draw(st.sampled_from(Notes)),
                swap=swapped,
            )
        )
        if swapped:
            scanned[Target.LIVE] = scanned.pop(Target.BUILDING)
        elif draw(st.integers(0, 3)) == 0:
            plan.append(plan[-1])
    return plan


def agree(real, plan, between=lambda: None):
    """``real`` does what plain dictionaries do, whatever ``between`` does after each work."""
    plain = harness_of("memory", None)
    if real.sink.open().building is not None:
        real.sink.apply(work(0, target=Target.BUILDING, swap=True))
    for one in plan:
        assert real.sink.apply(one) == plain.sink.apply(one)
        between()
        assert real.sink.open() == plain.sink.open()
        assert real.live() == plain.live()
        assert real.building() == plain.building()
