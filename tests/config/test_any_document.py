"""Whatever a document holds, it is loaded or refused: nothing else escapes."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.config import describe, load_pod
from headrace.config.acceleration import ACCELERATION
from headrace.config.column_types import TYPE_NAMES
from headrace.config.connector import CONNECTOR
from headrace.config.model import MODELS, spellings
from headrace.errors import ConfigError

KEYS = sorted(
    {key for model in MODELS.values() for key in spellings(model)}
    | {name for parameter in (*CONNECTOR, *ACCELERATION) for name in parameter.names}
    | {"(id, version)", "dynamodb_aws_region", "<<", ""}
)
WORDS = [
    "dynamodb:orders",
    "orders",
    "changes",
    "duckdb",
    "file",
    "1s",
    "0",
    "${env:x}",
    "${",
    "true",
    "auto",
    "a\nb",
]
TYPES = [
    *TYPE_NAMES,
    "List(",
    "List()",
    "Map(Utf8)",
    "Map(Int64, Utf8)",
    "Timestamp(Second)",
    "Decimal128(39, 1)",
    "[]",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
COLUMNS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["id", "ID", "at", "rest"])},
        optional={
            "type": st.sampled_from(TYPES) | SCALARS,
            "metadata": st.just({"json_object": "*"}) | VALUES,
        },
    ),
    max_size=3,
)
DATASET = st.fixed_dictionaries(
    {"from": st.just("dynamodb:orders") | VALUES, "name": st.just("orders") | VALUES},
    optional={"params": VALUES, "acceleration": VALUES, "metrics": VALUES, "columns": COLUMNS | VALUES},
)
SPICEPODS = VALUES | st.fixed_dictionaries(
    {"datasets": st.lists(DATASET, max_size=3) | VALUES}, optional={"secrets": VALUES, "runtime": VALUES}
)
LINE = re.compile(r"spicepod\.yaml:[1-9]\d*:[1-9]\d*: ")


def load(folder, text):
    (folder / "spicepod.yaml").write_text(text, encoding="utf-8")
    said = None
    try:
        return load_pod(None, {"X": "1"}, folder)
    except ConfigError as error:
        said = str(error)
    # A value may hold line breaks; every message still starts with its place.
    assert LINE.match(said)
    return None


@settings(deadline=None)
@given(SPICEPODS)
def test_any_value_is_loaded_or_refused_at_a_place(tmp_path_factory, value):
    pod = load(tmp_path_factory.getbasetemp(), json.dumps(value))
    if pod is not None:
        assert describe(pod)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_loaded_or_refused_at_a_place(tmp_path_factory, text):
    load(tmp_path_factory.getbasetemp(), text.encode("utf-8", "replace").decode())


@settings(deadline=None)
@given(st.text(alphabet="a:-[]{}'\"&*!|>%@`#,? \n\t\\", max_size=40))
def test_any_punctuation_is_loaded_or_refused_at_a_place(tmp_path_factory, text):
    load(tmp_path_factory.getbasetemp(), text)
