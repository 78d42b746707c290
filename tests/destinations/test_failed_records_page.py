"""The page about failures says what the code does."""

import json
import re
from pathlib import Path

from headrace.destinations import document, sqlite
from support.deliveries import failure

PAGE = (Path(__file__).parents[2] / "docs" / "failed-records.md").read_text(encoding="utf-8")


def test_the_document_on_the_page_is_the_one_that_is_sent():
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1]
    given = failure(7)
    made = shown.replace("FAILURE_ID", given.id).replace("REQUEST_ID", document.request_id(given))
    assert json.loads(made) == json.loads(document.whole(given))


def test_the_columns_on_the_page_are_those_of_the_table():
    told = re.search(r"The columns of `headrace_failure` in SQLite: (.*?)\(both JSON\)", PAGE, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", told) == list(sqlite.COLUMNS)
