"""A target of a user's own: what it gets, what becomes of what it raises, what is said of one that is wrong."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from headrace.batch import Batch
from headrace.dataset import AwsAccess
from headrace.errors import ConfigError, ConsumerFailed, ConsumerUnavailable, Unavailable
from headrace.fill import Fillable
from headrace.target import CustomTarget
from headrace.target_context import TargetContext
from headrace.targets.opening import open_target
from support.deliveries import ARN, record

PAGE = Path(__file__).parents[2] / "docs" / "targets.md"


def _text(event, number, **images):
    import json

    change = {"SequenceNumber": str(number), "Keys": {"id": {"S": "a"}}, **images}
    return json.dumps({"eventName": event, "dynamodb": change}).encode()


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens the class of a module with this text."""
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    names = iter(f"own_{tmp_path.name}_{number}".replace("-", "_") for number in range(99))

    def open_(text, class_="Own", **params):
        module = next(names)
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(text))
        context = TargetContext(
            "mine", "orders", AwsAccess(), None, None, None, lambda _: None, tmp_path / "events.sqlite"
        )
        return open_target(CustomTarget(f"{module}:{class_}", tmp_path, params), context)

    return open_


def _batch(*records):
    return Batch("mine", ARN, "s1", records, generation=2)


def test_the_class_of_the_page_prints_versions_and_says_which_record_it_cannot_take(opened, capsys):
    (text,) = [
        code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class" in code
    ]
    target = opened(text, "Printer", prefix=">")
    good = record(7, text=_text("MODIFY", 7, NewImage={"id": {"S": "a"}}))
    bad = record(8, text=_text("MODIFY", 8))
    gone = record(9, text=_text("REMOVE", 9))
    batch = _batch(good, bad, gone)
    assert target.consume(batch) == {
        "batchItemFailures": [{"itemIdentifier": "8", "error": "it has no new image"}]
    }
    assert capsys.readouterr().out.splitlines() == [
        f"> {batch.version(good)} MODIFY {good.key}",
        f"> {batch.version(gone)} REMOVE {gone.key}",
    ]
    assert not isinstance(target, Fillable)
    target.close()


RAISING = """
    from headrace.errors import Unavailable

    class Own:
        def __init__(self, context): self.file = context.file("own")
        def consume(self, batch):
            raise {0}
        def begin_fill(self, at): raise {0}
        def fill(self, items): raise {0}
        def end_fill(self): raise {0}
        def lacks(self): raise {0}
        def close(self): pass
"""


@pytest.mark.parametrize(
    ("raises", "becomes", "says"),
    [
        ("KeyError('price')", ConsumerFailed, "'price'"),
        ("Unavailable('not now')", Unavailable, "not now"),
    ],
)
def test_what_it_raises_is_a_failure_unless_it_says_that_it_could_not_try(opened, raises, becomes, says):
    target = opened(RAISING.format(raises))
    assert isinstance(target, Fillable)
    for call in (
        lambda: target.consume(_batch(record(1))),
        lambda: target.begin_fill(1.0),
        lambda: target.fill([]),
        target.end_fill,
        target.lacks,
    ):
        with pytest.raises(becomes, match=says):
            call()
    with pytest.raises(becomes) as failed:
        target.fill([])
    assert str(failed.value) in {"KeyError: 'price'", "not now"}, "of a fill the text is all that is shown"
    assert not issubclass(ConsumerFailed, ConsumerUnavailable)


@pytest.mark.parametrize(
    ("text", "class_", "params", "says"),
    [
        ("import no_such_module", "Own", {}, r"cannot be imported \(ModuleNotFoundError"),
        ("class Other: pass", "Own", {}, "has no class Own"),
        ("Own = 3", "Own", {}, "has no class Own"),
        ("class Own:\n    def __init__(self, context): pass", "Own", {"path": "x"}, "cannot be made with its params"),
        ("class Own:\n    def __init__(self, context): pass", "Own", {}, "has no method consume"),
        (
            "class Own:\n    def __init__(self, context): pass\n    def consume(self, batch): pass",
            "Own", {}, "has no method close",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_class_is_said_at_the_start_with_its_key(opened, text, class_, params, says):
    with pytest.raises(ConfigError, match=says) as refused:
        opened(text, class_, **params)
    assert str(refused.value).startswith("event_source_mappings: mine: target.custom.class: own_")
