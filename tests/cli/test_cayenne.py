import json

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.column_type import INT
from support.copies import batch, create, schema_of, work
from support.engines.cayenne import CayenneHarness


@pytest.fixture
def folder(tmp_path):
    harness = CayenneHarness(tmp_path / "data")
    harness.sink.open()
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(schema_of(n=INT), *({"id": f"k{n:02}", "n": n} for n in range(20)))))
    harness.sink.upkeep.settle()
    harness.sink.apply(work(3, batch(schema_of(n=INT), {"id": "\x1b[2J", "n": 1})))
    harness.close()
    return tmp_path / "data"


def run(*arguments):
    return CliRunner().invoke(main, ["cayenne", *map(str, arguments)])


def test_inspect_prints_what_there_is(folder):
    result = run("inspect", folder)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"dataset orders in {folder}"
    assert "live copy (number 1): scanning" in lines
    assert any(line.startswith("21 rows, 0 dead, 2 columns, ") for line in lines)
    (row,) = (line for line in lines if "part-00000001.vortex" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")][1:3] == ["20", "0"]
    assert "id k00 to k19" in row
    assert "\x1b" not in result.stdout


def test_inspect_prints_json_for_programs(folder):
    told = json.loads(run("inspect", folder, "--format", "json").stdout)
    assert (told["dataset"], told["format"]) == ("orders", 1)
    (copy,) = told["copies"]
    assert (copy["rows"], copy["recent"]["rows"], copy["files"][0]["keys"]) == (21, 1, {"id": ["k00", "k19"]})


def test_verify_leaves_with_0_where_all_is_well(folder):
    result = run("verify", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("0 faults: 1 files, ")
    assert result.stdout.endswith(" bytes, 21 live rows\n")


def test_verify_leaves_with_1_and_a_line_for_each_fault(folder):
    (part,) = folder.glob("*.vortex")
    part.write_bytes(b"short")
    result = run("verify", folder)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith(f"{part}: it is damaged: it has 5 bytes, not ")
    assert result.stdout.splitlines()[-1].startswith("1 fault: ")
    told = json.loads(run("verify", folder, "--format", "json").stdout)
    assert told["faults"][0]["where"] == str(part)


def test_a_folder_that_is_none_is_told(tmp_path):
    result = run("inspect", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: there is no metastore.sqlite in {tmp_path}")
