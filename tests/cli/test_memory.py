"""A process that asks for more than there is gets an error, and goes on."""

import subprocess
import sys

SCRIPT = """
from headrace.cli import memory
assert memory.memory_of_machine() > 2**20
memory.memory_of_machine = lambda: 2**30
memory.bound_memory()
import duckdb
database = duckdb.connect()
try:
    database.execute("SELECT generate_series(1, 1000000000)").fetchone()
except duckdb.OutOfMemoryException:
    print(database.execute("SELECT 'goes on'").fetchone()[0])
"""


def test_one_value_larger_than_memory_ends_its_statement_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("goes on\n", 0), done.stderr
