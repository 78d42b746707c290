"""A dataset's folder when it is opened, and datasets of several engines side by side."""

from __future__ import annotations

import random
from unittest import mock

import pytest
import vortex

from headrace.accelerators.engines import Engines
from headrace.column_type import INT, TEXT
from headrace.dataset import Acceleration, CayenneFiles, Compression, Dataset, Engine, Mode
from headrace.errors import AcceleratorError
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.copies import batch, create, schema_of, work
from support.engines.cayenne import CayenneHarness

ORDERS = schema_of(n=INT, text=TEXT)


@pytest.fixture
def copy(tmp_path):
    """Two files, of two rows and of one."""
    harness = CayenneHarness(tmp_path / "data")
    sink = harness.sink
    sink.open()
    sink.apply(create(1))
    for mark, rows in enumerate(([{"id": "a", "n": 1}, {"id": "b", "n": 2}], [{"id": "c", "n": 3}]), 2):
        sink.apply(work(mark, batch(ORDERS, *rows)))
        sink.upkeep.settle()
    yield harness
    harness.close()


def names(copy):
    return sorted(path.name for path in copy.path.parent.glob("part-*"))


def test_files_that_nobody_names_are_removed_when_the_dataset_is_opened(copy):
    copy.close()
    named = names(copy)
    for name in ("part-00000009.vortex", "part-00000009.keys", "part-00000010.vortex"):
        (copy.path.parent / name).write_bytes(b"half a file")
    copy.restart()
    assert len(copy.live()) == 3
    assert names(copy) == named


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x40
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["part-00000002.vortex", "part-00000002.keys"])
@pytest.mark.parametrize("harm", [cut, flip, lambda path: path.unlink()], ids=["cut", "flipped", "gone"])
def test_a_file_that_is_damaged_is_refused_by_name_before_vortex_sees_it(copy, name, harm):
    copy.close()
    path = copy.path.parent / name
    harm(path)
    copy.restart()
    with (
        mock.patch.object(vortex, "open", side_effect=AssertionError("Vortex was to read it")),
        pytest.raises(AcceleratorError) as told,
    ):
        copy.sink.open()
    assert str(path) in str(told.value)
    assert "delete the dataset's folder to copy the table anew" in str(told.value)
    assert copy.sink.rows() == 0


def test_files_packed_by_zstd_are_smaller_and_hold_the_same(tmp_path):
    words = random.Random(1)
    rows = [
        {
            "id": f"{n:06}",
            "n": n,
            "text": " ".join(words.choices(["north", "south", "east", "west", "river", "lake"], k=20)),
        }
        for n in range(4000)
    ]
    sizes, found = {}, {}
    for one in Compression:
        harness = CayenneHarness(tmp_path / one)
        folder = tmp_path / one
        harness.acceleration = Acceleration(
            Engine.CAYENNE, Mode.FILE, cayenne=CayenneFiles(folder, folder, one)
        )
        harness.restart()
        harness.sink.open()
        harness.sink.apply(create(1))
        harness.sink.apply(work(2, batch(ORDERS, *rows)))
        harness.sink.upkeep.settle()
        harness.sink.apply(work(3, batch(ORDERS, {"id": "000007"}, deleted=[True])))
        found[one] = harness.live()
        (file,) = folder.glob("*.vortex")
        sizes[one] = file.stat().st_size
        harness.close()
    assert found[Compression.ZSTD] == found[Compression.BTRBLOCKS]
    assert len(found[Compression.ZSTD]) == 3999
    assert sizes[Compression.ZSTD] < sizes[Compression.BTRBLOCKS]


@pytest.fixture
def engines(tmp_path):
    """Two datasets of Cayenne, one of DuckDB, one of SQLite; each has ten rows of its own numbers."""
    cayenne = [tmp_path / "one", tmp_path / "two"]
    accelerations = {
        "one": Acceleration(Engine.CAYENNE, Mode.FILE, cayenne=CayenneFiles(cayenne[0], cayenne[0])),
        "two": Acceleration(
            Engine.CAYENNE, Mode.FILE, cayenne=CayenneFiles(cayenne[1], tmp_path / "metadata")
        ),
        "duck": Acceleration(Engine.DUCKDB),
        "lite": Acceleration(Engine.SQLITE, Mode.FILE, path=tmp_path / "lite.sqlite"),
    }
    engines = Engines([Dataset(name, "t", acceleration=one) for name, one in accelerations.items()])
    for number, name in enumerate(accelerations):
        sink = engines.sink(name)
        sink.open()
        sink.apply(create(1))
        sink.apply(
            work(2, batch(ORDERS, *({"id": f"{n}", "n": n * 10**number, "text": name} for n in range(10))))
        )
    yield engines
    engines.close()


@pytest.fixture
def query(engines):
    catalog = {name: TableFacts(ready=True) for name in ("one", "two", "duck", "lite")}
    engine = QueryEngine(engines.cursor, lambda: catalog, leaves=lambda: engines.leaves)

    def ask(sql):
        with engine.query(sql) as statement:
            table = statement.reader().read_all()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    yield ask
    engine.close()


def test_a_statement_joins_datasets_of_all_engines_whether_their_rows_are_in_files_or_not(engines, query):
    sql = (
        "SELECT id, one.n, two.n, duck.n, lite.n, one.text || two.text FROM one JOIN two USING (id) JOIN duck USING (id) "
        "JOIN lite USING (id) WHERE one.n >= 7 ORDER BY id"
    )
    expected = [(f"{n}", n, n * 10, n * 100, n * 1000, "onetwo") for n in (7, 8, 9)]
    assert query(sql) == expected
    engines.sink("one").upkeep.settle()
    assert query(sql) == expected
    engines.sink("two").upkeep.settle()
    for name in ("one", "two"):
        engines.sink(name).apply(work(3, batch(ORDERS, {"id": "8"}, deleted=[True])))
    assert query(sql) == [expected[0], expected[2]]


def test_two_datasets_have_their_own_files_and_the_metastore_where_it_was_named(engines, tmp_path, query):
    for name in ("one", "two"):
        engines.sink(name).upkeep.settle()
    assert sorted(path.name for path in (tmp_path / "metadata").iterdir() if "-" not in path.name) == [
        "metastore.sqlite",
        "metastore.sqlite.lock",
    ]
    for name in ("one", "two"):
        assert [path.name for path in (tmp_path / name).glob("part-*.vortex")] == ["part-00000001.vortex"]
    engines.sink("one").apply(create(3))
    assert query("SELECT (SELECT count(*) FROM one), (SELECT sum(n) FROM two)") == [(0, 450)]
