"""Classes are decoded by whatever thread comes first, and every decoder is made where that is safe."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import headrace
from headrace.decoding import decoded

SOURCES = sorted(Path(headrace.__file__).parent.rglob("*.py"))
MADE_BY_US = "decoding.py"
PLAIN = {"Any", "bool", "dict", "float", "int", "list", "str", "tuple", "None", "Raw", "msgspec"}

# Threads take turns as often as they can, and all of them are the first to meet a class: with msgspec alone this ends in SIGSEGV.
RACE = """
import sys, threading
from dataclasses import make_dataclass
from headrace.decoding import decoded, json_decoder

sys.setswitchinterval(1e-6)
for number in range(100):
    inner = make_dataclass(f"Inner{number}", [("a", "int"), ("b", "str"), ("c", "dict[str, list[int]]")])
    outer = make_dataclass(f"Outer{number}", [("x", "int"), ("inner", inner), ("many", dict[str, inner])])
    together = threading.Barrier(4)
    read = []

    def first(decode):
        together.wait()
        read.append(decode(b'{"x": 1, "inner": {"a": 1, "b": "x", "c": {}}, "many": {}}'))

    kept = lambda text: decoded(text, outer)
    own = lambda text: json_decoder(outer).decode(text)
    threads = [threading.Thread(target=first, args=(decode,)) for decode in (kept, own, kept, own)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 4 and all(one == read[0] for one in read), read
"""


def test_threads_may_be_the_first_to_meet_a_class_together():
    ended = subprocess.run(
        [sys.executable, "-c", RACE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_is_not_of_the_type_is_refused():
    assert decoded(b'{"a": 1}', dict[str, int]) == {"a": 1}
    with pytest.raises(ValueError, match="Expected `int`"):
        decoded(b'{"a": "x"}', dict[str, int])


def makes_a_decoder_of_a_class(call: ast.Call) -> bool:
    """Whether msgspec is asked, on its own, to learn what a class is."""
    called = ast.unparse(call.func)
    if called in ("msgspec.json.Decoder", "msgspec.msgpack.Decoder"):
        given = call.args
    elif called in ("msgspec.json.decode", "msgspec.msgpack.decode"):
        given = [keyword.value for keyword in call.keywords if keyword.arg == "type"]
    elif called == "msgspec.convert":
        given = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
    else:
        return False
    return any(
        isinstance(node, ast.Name) and node.id not in PLAIN for type_ in given for node in ast.walk(type_)
    )


@pytest.mark.parametrize(
    ("source", "makes"),
    [
        ("msgspec.json.Decoder(Answer)", True),
        ("msgspec.json.Decoder()", False),
        ("msgspec.json.decode(body, type=list[Answer])", True),
        ("msgspec.json.decode(body, type=dict[str, msgspec.Raw])", False),
        ("msgspec.convert(found, Answer)", True),
    ],
)
def test_the_search_for_such_calls_finds_them(source, makes):
    assert makes_a_decoder_of_a_class(ast.parse(source, mode="eval").body) is makes


def test_every_decoder_of_a_class_is_made_in_one_place():
    found = [
        f"{path.name}:{node.lineno}"
        for path in SOURCES
        if path.name != MADE_BY_US
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and makes_a_decoder_of_a_class(node)
    ]
    assert found == []
