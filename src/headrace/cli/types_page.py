"""The page of types, made from the types themselves: ``python -m headrace.cli.types_page > docs/types.md``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce

from headrace.column_name import RESERVED_PREFIX, ROW_NUMBER, assign_names
from headrace.column_type import (
    BINARY,
    BOOL,
    EXACT_IN_DOUBLE,
    INT,
    MOST_DIGITS,
    MOST_MEMBERS,
    NULL,
    TEXT,
    ColumnType,
    Digits,
    Kind,
    Times,
    list_of,
    map_of,
    number_type,
    struct_of,
    time_type,
)
from headrace.config.column_types import MOST_SCALE, TYPE_NAMES, read_type
from headrace.schema import UNMAPPED
from headrace.time_text import ISO_8601, layouts_of
from headrace.time_token import ABBREVIATIONS
from headrace.type_name import type_name

SqlType = Callable[[ColumnType], str]
"""The type in which an engine stores a column of a type."""

LAYOUT_PARTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("2006", "06"),
        "the year, of four digits or two (69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068)",
    ),
    (("01", "1", "January", "Jan"), "the month"),
    (("02", "2", "_2"), "the day, with a zero, bare, or with a space"),
    (("002", "__2"), "the day of the year"),
    (("Monday", "Mon"), "the weekday"),
    (("15", "03", "3"), "the hour, of 24 or of 12"),
    (("PM", "pm"), "the half of the day"),
    (("04", "4"), "the minute"),
    (("05", "5"), "the second"),
    ((".000", ",000000", ".000000000"), "a fraction of so many digits, after a point or a comma"),
    ((".999", ",999999", ".999999999"), "the same without zeros at its end, and nothing if it is zero"),
    (("Z07:00", "Z0700", "Z07"), "the zone: `Z` for UTC, else its offset"),
    (("-07:00", "-0700", "-07"), "the offset, of UTC too"),
    (("MST",), "the zone's abbreviation"),
)
"""The parts of Go's reference time that a layout may hold, with what they write."""


def _times(*texts: str) -> ColumnType:
    """The type of a column of these strings."""
    return reduce(ColumnType.join, map(_time, texts))


def _time(text: str) -> ColumnType:
    reading = layouts_of(text, ISO_8601)
    return TEXT if reading is None else time_type(Times(reading.zone, reading.layouts))


def _numbers(*texts: str) -> ColumnType:
    """The type of a column of these numbers."""
    return number_type(reduce(Digits.join, (Digits.of(Decimal(text)) for text in texts)))


_DAY = "2024-05-01T12:00:00"
_MAP = struct_of({"city": TEXT, "zip": INT})
_LARGE = str(EXACT_IN_DOUBLE + 1)

_TYPES: tuple[tuple[str, ColumnType, str], ...] = (
    ("`S`", TEXT, ""),
    ("`S`, each one a time without a zone", _times(_DAY), "[times](#times)"),
    ("`S`, each one a time, all of one zone", _times(f"{_DAY}Z"), "an instant"),
    ("`N`, integers of 64 bits", INT, "[numbers](#numbers)"),
    ("`N`, each given back by a double", _numbers("0.1"), "`0.1` is: its shortest form is `0.1`"),
    (f"`N`, other integers of up to {MOST_DIGITS} digits", _numbers("1" + "0" * 20, _LARGE), ""),
    (
        f"`N`, others of up to {MOST_DIGITS} digits",
        _numbers("12345678901234567.25"),
        "the scale is what they need",
    ),
    ("`N`, others", _numbers("0." + "1" * 30, "7" * 20), "plain digits"),
    ("`BOOL`", BOOL, ""),
    ("`B`", BINARY, ""),
    ("`SS`", list_of(TEXT), ""),
    ("`NS`", list_of(INT), "or what else its numbers are"),
    ("`BS`", list_of(BINARY), ""),
    ("`L`", list_of(TEXT), "[lists](#maps-and-lists)"),
    ("`L` of maps", list_of(_MAP), ""),
    ("`M`", _MAP, "[maps](#maps-and-lists)"),
    (
        f"`M`, of more than {MOST_MEMBERS} names in all",
        map_of(INT),
        "a dictionary, of what all its values are",
    ),
    ("`NULL`, and nothing else", NULL, "null; it is not told from an attribute that is missing"),
)

_JOINS: tuple[tuple[str, tuple[ColumnType, ...]], ...] = (
    ("integers, and numbers such as `0.5`", (INT, _numbers("0.5"))),
    (
        f"an integer beyond 2^53 such as `{_LARGE}`, and numbers such as `0.5`",
        (_numbers(_LARGE), _numbers("0.5")),
    ),
    ("numbers and strings", (INT, TEXT)),
    ("times and other strings", (_times(_DAY), TEXT)),
    ("times in milliseconds and in microseconds", (_times(f"{_DAY}.123Z"), _times(f"{_DAY}.123456Z"))),
    ("times of two zones", (_times(f"{_DAY}Z"), _times(f"{_DAY}+02:00"))),
    ("booleans and numbers", (BOOL, INT)),
    ("lists of texts and sets of numbers", (list_of(TEXT), list_of(INT))),
    ("maps of different members", (_MAP, struct_of({"street": TEXT}))),
    ("maps and dictionaries", (_MAP, map_of(INT))),
    ("maps and strings", (_MAP, TEXT)),
)

_NUMBERS: tuple[tuple[str, ...], ...] = (
    ("1", "-9223372036854775808"),
    ("1", "2.5"),
    ("0.1", "1e-7"),
    ("9223372036854775808", "9007199254740993"),
    ("9007199254740993", "0.25"),
    ("0.10000000000000000001", "1"),
    ("1e40", "1"),
    ("1e40", "9007199254740993"),
)


def types_page(engines: Mapping[str, SqlType]) -> str:
    """The whole page as Markdown, with a column for each of ``engines``."""
    return "\n".join(
        [
            _HEAD,
            _types(engines),
            _STORED,
            _JOINING,
            _joins(),
            _NUMBER_RULES,
            _number_examples(),
            _TIME_RULES,
            _layout_parts(),
            _NESTED,
            _NAMES.format(renamed=assign_names([("Id",), ("id",)])[0]),
            _DECLARED,
            _declared(engines),
            _REST,
        ]
    )


def _types(engines: Mapping[str, SqlType]) -> str:
    rows = [(met, _shown(type_), *_stored(type_, engines), note) for met, type_, note in _TYPES]
    return _table(("DynamoDB", "Arrow", *engines, "Note"), rows)


def _joins() -> str:
    rows = [
        (met, _shown(reduce(ColumnType.join, types)), _shown(reduce(ColumnType.join_member, types)))
        for met, types in _JOINS
    ]
    return _table(("Met in one attribute", "Becomes", "In a member of a map"), rows)


def _number_examples() -> str:
    rows = [(", ".join(f"`{text}`" for text in texts), _shown(_numbers(*texts))) for texts in _NUMBERS]
    return _table(("Numbers of a column", "Become"), rows)


def _layout_parts() -> str:
    rows = [(", ".join(f"`{text}`" for text in texts), what) for texts, what in LAYOUT_PARTS]
    return _table(("Part", "Writes"), rows)


def _declared(engines: Mapping[str, SqlType]) -> str:
    alike: dict[ColumnType, list[str]] = {}
    for name in TYPE_NAMES:
        alike.setdefault(read_type(name, ISO_8601), []).append(f"`{name}`")
    rows = [(", ".join(names), _shown(type_), *_stored(type_, engines)) for type_, names in alike.items()]
    return _table(("Declared", "Arrow", *engines), rows)


def _shown(type_: ColumnType) -> str:
    if type_.kind is Kind.NULL:
        return _shown(TEXT)
    return type_name(type_) + (" (JSON)" if type_.kind is Kind.JSON else "")


def _stored(type_: ColumnType, engines: Mapping[str, SqlType]) -> list[str]:
    return [f"`{sql_type(type_)}`" for sql_type in engines.values()]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells).rstrip() + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines).replace("|  |", "| |") + "\n"


_FAMILY = "\n".join(layout.text for layout in ISO_8601)

_HEAD = """\
# Types

<!-- Written by `python -m headrace.cli.types_page > docs/types.md`; change the code instead. -->

What each DynamoDB type becomes. A column's type is the narrowest that holds every value seen so far. It widens in the
transaction that brings a value which does not fit, and no value is lost by it. The order in which items are seen changes
neither the types nor the values: a copy that is made anew is the same.

The names of types are Arrow's. `DESCRIBE NAME` shows them, and the log and `headrace status` tell when one changes.
"""

_STORED = """\
The columns of engines are what their own tables have, for other programs that read them; queries through Headrace see Arrow's
types with every engine. In SQLite, booleans are 0 and 1, times counts of their column's unit since 1970, decimals their plain
digits, lists, maps and structs JSON. In PostgreSQL, times in nanoseconds are such counts, and texts compare by their bytes.
"""

_JOINING = """\
## Joining

What an attribute becomes whose items do not agree.
"""

_NUMBER_RULES = f"""\
Any other two types become text, or JSON in a member of a map, where `1` is told from `"1"`. A value as text is a string
itself, a number in plain digits, `true` or `false`, binary in base64, a map as a JSON object with its names in order and
without members that are null, a list or a set as a JSON array of its elements' texts. Two spellings of a number, `1.0` and
`1`, are the same number and have the same text.

A partition or sort key is found by equality. So a key of type `S` is text even where it is a time, a key of type `N` is an
integer, a decimal or text, never a double, and `B` is binary.

## Numbers

DynamoDB's numbers have up to {MOST_DIGITS} digits, and exponents beyond those of integers. A column of them becomes the
first of these that gives back each number:

1. Int64, if each is an integer of 64 bits.
2. Float64, if some have a fraction, and each is what its double is written as: the shortest digits that read back as that
   double. Integers up to 2^53 in magnitude are.
3. Decimal128({MOST_DIGITS}, s), if the digits after the point, s, and the digits before it, counted as at least 19 because a
   64-bit integer has so many, are {MOST_DIGITS} or fewer together. Decimal128({MOST_DIGITS}, 0) holds integers.
4. Float64, if each is what its double is written as: integers such as `1e40`.
5. Utf8: the plain digits.

`number_type: decimal` leaves out rules 2 and 4. `number_type: float` makes every column that is not Int64 a Float64, to the
nearest double: the one setting that rounds.
"""

_TIME_RULES = f"""\
## Times

A column of strings becomes one of times if one layout writes all of them: read as a time and written again by that layout,
each string is exactly what it was. Otherwise the column is text. One string that is no time is enough for that, and so is
a second zone: a column has one zone, which its type names.

- Without a zone, a time is what a clock on the wall showed: {type_name(_times(_DAY))}. With `Z`, an offset or an
  abbreviation, it is an instant: {type_name(_times(f"{_DAY}Z"))}, {type_name(_times(f"{_DAY}+02:00"))}. SQL
  and the HTTP API show instants in UTC; `DESCRIBE` names the zone in which they were written.
- The unit is the coarsest that one layout for all of them writes: Millisecond for up to three digits of a fraction,
  Microsecond for up to six, Nanosecond for more. Instants in nanoseconds stay text, because engines keep instants in
  microseconds at best.

`time_format` is one layout. Where it leaves out zeros at a fraction's end (`.999`), the one that writes them (`.000`) is
tried beside it. Without it, these layouts of ISO 8601 are tried:

```
{_FAMILY}
```

A layout is written as in Go: it shows how the reference time, Mon Jan 2 15:04:05 MST 2006, would be written. It needs a
year and a day; hours, minutes and seconds that it lacks are zero. An abbreviation is one of these, for the offsets of others
are not certain: {", ".join(ABBREVIATIONS)}. All else in a layout stands for itself.
"""

_NESTED = f"""\
## Maps and lists

A map becomes a struct with a member for each name that any item had; members have types, and widen, as columns do. A member
that is null is not told from one that is missing. Once more than {MOST_MEMBERS} different names were seen in one attribute, its
maps were dictionaries, whose names are data, and the column becomes Map(Utf8, T), with T what all values are together.

`unnest_depth: N` makes columns of maps instead: N levels of them, named `a.b`. A map that is deeper is JSON text, with
all that it holds, numbers as they were written and nulls; with `unnest_depth: 0`, every map is.

A list is a list of text, whatever it holds: its elements as their texts, null as null. A list of maps is a list of structs.
With `list_type: typed`, a list is of the narrowest type that holds all elements of all items. Sets always are.
"""

_NAMES = f"""\
## Names

A column has its attribute's name, one from a flattened map its path: `b.x`. Two names that differ only in case are one in
SQL, and names that are empty, hold a NUL, are `{ROW_NUMBER}` or begin with `{RESERVED_PREFIX}` cannot be had. Of attributes that want one name,
the key goes first, then declared columns, then shorter paths, then small letters before capital ones. The others get a
checksum of their exact name: beside `id`, `Id` is called `{{renamed}}`. So the names follow from the attributes alone, and a
new one may rename another; that is told like a new type.
"""

_DECLARED = f"""\
## Declared columns

A column that the Spicepod lists under `columns:` is there from the start, under that name. Without a type it follows its
values like any other. With one, it never widens: what it does not hold goes, as JSON, to `{UNMAPPED}` or to the column of
`json_object`, and the column is null there.

A declared decimal has up to {MOST_SCALE} digits after the point, and before it what {MOST_DIGITS} leave. A declared timestamp
holds strings that a layout of the dataset writes in its unit and its zone; without a unit, in the coarsest that there is.
Utf8 holds every value as its text, JSON every value as JSON.
"""

_REST = f"""\
A key keeps its own type, whatever is declared for it.

## Frozen columns

With `schema_evolution: freeze`, the columns are those of a sample of `schema_infer_max_records` items, taken from all over
the table, beside the key and the declared ones; they neither widen nor grow in number. A column in which the sample had
only nulls is text. What has no place goes to `{UNMAPPED}`, one JSON object of attributes for each row, or null. There, values
are complete: numbers as they were written, sets as arrays, binary in base64.

## One column for all else

`metadata: {{json_object: '*'}}` makes one declared column that object: of every attribute but the key's and those declared.
Nothing is added beside it, so the columns never change. Of maps, the object holds all that items do.

## Changed settings

A restart with other settings of this page (`time_format`, `unnest_depth`, `list_type`, `number_type`, `schema_evolution`,
`columns`) copies the table anew, because rows that do not change any more would keep the columns that they had. The log says
`reinitialized` with the reason. Until the new copy is complete, queries are answered as after a gap: by the old copy with
`lag_exceeds_shard_retention_behavior: ready_before_load`, else not yet.

## How values look

Arrow answers have the types of this page. What JSON and CSV make of them is in [http.md](http.md#formats-of-v1sql).
"""


def engines() -> dict[str, SqlType]:
    """Every engine that is built, with its types."""
    from headrace.accelerators.duckdb import casts
    from headrace.accelerators.postgres import column_forms
    from headrace.accelerators.sqlite import storage

    return {
        "DuckDB": lambda type_: casts.sql_type(type_.arrow()),
        "SQLite": storage.sql_type,
        "PostgreSQL": lambda type_: column_forms.sql_type(type_.arrow()),
    }


if __name__ == "__main__":
    sys.stdout.write(types_page(engines()))
