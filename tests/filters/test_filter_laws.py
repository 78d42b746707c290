"""What is compiled says of every record what the plain reading of a pattern says."""

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.event_source_mapping import Pattern
from headrace.filters import Filters
from support import filter_reference as reference

NAMES = ["a", "b", "S"]

SCALARS = st.sampled_from(
    [
        *({"S": text} for text in ("", "x", "xy", "X", "10.0.0.7")),
        *({"N": text} for text in ("1", "1.5", "-2", "12345678901234567890.1")),
        {"BOOL": True},
        {"BOOL": False},
        {"NULL": True},
        {"SS": ["x", "y"]},
        {"SS": ["y", "x"]},
        {"NS": ["1", "2"]},
    ]
)
PAIRS = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from([{"S": "x"}, {"S": "y"}, {"L": [{"S": "x"}]}])
)
LISTS = st.lists(st.one_of(PAIRS.map(lambda pair: {"M": pair}), SCALARS), max_size=3).map(
    lambda elements: {"L": elements}
)
ATTRIBUTES = st.one_of(
    SCALARS,
    LISTS,
    st.dictionaries(st.sampled_from(NAMES), st.one_of(SCALARS, LISTS), max_size=2).map(
        lambda inner: {"M": inner}
    ),
    st.lists(LISTS, max_size=2).map(lambda lists: {"L": lists}),
)
ITEMS = st.dictionaries(st.sampled_from(NAMES), ATTRIBUTES, max_size=2)
RECORDS = st.fixed_dictionaries(
    {
        "eventName": st.sampled_from(["INSERT", "MODIFY", "REMOVE"]),
        "dynamodb": st.fixed_dictionaries(
            {"SizeBytes": st.sampled_from([1, 300, 300.0])}, optional={"NewImage": ITEMS, "OldImage": ITEMS}
        ),
    },
    optional={"userIdentity": st.sampled_from([{"type": "Service"}, None])},
)
# Of no shape that DynamoDB has: arrays within arrays, values where objects should be.
ODD_LEAVES = st.sampled_from(["x", "y", None, True, 1, 1.5])
ODD_OBJECTS = st.dictionaries(st.sampled_from(["a", "b"]), ODD_LEAVES, max_size=2)
ODD_ARRAYS = st.lists(st.one_of(ODD_LEAVES, ODD_OBJECTS, st.lists(ODD_OBJECTS, max_size=2)), max_size=3)
ODD_RECORDS = st.fixed_dictionaries(
    {
        "dynamodb": st.one_of(
            ODD_ARRAYS,
            st.fixed_dictionaries(
                {"NewImage": st.one_of(ODD_ARRAYS, st.dictionaries(st.just("a"), ODD_ARRAYS))}
            ),
        )
    }
)

AWS = st.sampled_from(
    [
        "x",
        "INSERT",
        1,
        300,
        True,
        None,
        {"exists": True},
        {"exists": False},
        {"prefix": "x"},
        {"suffix": "Y"},
        {"prefix": {"equals-ignore-case": "X"}},
        {"suffix": {"equals-ignore-case": "Y"}},
        {"equals-ignore-case": "XY"},
        {"anything-but": ["x", "1"]},
        {"anything-but": "x"},
        {"anything-but": [1, 300]},
        {"numeric": [">", 0, "<=", 1.5]},
        {"numeric": ["=", 300]},
        {"numeric": ["<", 2]},
    ]
)
EXTENDED = st.one_of(
    AWS,
    st.sampled_from(
        [
            {"wildcard": "x*"},
            {"wildcard": "*x*y"},
            {"cidr": "10.0.0.0/8"},
            {"anything-but": {"prefix": ["x", "1"]}},
            {"anything-but": {"suffix": "y"}},
            {"anything-but": {"equals-ignore-case": ["XY"]}},
            {"anything-but": {"wildcard": "*y"}},
            {"numeric": [">", 12345678901234567890]},
        ]
    ),
)
CHANGES = st.sampled_from([True, False, "appears", "disappears"]).map(lambda how: {"changed": how})

OTHER_PATHS = st.sampled_from(
    [
        ("eventName",),
        ("nothing",),
        ("userIdentity", "type"),
        ("dynamodb", "NewImage", "a"),
        ("dynamodb", "NewImage", "a", "L", "M", "a", "S"),
        ("dynamodb", "NewImage", "a", "L", "M", "b", "S"),
        ("dynamodb", "OldImage", "b", "S"),
        ("dynamodb", "NewImage", "a", "a"),
        ("dynamodb", "NewImage", "a", "b"),
    ]
)
PLAIN_PATHS = st.builds(
    lambda root, rest: (root, *rest),
    st.sampled_from(["new", "old"]),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)


def leaf(path, alternatives):
    """``{"a": {"b": [...]}}`` for the path a, b."""
    value = alternatives
    for name in reversed(path):
        value = {name: value}
    return value


def merged(*patterns):
    """All in one; where two say something of one field, the first."""
    one, *rest = patterns
    if not rest:
        return one
    both = dict(merged(*rest))
    for name, value in one.items():
        inner = both.get(name)
        both[name] = merged(value, inner) if isinstance(value, dict) and isinstance(inner, dict) else value
    return both


@st.composite
def cases(draw, records, alternatives, extended_paths=None):
    """A record, and a pattern that mostly says of the fields that it has what they may be."""
    record = draw(records)
    event = reference.event(record) if extended_paths is not None else record
    values = {}
    for path, value, _ in reference.flattened(event):
        if value is None or isinstance(value, str | int | float):
            values.setdefault(path, []).append(value)
    known = st.sampled_from(sorted(values)) if values else OTHER_PATHS
    paths = st.one_of(
        known, known, known, OTHER_PATHS, *([] if extended_paths is None else [extended_paths] * 3)
    )

    def condition():
        path = draw(paths)
        wanted = [alternatives, st.just({"exists": False})]
        if path in values:
            wanted += [st.sampled_from(values[path])] * 2
        if path[0] in ("new", "old"):
            wanted.append(CHANGES)
        return leaf(path, draw(st.lists(st.one_of(wanted), min_size=1, max_size=2)))

    several = [condition() for _ in range(draw(st.integers(1, 4)))]
    if len(several) > 2 and draw(st.booleans()):
        return record, merged({"$or": several[:2]}, *several[2:])
    return record, merged(*several)


def say_the_same(record, pattern, *, extended):
    text = json.dumps(pattern)
    filters = Filters.compiled([Pattern(text, extended)])
    encoded = json.dumps(record).encode()
    expected = reference.passes(text, record, extended=extended)
    assert filters.passes(encoded) is expected
    assert (filters.reasons(encoded) == (None,)) is expected


@settings(max_examples=250, deadline=None)
@given(cases(RECORDS, AWS))
def test_a_compiled_pattern_says_what_its_plain_reading_says(case):
    say_the_same(*case, extended=False)


@settings(max_examples=350, deadline=None)
@given(cases(RECORDS, EXTENDED, PLAIN_PATHS))
def test_an_extended_pattern_says_what_its_plain_reading_says(case):
    say_the_same(*case, extended=True)


@settings(max_examples=250, deadline=None)
@given(cases(ODD_RECORDS, AWS))
def test_arrays_and_values_in_odd_places_are_crushed_alike(case):
    say_the_same(*case, extended=False)


@settings(max_examples=60, deadline=None)
@given(st.lists(cases(RECORDS, AWS), min_size=2, max_size=3))
def test_several_patterns_are_alternatives(several):
    (record, _), *_ = several
    texts = [json.dumps(pattern) for _, pattern in several]
    filters = Filters.compiled([Pattern(text) for text in texts])
    assert filters.passes(json.dumps(record).encode()) is any(
        reference.passes(text, record) for text in texts
    )


def test_the_reference_knows_numbers_to_the_last_digit():
    assert reference.compared(">", 12345678901234567890, Decimal("12345678901234567890.1"))
