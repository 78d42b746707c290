"""docs/security.md states the limits that the code has."""

import re
from pathlib import Path

from headrace.limits import QueryLimits
from headrace.query.allow_list import LARGEST_COUNT, MOST_PARTS
from headrace.query.parser import LONGEST
from headrace.query.watch import Bounds
from headrace.serve.requests import BODY_SECONDS, LARGEST_BODY
from headrace.serve.server import LARGEST_HEAD, MOST_CONNECTIONS

PAGE = (Path(__file__).parents[2] / "docs/security.md").read_text()


def test_the_table_of_limits_is_that_of_the_code():
    table = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", PAGE, re.MULTILINE))
    limits, bounds = QueryLimits(), Bounds()
    assert table["a request's head"] == f"{LARGEST_HEAD // 2**10} KiB"
    assert table["a request's body"] == f"{LARGEST_BODY // 2**20} MiB"
    assert table["time for the body to come"] == f"{BODY_SECONDS:g} s"
    assert table["connections"] == f"{MOST_CONNECTIONS:,}"
    assert table["a statement"] == f"{LONGEST:,} characters, {MOST_PARTS:,} queries and joins"
    assert table["statements at once"] == str(limits.places) == str(bounds.places)
    assert f"after {bounds.wait:g} s 503" in PAGE
    assert table["time of the engine for one"] == f"{limits.timeout:g} s" == f"{bounds.timeout:g} s"
    assert table["time between two reads of the client"] == f"{bounds.idle:g} s"
    assert table["one value that a function makes (`repeat`, `lpad`, `range`, ...)"] == f"{LARGEST_COUNT:,}"
