import subprocess
import sys
from pathlib import Path

import pytest

from headrace.config import STARTER
from headrace.config.acceleration import ACCELERATION
from headrace.config.connector import CONNECTOR
from headrace.config.document_parameters import configuration_page
from headrace.config.model import MODELS, spellings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_what_the_tables_say():
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), (
        "run: .venv/bin/python -m headrace.config.document_parameters > docs/configuration.md"
    )


def test_every_key_is_on_the_page():
    page = configuration_page()
    names = {name for parameter in (*CONNECTOR, *ACCELERATION) for name in parameter.names}
    names |= {key for model in MODELS.values() for key in spellings(model)}
    # A secret store's keys are Spice's; the page only says that stores are the environment.
    names -= {"from", "name", "description", "params"}
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


def test_every_row_of_the_page_has_four_cells():
    rows = [line for line in configuration_page().splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}


def test_the_module_prints_the_page():
    command = [sys.executable, "-m", "headrace.config.document_parameters"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout == configuration_page()


def test_the_starter_is_valid_and_loads(folder):
    pod = folder.load(STARTER)
    (dataset,) = pod.datasets
    assert dataset.unbuilt == pod.unbuilt == pod.warnings == ()
    assert dataset.acceleration.path == folder.path / ".headrace" / "data" / "orders.duckdb"


def test_the_starters_commented_lines_are_valid_too(folder):
    uncommented = (
        STARTER.replace("# aws_", "aws_").replace("# endpoint", "endpoint").replace("# ready", "ready")
    )
    assert uncommented != STARTER
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    (dataset,) = folder.load(uncommented, environ).datasets
    assert dataset.access.endpoint_url == "http://127.0.0.1:8000"
    assert dataset.access.access_key_id.reveal() == "a"


@pytest.mark.parametrize("heavy", ["pydantic", "ruamel", "duckdb", "botocore", "pyarrow"])
def test_importing_the_room_loads_nothing_heavy(heavy):
    program = f"import sys, headrace.config; sys.exit('{heavy}' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_room_says_what_it_does_not_have():
    import headrace.config

    with pytest.raises(AttributeError, match=r"^module 'headrace\.config' has no attribute 'load'$"):
        headrace.config.__getattr__("load")
