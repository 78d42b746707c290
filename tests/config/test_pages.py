"""The front page and docs/: every whole Spicepod on them is one that is taken."""

import re
import shutil
from pathlib import Path

import pytest

from headrace.config import load_pod
from support.outbox import SECRET

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
ENVIRONMENT = {"ORDERS_WEBHOOK_SECRET": SECRET, "TOKEN": "t"}
WHOLE = re.compile(r"^```yaml\n((?:datasets|event_source_mappings):\n.*?)^```$", re.DOTALL | re.MULTILINE)
SPICEPODS = [
    pytest.param(found.group(1), id=f"{page.stem}-{number}")
    for page in PAGES
    for number, found in enumerate(WHOLE.finditer(page.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("text", SPICEPODS)
def test_a_spicepod_of_a_page_is_taken_as_it_stands(text, tmp_path):
    shutil.copy(ROOT / "examples" / "order_events.py", tmp_path)
    shutil.copy(ROOT / "examples" / "latest_orders.py", tmp_path)
    (tmp_path / "handlers.py").write_text("def on_change(event, context): ...\n", encoding="utf-8")
    (tmp_path / "turnover.sql").write_text("SELECT 1 AS turnover", encoding="utf-8")
    (tmp_path / "spicepod.yaml").write_text(text, encoding="utf-8")
    pod = load_pod(None, ENVIRONMENT, tmp_path)
    assert pod.datasets or pod.mappings
    assert pod.warnings == ()
