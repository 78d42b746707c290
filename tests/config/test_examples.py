from pathlib import Path

import pytest

from headrace.config import load_pod
from support.outbox import SECRET

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_does_everything_that_it_shows(path, tmp_path):
    pod = load_pod(path, {"PG_PASS": "hunter2", "ORDERS_WEBHOOK_SECRET": SECRET}, tmp_path)
    assert pod.datasets or pod.mappings
    assert pod.warnings == ()
    for dataset in pod.datasets:
        assert dataset.unbuilt == ()
