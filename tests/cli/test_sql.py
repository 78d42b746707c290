import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from headrace.cli import main
from headrace.cli.client import Client, Place
from headrace.cli.repl import Repl, history_file
from headrace.cli.session import Format, Session


def sql(server, *arguments, stdin=None):
    return CliRunner().invoke(main, ["sql", "--http", server.url, *arguments], input=stdin)


def ticking():
    """A clock that goes 4 ms further each time it is asked."""
    now = [0.0]

    def clock():
        now[0] += 0.004
        return now[0]

    return clock


def test_a_table_has_the_documents_form_with_arrow_types_in_its_heading(server):
    statement = "select 1::int as a, '{\"x\":2}' as b union all select null, null order by a"
    result = sql(server, "-c", statement)
    assert result.exit_code == 0
    *table, footer = result.stdout.splitlines()
    assert table == [
        "+-----------+----------+",
        "| a (Int32) | b (Utf8) |",
        "+-----------+----------+",
        '| 1         | {"x":2}  |',
        "| NULL      | NULL     |",
        "+-----------+----------+",
    ]
    assert footer.startswith("2 rows (0.")
    assert footer.endswith(" s)")


def test_several_statements_run_in_order_and_the_first_error_ends_them(server):
    result = sql(server, "-c", "select 1 as one; selec; select 3")
    assert result.exit_code == 1
    assert "one (Int32)" in result.stdout
    assert "syntax error" in result.stderr
    assert server.statements == ["select 1 as one", "selec"]


def test_statements_come_from_a_pipe_too(server):
    result = sql(server, "--format", "json", stdin="select 1 as a; -- the end\nselect ';' as b")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [[{"a": 1}], [{"b": ";"}]]


def test_an_empty_pipe_is_wrong_usage(server):
    result = sql(server, stdin=" -- nothing\n;")
    assert result.exit_code == 2
    assert "there is no statement" in result.stderr


def test_csv_is_passed_on_as_it_comes(server):
    result = sql(server, "-c", "select 1 as a, 'x' as b", "--format", "csv")
    assert result.stdout == "a,b\n1,x\n"


def test_outside_a_terminal_no_row_and_no_column_is_cut(server):
    result = sql(server, "-c", "select range as n, repeat('x', 300) as wide from range(2500)")
    assert result.stdout.count("x" * 300) == 2500
    assert "2,500 rows (" in result.stdout


def test_describe_has_the_documents_form_and_show_tables_that_of_every_other_client(server):
    server.database.sql("create or replace table users (id bigint, tags varchar[], m struct(x int))")
    result = sql(server, "-c", "describe users; show tables")
    assert server.statements == ["describe users", "show tables"]
    assert [line.split() for line in result.stdout.splitlines()[:7]] == [
        ["+-------------+------------+-------------+"],
        ["|", "column_name", "|", "data_type", "|", "is_nullable", "|"],
        ["+-------------+------------+-------------+"],
        ["|", "id", "|", "Int64", "|", "YES", "|"],
        ["|", "tags", "|", "List(Utf8)", "|", "YES", "|"],
        ["|", "m", "|", "Struct", "|", "YES", "|"],
        ["+-------------+------------+-------------+"],
    ]
    assert "| users             | true            |" in result.stdout


@pytest.mark.parametrize(
    "statement", ["describe users", "desc users", "show columns from users", "describe from users"]
)
@pytest.mark.parametrize("format_", ["table", "json", "csv"])
def test_every_format_and_every_way_to_ask_gives_the_same_columns(server, statement, format_):
    server.database.sql("create or replace table users (id bigint, m map(varchar, bigint))")
    told = sql(server, "-c", statement, "--format", format_).stdout
    if format_ == "json":
        rows = [list(row.values()) for row in json.loads(told)]
    elif format_ == "csv":
        lines = [line.partition(",") for line in told.splitlines()[1:]]
        rows = [[name, *rest.rsplit(",", 1)] for name, _, rest in lines]
    else:
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines()[3:5]]
    assert rows == [["id", "Int64", "YES"], ["m", "Map(Utf8, Int64)", "YES"]]


def test_a_plan_is_printed_as_the_engine_drew_it(server):
    result = sql(server, "-c", "explain select 42")
    assert "\\n" not in result.stdout
    assert len(result.stdout.splitlines()) > 3


def test_an_answer_that_breaks_off_is_an_error_not_a_shorter_table(server):
    server.cut_off = True
    result = sql(server, "-c", "select * from range(5000)")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "whole Arrow stream" in result.stderr


def test_the_real_command_reads_a_real_pipe(server):
    done = subprocess.run(
        [Path(sys.executable).parent / "headrace", "sql", "--format", "csv"],
        input="select 1 as a;",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HEADRACE_HTTP": server.url},
    )
    assert done.stdout == "a\n1\n"


class Typed:
    """A prompt that is fed keys until they are used up, and what it printed."""

    def __init__(self, server, folder, width=80):
        self.printed = []
        self.history = folder / "state" / "history"
        self.session = Session(
            Client(Place(server.url)), Format.TABLE, self._echo, lambda: width, clock=ticking()
        )

    def _echo(self, text):
        self.printed.append(text.decode() if isinstance(text, bytes) else text)

    def keys(self, *keys):
        with create_pipe_input() as pipe:
            for key in (*keys, "\x04"):
                pipe.send_text(key)
            Repl(self.session, self.history, self._echo, input_=pipe, output=DummyOutput()).run()
        return "".join(self.printed[1:])


def test_a_statement_may_span_lines_until_its_semicolon(server, tmp_path):
    text = Typed(server, tmp_path).keys("select 1 as a,\r", "';' as b\r", ";\r")
    assert server.statements == ["select 1 as a,\n';' as b"]
    assert text.splitlines() == [
        "+-----------+----------+",
        "| a (Int32) | b (Utf8) |",
        "+-----------+----------+",
        "| 1         | ;        |",
        "+-----------+----------+",
        "1 row (0.004 s)",
    ]


def test_a_mistake_is_told_and_the_prompt_goes_on(server, tmp_path):
    text = Typed(server, tmp_path).keys("selec;\r", ".wat\r", ".format xml\r", "select 7 as a;\r")
    assert "Error: Parser Error" in text
    assert "Error: there is no command .wat: .help lists them" in text
    assert "Error: .format wants one of table, json, csv" in text
    assert "| 7 " in text


def test_ctrl_c_gives_up_the_line_and_not_the_prompt(server, tmp_path):
    Typed(server, tmp_path).keys("select 'never", "\x03", "select 2;\r")
    assert server.statements == ["select 2"]


def test_ctrl_d_and_exit_leave(server, tmp_path):
    for leave in ("\x04", ".exit\r", "exit\r", "quit;\r"):
        Typed(server, tmp_path).keys(leave, "select 3;\r")
    assert server.statements == []


def test_commands_help_list_and_change_the_format(server, tmp_path):
    text = Typed(server, tmp_path).keys(".help\r", ".tables\r", ".format json\r", "select 1 as a;\r")
    assert "describe NAME;" in text
    assert "| users             |" in text
    assert text.endswith('[{"a":1}]\n')


def test_history_outlives_the_prompt_and_is_its_owners_alone(server, tmp_path):
    first, second = Typed(server, tmp_path), Typed(server, tmp_path)
    first.keys("select 11;\r")
    second.keys("\x1b[A", "\r")
    assert server.statements == ["select 11", "select 11"]
    assert first.history.stat().st_mode & 0o077 == 0


def test_a_history_that_cannot_be_kept_does_not_keep_anyone_from_asking(server, tmp_path):
    typed = Typed(server, tmp_path)
    (tmp_path / "state").write_text("a file where a folder should be")
    typed.keys("select 5;\r")
    assert server.statements == ["select 5"]
    assert any(text.startswith("History is not kept") for text in typed.printed)


def test_the_history_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HEADRACE_HISTORY", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert history_file() == tmp_path / ".local/state/headrace/sql_history"
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert history_file() == Path("/state/headrace/sql_history")
    monkeypatch.setenv("HEADRACE_HISTORY", "/elsewhere")
    assert history_file() == Path("/elsewhere")


def test_a_terminal_gets_the_first_thousand_rows_and_the_number_of_all(server, tmp_path):
    text = Typed(server, tmp_path).keys("select * from range(12345);\r")
    assert text.count("\n| ") == 1001
    assert text.endswith("12,345 rows (0.004 s); the first 1,000 are shown\n")


def test_a_terminal_too_narrow_for_all_columns_says_how_many_are_left_out(server, tmp_path):
    columns = ", ".join(f"{n} as column_{n}" for n in range(30))
    text = Typed(server, tmp_path, width=60).keys(f"select {columns};\r")
    assert all(len(line) <= 60 for line in text.splitlines()[:-1])
    assert "…" in text
    assert "of 30 columns do not fit" in text
