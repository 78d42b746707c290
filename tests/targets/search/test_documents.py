"""Items become documents, keys ids: no two keys share one, and a document tells the key that it is of."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.attribute import BrokenValue
from headrace.targets.search.definition import definition_of, owner_of
from headrace.targets.search.documents import LONGEST_ID, Documents, differing, digest, document_of

TEXTS = st.text(
    st.sampled_from("ab|\\~é") | st.characters(codec="utf-8"), min_size=1, max_size=6
) | st.sampled_from(["k" * 600, "k" * 601, "sha256~x", "|", "\\", "\\|", "a\nb"])
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000).map(
    str
)
BYTES = st.binary(min_size=1, max_size=4).map(lambda data: base64.b64encode(data).decode())
VALUES = {"S": TEXTS, "N": NUMBERS, "B": BYTES}
TAGS = st.lists(st.sampled_from("SNB"), min_size=1, max_size=2)


def image(**values):
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in values.items()}


@st.composite
def keyed(draw):
    tags = draw(TAGS)
    names = ("p", "s")[: len(tags)]
    keys = [
        image(**{name: {tag: draw(VALUES[tag])} for name, tag in zip(names, tags, strict=True)})
        for _ in range(2)
    ]
    return Documents(tuple(zip(names, tags, strict=True))), keys


@given(keyed())
def test_two_keys_share_an_id_only_if_they_are_one(drawn):
    documents, (one, other) = drawn
    same = documents.key_of(one) == documents.key_of(other)
    assert (documents.id_of(one) == documents.id_of(other)) is same
    assert 0 < len(documents.id_of(one).encode()) <= LONGEST_ID


@given(keyed())
def test_a_document_tells_the_key_that_it_is_of(drawn):
    documents, (one, other) = drawn
    id_ = documents.id_of(one)
    found = documents.key_for(id_, document_of(one))
    assert found is not None
    assert documents.key_of(found) == documents.key_of(one)
    # One that holds something else is of its id's key, if that is not a digest.
    found = documents.key_for(id_, document_of(other))
    if not id_.startswith("sha256~"):
        assert found is not None
        assert documents.key_of(found) == documents.key_of(one)


def test_ids_are_what_people_can_read():
    one, two = Documents((("p", "S"),)), Documents((("p", "S"), ("s", "N")))
    assert one.id_of(image(p={"S": "a|b\\"})) == "a|b\\"
    assert two.id_of(image(p={"S": "a|b\\"}, s={"N": "1.50"})) == "a\\|b\\\\|1.5"


@pytest.mark.parametrize("id_", ["a", "a|x", "a|1.50", "a\\x|1", "sha256~abc|1"])
def test_an_id_of_no_key_is_of_none(id_):
    assert Documents((("p", "S"), ("s", "N"))).key_for(id_, b"{}") is None


def test_an_item_without_its_key_is_broken():
    with pytest.raises(BrokenValue, match="no p of type S"):
        Documents((("p", "S"),)).id_of(image(p={"N": "1"}))


def test_equal_documents_have_one_digest_however_numbers_are_written():
    assert digest(b'{"n":1.50,"l":[10,{"a":null}]}') == digest(b'{"l": [1e1, {"a": null}], "n": 1.5}')
    for other in (b'{"n":"1.5"}', b'{"n":1.51}', b'{"n":[1.5]}', b'{"n":1.5,"m":null}', b'{"n":1e999}'):
        assert digest(b'{"n":1.5}') != digest(other)


def test_what_differs_is_named():
    ours = b'{"a":1.0,"b":"x","c":[1,2],"d":true}'
    assert differing(ours, b'{"a":1,"b":"y","c":[2,1],"e":null}') == ("b", "c", "d", "e")
    assert differing(ours, ours) == ()


def test_what_the_user_says_goes_over_what_headrace_does():
    own = {
        "settings": {"number_of_shards": 2},
        "mappings": {
            "dynamic": "strict",
            "date_detection": True,
            "properties": {"id": {"type": "text"}, "at": {"type": "date"}},
            "dynamic_templates": [{"own": {}}],
            "_meta": {"team": "shop", "headrace": {"table": "forged"}},
        },
    }
    made = definition_of("arn", [("id", "N")], own)
    mappings = made["mappings"]
    assert made["settings"] == {"number_of_shards": 2}
    assert (mappings["dynamic"], mappings["date_detection"]) == ("strict", True)
    assert mappings["properties"] == {"id": {"type": "text"}, "at": {"type": "date"}}
    assert [next(iter(each)) for each in mappings["dynamic_templates"]] == [
        "own",
        "headrace_integers",
        "headrace_decimals",
    ]
    assert (mappings["_meta"]["team"], owner_of(mappings)) == ("shop", "arn")
    assert definition_of("arn", [("id", "N")], {})["mappings"]["properties"]["id"] == {
        "type": "keyword",
        "fields": {"number": {"type": "double"}},
    }
    assert owner_of({}) is None
