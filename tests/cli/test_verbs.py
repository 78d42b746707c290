import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from headrace import __version__
from headrace.cli import VERBS, main
from headrace.errors import HeadraceError

HEAVY = {
    "duckdb",
    "pyarrow",
    "botocore",
    "pydantic",
    "rich",
    "prompt_toolkit",
    "starlette",
    "uvicorn",
    "msgspec",
    "numpy",
    "vortex",
}


def run(*arguments, environ=None):
    return CliRunner().invoke(main, arguments, env=environ or {})


def test_help_lists_every_verb_and_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from headrace.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print('MODULES', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    text, _, modules = done.stdout.partition("MODULES")
    assert all(f"  {verb} " in text for verb in VERBS)
    assert HEAVY.isdisjoint(modules.split())
    assert "click" in modules.split()


def test_asking_for_the_status_waits_for_no_engine(server):
    program = (
        "import sys\n"
        "from headrace.cli import main\n"
        f"main(['status', '--http', {server.url!r}], standalone_mode=False)\n"
        "print('MODULES', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = done.stdout.partition("MODULES")[2].split()
    assert {"duckdb", "pyarrow", "botocore", "pydantic"}.isdisjoint(modules)


def test_the_command_that_is_installed_says_its_version():
    command = Path(sys.executable).parent / "headrace"
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"headrace {__version__}\n"


def test_an_unknown_verb_is_wrong_usage_and_the_nearest_is_suggested():
    result = run("stauts")
    assert result.exit_code == 2
    assert "No such command 'stauts'. Did you mean 'status'?" in result.stderr


def test_an_unknown_flag_is_wrong_usage():
    result = run("status", "--colour")
    assert result.exit_code == 2
    assert "--colour" in result.stderr


@pytest.mark.parametrize("verb", [["sql", "-c", "select 1"], ["status"], ["datasets"], ["refresh", "orders"]])
def test_where_no_runtime_listens_the_message_says_how_to_start_one(verb):
    result = run(*verb, "--http", "127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: no runtime listens at http://127.0.0.1:1: start one with `headrace run`, "
        "or name another with --http URL (or HEADRACE_HTTP)\n"
    )


def test_a_url_that_is_none_is_refused():
    result = run("status", "--http", "ftp://127.0.0.1")
    assert result.exit_code == 1
    assert "write it like http://127.0.0.1:8090" in result.stderr


def test_debugging_shows_where_an_error_arose():
    result = run("--debug", "status", "--http", "127.0.0.1:1")
    assert isinstance(result.exception, HeadraceError)
    result = run("status", "--http", "127.0.0.1:1", environ={"HEADRACE_DEBUG": "1"})
    assert isinstance(result.exception, HeadraceError)


def test_a_real_process_prints_a_message_and_no_traceback():
    command = [Path(sys.executable).parent / "headrace", "status", "--http", "127.0.0.1:1"]
    quiet = subprocess.run(command, capture_output=True, text=True, check=False)
    loud = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "HEADRACE_DEBUG": "1"}
    )
    assert (quiet.returncode, loud.returncode) == (1, 1)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr


def test_status_of_a_ready_runtime_shows_its_datasets_and_leaves_with_0(server):
    result = run("status", "--http", server.url)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1].split() == [
        "|",
        "name",
        "|",
        "status",
        "|",
        "ready",
        "|",
        "live",
        "|",
        "fresh",
        "|",
        "lag_ms",
        "|",
        "rows",
        "|",
        "dead_letters",
        "|",
        "reason",
        "|",
    ]
    assert lines[3].split() == [
        "|",
        "orders",
        "|",
        "Ready",
        "|",
        "yes",
        "|",
        "yes",
        "|",
        "yes",
        "|",
        "140",
        "|",
        "20,000",
        "|",
        "0",
        "|",
        "|",
    ]
    assert lines[-1] == "Ready"


def test_status_tells_what_has_happened_to_columns(server):
    last = {"text": "price: Int64 -> Float64", "at": "2024-01-02T03:04:05.000Z"}
    server.datasets[0] |= {"schema_changes": 3, "last_schema_change": last}
    told = run("status", "--http", server.url).stdout.splitlines()
    assert told[-2] == (
        "orders: 7 columns after 3 schema changes, the last at 2024-01-02T03:04:05.000Z: price: Int64 -> Float64"
    )
    server.datasets[0] |= {"schema_changes": 1, "last_schema_change": last | {"text": "added \x1b[2J (Utf8)"}}
    told = run("status", "--http", server.url).stdout
    assert "7 columns after 1 schema change, the last" in told
    assert "\x1b" not in told


def test_status_tells_which_indexes_wait_for_their_columns(server):
    server.datasets[0] |= {"waiting_indexes": ["(status)", "(customer, created)"]}
    told = run("status", "--http", server.url).stdout.splitlines()
    assert told[-2] == "orders: no item has all columns of these indexes yet: (status); (customer, created)"


def test_status_tells_how_current_the_newest_snapshot_is_and_why_the_next_failed(server):
    newest = {"id": "20240102T030405000Z-1", "current_to": "2024-01-02T03:04:05.000Z", "failure": None}
    server.datasets[0] |= {"snapshot": newest}
    told = run("status", "--http", server.url).stdout
    assert (
        "orders: its snapshot 20240102T030405000Z-1 has the changes up to 2024-01-02T03:04:05.000Z\n" in told
    )
    server.datasets[0] |= {"snapshot": newest | {"failure": "the place is full"}}
    assert "05.000Z; the last try failed: the place is full" in run("status", "--http", server.url).stdout
    server.datasets[0] |= {"snapshot": {"id": None, "current_to": None, "failure": "the place is full"}}
    assert (
        "orders: there is no snapshot yet; the last try failed" in run("status", "--http", server.url).stdout
    )


def test_status_of_a_runtime_that_is_not_ready_says_why_and_leaves_with_3(server):
    server.datasets[0] |= {"ready": False, "status": "Loading", "rows": None, "lag_ms": None}
    server.not_ready = "orders: the Scan is under way"
    result = run("status", environ={"HEADRACE_HTTP": server.url})
    assert result.exit_code == 3
    assert result.stdout.endswith("Not ready: orders: the Scan is under way\n")
    result = run("status", "--format", "json", "--http", server.url)
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert (told["ready"], told["reason"]) == (False, "orders: the Scan is under way")
    assert told["datasets"] == server.datasets


def test_datasets_are_listed_as_a_table_or_as_the_runtimes_own_json(server):
    result = run("datasets", "--http", server.url)
    assert result.stdout.splitlines()[3].split() == [
        "|",
        "orders",
        "|",
        "dynamodb:orders_table",
        "|",
        "duckdb",
        "|",
        "Ready",
        "|",
        "20,000",
        "|",
    ]
    result = run("datasets", "--format", "json", "--http", server.url)
    assert json.loads(result.stdout) == server.datasets


def test_a_datasets_reason_cannot_command_the_terminal(server):
    server.datasets[0]["reason"] = "bad key \x1b[2J"
    assert "\x1b" not in run("status", "--http", server.url).stdout


def test_refresh_passes_on_what_the_runtime_says(server):
    result = run("refresh", "orders", "--http", server.url)
    assert (result.exit_code, result.stdout) == (0, "Dataset refresh triggered for orders.\n")
    assert server.refreshed == [("orders", {})]
    result = run("refresh", "or/ders", "--http", server.url)
    assert result.exit_code == 1
    assert len(server.refreshed) == 1
    result = run("refresh", "users", "--http", server.url)
    assert (result.exit_code, result.stderr) == (1, "Error: no dataset 'users'\n")


def test_refresh_says_how_this_one_is_to_be(server):
    asked = ("--refresh-sql", "SELECT 1", "--refresh-mode", "append", "--refresh-jitter-max", "1s")
    assert run("refresh", "orders", *asked, "--http", server.url).exit_code == 0
    body = {"refresh_sql": "SELECT 1", "refresh_mode": "append", "refresh_jitter_max": "1s"}
    assert server.refreshed == [("orders", body)]


def test_refresh_waits_until_it_is_done_and_fails_with_it(server):
    running = {"refresh": 1, "state": "running", "rows": None, "seconds": None, "reason": None}
    server.outcomes = [running, running | {"state": "done", "rows": 1234, "seconds": 2.5}]
    result = run("refresh", "orders", "--wait", "--http", server.url)
    assert (result.exit_code, result.stdout.splitlines()[1]) == (0, "1,234 rows in 2.5 s")
    server.outcomes = [running | {"state": "failed", "reason": "it failed: no permission"}]
    result = run("refresh", "orders", "--wait", "--http", server.url)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: the refresh of orders is not done: it failed: no permission\n",
    )


def test_a_server_of_another_kind_is_told_apart_from_a_runtime(server):
    server.datasets = {"not": "a list"}
    result = run("datasets", "--http", server.url)
    assert result.exit_code == 1
    assert "is it a Headrace runtime?" in result.stderr
    result = run("status", "--http", server.url + "/elsewhere")
    assert result.exit_code == 1
    assert "Not Found" in result.stderr
