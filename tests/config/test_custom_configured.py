"""``target.custom``, as a Spicepod gives it."""

import json

import pytest

from headrace.config import load_pod
from headrace.config.description import describe
from headrace.dataset import Secret
from headrace.errors import ConfigError
from headrace.target import CustomTarget


def _load(folder, custom, **environ):
    mapping = {"name": "own", "from": "dynamodb:orders", "target": {"custom": custom}}
    (folder / "spicepod.yaml").write_text(json.dumps({"event_source_mappings": [mapping]}))
    return load_pod(folder, environ, folder)


def test_params_are_what_they_are_with_references_replaced(tmp_path):
    (tmp_path / "mine.py").write_text("")
    params = {"path": "x.sqlite", "many": ["1", "${secrets:token}"], "deep": {"a": "b"}, "none": None}
    pod = _load(tmp_path, {"class": "mine:Own", "params": params}, TOKEN="t0ken")
    (mapping,) = pod.mappings
    assert mapping.consumer == CustomTarget(
        "mine:Own",
        tmp_path,
        {"path": "x.sqlite", "many": ["1", "t0ken"], "deep": {"a": "b"}, "none": None},
        (Secret("t0ken"),),
    )
    assert mapping.consumer_name == "custom:mine:Own"
    assert pod.warnings == ()
    assert f"mine:Own from {tmp_path}, with deep, many, none, path" in describe(pod)
    assert "t0ken" not in describe(pod)
    assert "t0ken" not in repr(mapping)


def test_a_module_that_is_not_there_yet_is_warned_of(tmp_path):
    (warning,) = _load(tmp_path, {"class": "mine:Own"}).warnings
    assert f"there is no module mine in {tmp_path}" in warning


@pytest.mark.parametrize(
    ("custom", "words"),
    [
        ({}, "custom: names no class; write custom: {class: MODULE:CLASS}"),
        ("mine:Own", "custom: expected keys and values"),
        ({"class": "mine.Own"}, "custom.class: 'mine.Own' is no class; write MODULE:CLASS"),
        ({"clas": "mine:Own"}, "custom.clas: there is no such key; did you mean 'class'?"),
        ({"class": "mine:Own", "params": ["a"]}, "custom.params: expected keys and values"),
        ({"class": "mine:Own", "params": {"a": "${secrets:no}"}}, "custom.params.a: "),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tmp_path, custom, words):
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, custom)
    assert words in str(refused.value)
