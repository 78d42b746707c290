"""An index is compared with its table while both change, and made equal without taking anything back."""

import pytest

from headrace.errors import TableUnusable
from headrace.refusal import Place
from headrace.target import SearchIndex
from headrace.targets.comparison import Comparison, ItemDifference, Kind
from headrace.targets.search.bulk import Bulk
from headrace.targets.search.comparison import IndexPair
from headrace.targets.search.index import Index
from headrace.targets.search.service import SearchService
from headrace.targets.table import Patience, Table
from support.replication import Side
from support.search import Indexing


class Verify:
    """Compares a table with its index; ``pausing`` is called in each pause, as others write meanwhile."""

    def __init__(self, cluster, tmp_path):
        self.side, self.cluster = Side(), cluster
        self.indexing = Indexing(self.side, cluster.url, tmp_path / "events.sqlite")
        self.pausing = []
        self.mending = []
        self.found = []

    def __call__(self, *, repair=False, service=None):
        settings = SearchIndex(self.cluster.url, "orders", service=service)
        patience = Patience(5.0, "verify", lambda _: None)
        door = SearchService(settings)
        bulk = Bulk(door, "orders", patience)
        send = bulk.send

        def sent(writes):
            if self.mending:
                self.mending.pop(0)()
            return send(writes)

        bulk.send = sent
        table = Table(self.side, "orders", Place(), patience)
        try:
            pair = IndexPair(table, Index(door, settings), bulk, segments=2, make=repair)
            self.found = []
            compared = Comparison(pair, settle=0.0, pause=self._pause).run(self.found.append, repair=repair)
        finally:
            door.close()
        self.found.sort(key=lambda each: each.key)
        return compared

    def _pause(self, _):
        if self.pausing:
            self.pausing.pop(0)()


@pytest.fixture
def verify(cluster, tmp_path):
    made = Verify(cluster, tmp_path)
    yield made
    made.indexing.stop()


def key(name):
    return f'{{"id":{{"S":"{name}"}}}}'


def test_what_a_target_has_delivered_is_equal(verify):
    values = (
        {"N": "1.50"},
        {"NS": ["3", "20"]},
        {"L": [{"B": "AAE="}, {"NULL": True}]},
        {"M": {"x": {"BOOL": False}}},
    )
    for number, value in enumerate(values):
        verify.side.call("PutItem", TableName="orders", Item={"id": {"S": f"i{number}"}, f"v{number}": value})
    verify.indexing.deliver()
    compared = verify()
    assert compared.is_equal
    assert (compared.source, compared.replica, verify.found) == (4, 4, [])


def test_a_change_that_arrives_while_it_is_looked_at_is_no_difference(verify):
    verify.side.put("a", v=1)
    verify.indexing.deliver()
    verify.side.put("a", v=2)
    verify.pausing.append(verify.indexing.deliver)
    assert verify().is_equal
    assert verify.found == []


def test_a_repair_does_not_replace_what_a_delivery_has_brought_since(verify):
    verify.side.put("a", v=1)
    verify.side.put("b", v=1)
    verify.indexing.deliver()
    verify.side.put("a", v=2)
    verify.side.delete("b")
    version = verify.cluster.version("a")

    def deliver():
        verify.indexing.deliver()

    verify.mending.append(deliver)
    compared = verify(repair=True)
    assert compared.is_equal
    assert verify.cluster.documents() == {"a": {"id": "a", "v": "2"}}
    assert verify.cluster.version("a") >= version + 1000


def test_a_repaired_document_is_replaced_by_the_next_change(verify):
    verify.side.put("a", v=1)
    verify.side.put("b", v=1)
    verify.indexing.deliver()
    verify.cluster.ask("PUT", "/orders/_doc/a", {"id": "a", "v": "broken"})
    verify.cluster.ask("DELETE", "/orders/_doc/b")
    assert verify(repair=True).repaired == 2
    assert [each.kind for each in verify.found] == [Kind.DIFFERENT, Kind.MISSING]
    # The clock stands still: the next number follows the last one.
    verify.side.put("a", v=2)
    verify.side.put("b", v=2)
    verify.indexing.deliver()
    assert verify.cluster.documents() == {name: {"id": name, "v": "2"} for name in "ab"}


def test_what_cannot_be_repaired_says_why(verify):
    verify.side.put("a", v="text")
    verify.indexing.deliver()
    verify.side.call("PutItem", TableName="orders", Item={"id": {"S": "b"}, "v": {"M": {"x": {"S": "y"}}}})
    compared = verify(repair=True)
    assert not compared.is_equal
    (found,) = verify.found
    assert (found.key, found.kind, found.repaired) == (key("b"), Kind.MISSING, False)
    assert "mapper_parsing_exception" in found.reason


def test_a_document_that_can_be_of_no_item_is_extra(cluster, tmp_path):
    verify = Verify(cluster, tmp_path)
    verify.side = Side(key=("p", "s"))
    cluster.ask("PUT", "/orders/_doc/strange", {"p": "x"})
    assert verify().extra == 1
    assert verify.found == [ItemDifference("=strange", Kind.EXTRA)]
    assert verify(repair=True).is_equal
    assert cluster.documents() == {}


def test_an_index_without_sources_cannot_be_compared(verify):
    verify.cluster.ask("PUT", "/orders", {"mappings": {"_source": {"enabled": False}}})
    verify.side.put("a", v=1)
    verify.indexing.deliver()
    with pytest.raises(TableUnusable, match="_source"):
        verify()


def test_an_index_of_serverless_is_not_read(verify):
    with pytest.raises(TableUnusable, match="no scrolls"):
        verify(service="aoss")
