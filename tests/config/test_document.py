import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config.document import parse_document, read_document
from headrace.config.problem import Place
from headrace.errors import ConfigError


def refusal(text):
    with pytest.raises(ConfigError) as refused:
        parse_document(text, "pod.yaml")
    return str(refused.value)


def test_scalars_are_their_source_text():
    text = "a: 2006-01-02 15:04:05\nb: 0123\nc: yes\nd: 1e3\ne: 1_000\nf: 0x1F\ng: true\nh: '~'\ni: .inf\nj: 12:30:45\n"
    assert parse_document(text, "pod.yaml").data == {
        "a": "2006-01-02 15:04:05",
        "b": "0123",
        "c": "yes",
        "d": "1e3",
        "e": "1_000",
        "f": "0x1F",
        "g": "true",
        "h": "~",
        "i": ".inf",
        "j": "12:30:45",
    }


@given(st.from_regex(r"[A-Za-z0-9.+_-]{1,12}", fullmatch=True))
def test_whatever_a_yaml_reader_would_make_of_it_text_stays_text(word):
    data = parse_document(f"params:\n  key: x{word}\n  other: '{word}'\n", "pod.yaml").data
    assert data == {"params": {"key": f"x{word}", "other": word}}


def test_an_empty_value_is_none_and_so_is_null():
    assert parse_document("a:\nb: null\nc: ~\nd: ''\n", "pod.yaml").data == {
        "a": None,
        "b": None,
        "c": None,
        "d": "",
    }


def test_an_empty_document_is_none():
    assert parse_document("", "pod.yaml").data is None
    assert parse_document("# nothing\n", "pod.yaml").data is None


def test_every_key_and_value_has_its_line_and_column():
    document = parse_document("a: 1\nb:\n  - c: 2\n    d: [3, 4]\n", "pod.yaml")
    assert document.key_place(("a",)) == Place(1, 1)
    assert document.value_place(("a",)) == Place(1, 4)
    assert document.value_place(("b",)) == Place(3, 3)
    assert document.key_place(("b", 0, "d")) == Place(4, 5)
    assert document.value_place(("b", 0, "d", 1)) == Place(4, 12)


def test_a_missing_or_empty_value_is_placed_at_what_holds_it():
    document = parse_document("a:\nb:\n  c: 1\n", "pod.yaml")
    assert document.value_place(("a",)) == Place(1, 1)
    assert document.value_place(("b", "missing", "deeper")) == Place(3, 3)
    assert document.value_place(("nowhere",)) == Place(1, 1)


def test_a_merge_key_brings_in_what_the_mapping_does_not_have():
    text = "base: &base {a: 1, b: 2}\nuse:\n  b: 3\n  <<: *base\n"
    document = parse_document(text, "pod.yaml")
    assert document.data == {"base": {"a": "1", "b": "2"}, "use": {"b": "3", "a": "1"}}
    assert document.value_place(("use", "b")) == Place(3, 6)
    assert document.value_place(("use", "a")) == Place(1, 17)


def test_the_earlier_of_several_merged_mappings_wins():
    text = "x: &x {a: 1}\ny: &y {a: 2, b: 2}\nuse:\n  <<: [*x, *y]\n"
    assert parse_document(text, "pod.yaml").at(("use",)) == {"a": "1", "b": "2"}


def test_a_document_shows_no_values_of_its_own():
    assert "hunter2" not in repr(parse_document("password: hunter2\n", "pod.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            "pod.yaml:3:1: a: the key 'a' is given twice, first at line 1, column 1; keep one",
        ),
        (
            "x:\n  - a: 1\n    a: 2\n",
            "pod.yaml:3:5: x[0].a: the key 'a' is given twice, first at line 2, column 5; keep one",
        ),
        (
            "a: b: c\n",
            (
                "pod.yaml:1:5: YAML syntax: ': ' makes no key here; check the indentation, and quote text that "
                "holds ': '"
            ),
        ),
        ("a:\n\tb: 1\n", "pod.yaml:2:1: YAML syntax: a tab cannot indent; use spaces"),
        ("a: 'x\n\n", "pod.yaml:1:4: YAML syntax: a quote or bracket that is opened here is not closed"),
        (
            "a: [1\nb: 2\n",
            (
                "pod.yaml:2:2: YAML syntax: expected ',' or ']', but got ':'; check the indentation, quotes and "
                "brackets around here"
            ),
        ),
        (
            "- a\nb: 1\n",
            (
                "pod.yaml:2:1: YAML syntax: expected <block end>, but found '?'; check the indentation, quotes and "
                "brackets around here"
            ),
        ),
        (
            "a: `b`\n",
            (
                "pod.yaml:1:4: YAML syntax: found character '`' that cannot start any token; check the indentation, "
                "quotes and brackets around here"
            ),
        ),
        (
            "a: *hunter2\n",
            (
                "pod.yaml:1:4: YAML syntax: '*' names an anchor that is not defined above; quote the value if it is "
                "text"
            ),
        ),
        (
            "a: !hunter!2 x\n",
            "pod.yaml:1:4: YAML syntax: '!' starts a tag that is not defined; quote the value if it is text",
        ),
        (
            "a: !secret x\n",
            "pod.yaml:1:4: a: tags ('!...') are not part of a Spicepod; quote the value if it is text",
        ),
        (
            "a: 1\n---\nb: 2\n",
            (
                "pod.yaml:2:1: YAML syntax: a second document starts here; a Spicepod is one document, without '---' "
                "inside"
            ),
        ),
        ("a: x\x07y\n", "pod.yaml:1:5: YAML syntax: a control character, which YAML text cannot hold"),
        (
            'a: "\\ud83d\\ude00"\n',
            "pod.yaml:1:4: a: an escape such as '\\ud800' is half a character; write the character itself",
        ),
        (
            'a: {"\\ud800": 1}\n',
            "pod.yaml:1:5: a: an escape such as '\\ud800' is half a character; write the character itself",
        ),
        ("? [a]\n: b\n", "pod.yaml:1:3: a key must be text"),
        ("a: &a [*a]\n", "pod.yaml:1:4: a[0]: the value contains itself through an alias"),
        ("a: &a\n  <<: *a\n", "pod.yaml:2:3: a['<<']: the value contains itself"),
        ("b: &b [1]\na:\n  <<: *b\n", "pod.yaml:3:3: a['<<']: '<<' merges mappings only"),
    ],
)
def test_what_yaml_cannot_say_is_refused_at_its_place(text, message):
    assert refusal(text) == message


def test_aliases_cannot_multiply_a_small_file_into_a_huge_one():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "more than 100000 values; aliases multiply them" in refusal("\n".join(levels))


def test_a_document_nested_beyond_reason_is_refused():
    assert refusal("[" * 20_000) == "pod.yaml:1:1: the document is nested too deeply to be a Spicepod"


def test_a_file_that_is_not_utf_8_is_refused_at_the_byte(tmp_path):
    (tmp_path / "pod.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"^pod\.yaml:2:7: the file is not UTF-8 text; save it as UTF-8$"):
        read_document(tmp_path / "pod.yaml", "pod.yaml")


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    (tmp_path / "pod.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(tmp_path / "pod.yaml", "pod.yaml").data == {"a": "1"}
