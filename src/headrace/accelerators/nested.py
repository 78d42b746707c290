"""Lists, maps and structs of Arrow taken apart and put together again, whatever slice of an array they are."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists as what they hold, one after the other: list ``n`` is ``items`` from ``offsets[n]`` to the next.

    ``missing`` says which are null; these hold nothing. ``items`` of maps are structs of key and value.
    """

    offsets: pa.Int32Array
    items: pa.Array
    missing: pa.BooleanArray

    @classmethod
    def of(cls, values: pa.Array) -> Lists:
        """The parts of an array of lists or maps."""
        if pa.types.is_map(values.type):
            entry = pa.struct([("key", values.type.key_type), ("value", values.type.item_type)])
            values = values.cast(pa.list_(entry))
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        return cls(running_sum(lengths), values.flatten(), values.is_null())

    def of_items(self, items: pa.Array) -> pa.ListArray:
        """Lists of as many other items."""
        return pa.ListArray.from_arrays(self.offsets, items, mask=self.missing)

    def of_entries(self, keys: pa.StringArray, items: pa.Array, type_: pa.MapType) -> pa.MapArray:
        """Maps with as many entries."""
        return pa.MapArray.from_arrays(self.offsets, keys, items, type=type_, mask=self.missing)

    def parents(self) -> pa.Int64Array:
        """Of each item the number of the list that holds it."""
        return pc.list_parent_indices(pa.ListArray.from_arrays(self.offsets, self.items))

    def only(self, kept: pa.BooleanArray) -> Lists:
        """The lists without items that are not ``kept``."""
        before = running_sum(kept.cast(pa.int32()))
        return Lists(before.take(self.offsets), self.items.filter(kept), self.missing)


def running_sum(numbers: pa.Int32Array) -> pa.Int32Array:
    """The sums of the first none, one, two... of them. Raises ArrowInvalid beyond 32 bits."""
    nothing = pa.array([0], pa.int32())
    return pa.concat_arrays([nothing, pc.cumulative_sum(numbers.cast(pa.int64())).cast(pa.int32())])


def entries_of(columns: dict[str, pa.Array], missing: pa.BooleanArray) -> Lists:
    """Rows of a struct as lists of key and value: ``columns`` by name, without nulls, in their order."""
    rows, width = len(missing), len(columns)
    places = pa.arange(0, rows * width)
    column, row = remainder(places, width), pc.divide(places, width)
    values = pa.concat_arrays(list(columns.values()))
    values = values.take(pc.add(pc.multiply(column, rows), row))
    keys = pa.array(list(columns), pa.string()).take(column)
    entries = pa.StructArray.from_arrays([keys, values], names=["key", "value"])
    offsets = pa.arange(0, rows * width + 1, width).cast(pa.int32())
    return Lists(offsets, entries, missing).only(values.is_valid())


def remainder(numbers: pa.Int64Array, divisor: int) -> pa.Int64Array:
    """What is left of each number after division."""
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, divisor), divisor))
