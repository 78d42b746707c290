"""docs/query.md, walked through from top to bottom: every command and every program on it, against the real process."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.process import environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "query.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [
    command
    for language, block in BLOCKS
    for command in (re.split(r"(?<!\\)\n", block.strip()) if language == "sh" else [block])
]
BACKGROUND = ("headrace local", "headrace run", "export ", "python examples/")
"""What the fixture does, so that every port is a free one."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Runs what stands on the page, for the addresses of a world that was prepared as the page says."""
    import time

    from support.process import HeadraceProcess

    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copy(folder / "examples" / "query.yaml", folder / "spicepod.yaml")
    with SimulatorServer(Simulator(time.time), "127.0.0.1", 0) as server:
        region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        env = environment(AWS_ENDPOINT_URL=server.url, **region)
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"

        def run(*command):
            return subprocess.run(
                command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
            )

        made = run(sys.executable, "examples/query_tables.py")
        assert made.returncode == 0, made.stderr
        process = HeadraceProcess(folder, env=env)
        try:
            process.until_ready()
            http, flight = (re.sub(r"^\w+://", "", url) for url in (process.url, process.flight_url))

            def follow(command):
                text = command.replace("127.0.0.1:8090", http).replace("127.0.0.1:50051", flight)
                if "import " in text:
                    return run(sys.executable, "-W", "error", "-c", text)
                asked = re.sub(r"^headrace sql", f"headrace sql --http http://{http}", text)
                return run("sh", "-c", asked.replace("curl ", "curl --silent --show-error --fail "))

            yield follow
        finally:
            process.kill()


def test_what_prepares_the_page_is_what_the_tests_prepare():
    assert [command.split(" ")[0:2] for command in COMMANDS if command.startswith(BACKGROUND)] == [
        ["headrace", "local"],
        ["export", "AWS_ENDPOINT_URL=http://127.0.0.1:8000"],
        ["export", "AWS_ACCESS_KEY_ID=local"],
        ["python", "examples/query_tables.py"],
        ["headrace", "run"],
    ]


@pytest.mark.parametrize(
    "command", [one for one in COMMANDS if not one.startswith(BACKGROUND) and one != "headrace sql"]
)
def test_a_reader_gets_an_answer(reader, command):
    done = reader(command)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.strip()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT since FROM customers WHERE id = 'ada'", "DynamoDB Query: id = "),
        ("SELECT id FROM customers WHERE city = 'London'", "DynamoDB Query of index by-city: city = "),
        ("SELECT count(*) FROM customers WHERE city = 'London'", "counted by DynamoDB"),
        (
            "SELECT c.city FROM orders o JOIN customers c ON c.id = o.customer",
            "DynamoDB BatchGetItem",
        ),
        ("SELECT 1 FROM customers WHERE id = 'a' AND id = 'b'", "no request to DynamoDB"),
    ],
)
def test_what_the_table_says_is_what_explain_tells(reader, statement, told):
    assert told in reader(f'headrace sql --format csv -c "EXPLAIN {statement}"').stdout
