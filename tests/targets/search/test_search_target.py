"""An index is kept equal to a table, whatever comes again, late, or in parts."""

import json

import pytest

from headrace.errors import ConsumerFailed, LedgerError, TableUnusable, Unavailable
from headrace.mapping_facts import DocumentRefused, Indexed
from support.replication import Crash, Side
from support.rough_search import RoughSearch
from support.search import Indexing, images


@pytest.fixture
def side():
    return Side()


@pytest.fixture
def indexing(side, cluster, tmp_path):
    made = Indexing(side, cluster.url, tmp_path / "events.sqlite")
    yield made
    made.stop()


def test_puts_and_deletions_arrive_as_documents(side, cluster, indexing):
    side.put("a", status="new")
    side.put("b", status="new")
    side.put("a", status="paid")
    side.delete("b")
    assert indexing.deliver() == {"batchItemFailures": []}
    assert cluster.documents() == {"a": {"id": "a", "status": "paid"}}
    assert indexing.told[-1] == Indexed("find", "shard", indexed=1, deleted=1, newer=0, refused=0)


def test_every_type_arrives_with_every_digit(side, cluster, indexing):
    item = {
        "id": {"S": "ü/ |\\"},
        "n": {"N": "12345678901234567890123456789012345678"},
        "f": {"N": "0.1234567890123456789"},
        "big": {"N": "9.9E125"},
        "b": {"B": "AAE="},
        "ns": {"NS": ["10", "9", "2"]},
        "ss": {"SS": ["b", "a"]},
        "l": {"L": [{"M": {"deep": {"BOOL": True}}}]},
        "nothing": {"NULL": True},
    }
    side.call("PutItem", TableName="orders", Item=item)
    indexing.deliver()
    (found,) = cluster.documents().values()
    big = found.pop("big")
    assert float(big) == 9.9e125
    assert found == {
        "id": "ü/ |\\",
        "n": "12345678901234567890123456789012345678",
        "f": "0.1234567890123456789",
        "b": "AAE=",
        "ns": ["2", "9", "10"],
        "ss": ["a", "b"],
        "l": [{"deep": True}],
        "nothing": None,
    }


def test_what_comes_again_in_parts_or_late_changes_nothing(side, cluster, indexing):
    for status in ("new", "paid", "sent"):
        side.put("a", status=status)
    records = side.records()
    indexing.deliver(records)
    version = cluster.version("a")
    for part in (records[:1], records[:2], records, records[1:2]):
        indexing.deliver(part)
        indexing.start()
    assert cluster.get("a")["status"] == "sent"
    assert cluster.version("a") == version


def test_a_deleted_document_does_not_come_back_by_an_older_put(side, cluster, indexing):
    side.put("a", status="new")
    side.delete("a")
    put, remove = side.records()
    indexing.deliver([put])
    cluster.forgetful()
    indexing.deliver([remove])
    indexing.start()
    assert indexing.deliver([put]) == {"batchItemFailures": []}
    assert cluster.get("a") is None


def test_the_order_of_numbers_outlives_a_clock_that_goes_back(side, cluster, indexing):
    side.put("a", status="new")
    indexing.deliver()
    side.now -= 86_400
    side.put("a", status="paid")
    indexing.start()
    indexing.deliver(side.records()[1:])
    assert cluster.get("a")["status"] == "paid"


def test_records_of_a_later_generation_are_newer_whatever_their_numbers_say(side, cluster, indexing):
    side.put("a", status="new")
    side.put("a", status="paid")
    older, newer = side.records()
    indexing.deliver([newer], generation=0)
    indexing.deliver([older], generation=1)
    assert cluster.get("a")["status"] == "new"


def test_after_a_lost_book_with_a_clock_that_was_ahead_changes_arrive_all_the_same(
    side, cluster, indexing, tmp_path
):
    side.now += 10 * 365 * 86_400
    side.put("a", status="new")
    side.put("b", status="new")
    indexing.deliver()
    side.now -= 10 * 365 * 86_400
    indexing.stop()
    for file in tmp_path.glob("find.search.sqlite*"):
        file.unlink()
    indexing.start()
    side.put("a", status="paid")
    side.delete("b")
    indexing.deliver(side.records()[2:])
    assert cluster.documents() == {"a": {"id": "a", "status": "paid"}}


def test_a_document_whose_version_nothing_can_exceed_is_a_failure_with_its_cure(side, cluster, indexing):
    side.put("a", status="new")
    indexing.deliver()
    cluster.ask("PUT", f"/orders/_doc/a?version={2**63 - 1}&version_type=external", {"id": "a"})
    side.put("a", status="paid")
    with pytest.raises(ConsumerFailed, match="leaves no greater one"):
        indexing.deliver(side.records()[1:])


def test_what_the_index_refuses_is_the_failure_of_its_record_alone(side, cluster, indexing):
    side.put("a", status="new")
    side.call("PutItem", TableName="orders", Item={"id": {"S": "b"}, "status": {"M": {"is": {"S": "odd"}}}})
    side.put("c", status="new")
    records = side.records()
    response = indexing.deliver(records)
    (failure,) = response["batchItemFailures"]
    assert failure["itemIdentifier"] == records[1].sequence.text
    assert "mapper_parsing_exception" in failure["error"]
    assert cluster.documents().keys() == {"a", "c"}
    assert indexing.told[-1].refused == 1
    with pytest.raises(ConsumerFailed, match="mapper_parsing_exception") as caught:
        indexing.deliver(records[1:2])
    assert caught.value.type == "mapper_parsing_exception"


def test_what_was_refused_is_taken_once_the_index_does(side, cluster, indexing):
    side.put("a", status="new")
    side.call("PutItem", TableName="orders", Item={"id": {"S": "b"}, "status": {"M": {"is": {"S": "odd"}}}})
    records = side.records()
    indexing.deliver(records)
    indexing.fill(1.0)
    cluster.ask("DELETE", "/orders")
    cluster.ask("PUT", "/orders", {"mappings": {"dynamic": False}})
    indexing.start()
    indexing.deliver(records[1:2])
    assert cluster.get("b") == {"id": "b", "status": {"is": "odd"}}


def test_an_index_that_is_deleted_is_made_again_with_its_mappings(side, cluster, indexing):
    side.put("a", status="2024-01-01")
    indexing.deliver()
    cluster.ask("DELETE", "/orders")
    side.put("b", status="no date")
    indexing.deliver()
    properties = cluster.ask("GET", "/orders/_mapping")["orders"]["mappings"]["properties"]
    assert properties["id"] == {"type": "keyword"}
    assert properties["status"]["type"] == "text"


def test_the_index_is_made_with_keys_as_keywords_numbers_as_doubles_and_what_the_user_says(cluster, tmp_path):
    side = Side(key=("tenant", "at"))
    template = {
        "settings": {"number_of_shards": 3},
        "mappings": {
            "properties": {"status": {"type": "keyword"}},
            "dynamic_templates": [{"own": {"match": "x", "mapping": {"type": "text"}}}],
        },
    }
    indexing = Indexing(side, cluster.url, settings={"template": template})
    side.call(
        "PutItem",
        TableName="orders",
        Item={"tenant": {"S": "a|b"}, "at": {"S": "c"}, "status": {"S": "new"}, "total": {"N": "1"}},
    )
    indexing.deliver()
    indexing.stop()
    found = cluster.ask("GET", "/orders")["orders"]
    properties = found["mappings"]["properties"]
    assert properties["tenant"] == properties["at"] == properties["status"] == {"type": "keyword"}
    assert properties["total"] == {"type": "double"}
    assert found["settings"]["index"]["number_of_shards"] == "3"
    assert "own" in found["mappings"]["dynamic_templates"][0]
    assert cluster.documents().keys() == {"a\\|b|c"}


def test_an_index_that_is_there_is_left_as_it_is(side, cluster, indexing):
    cluster.ask("PUT", "/orders", {"mappings": {"properties": {"status": {"type": "keyword"}}}})
    side.put("a", status="new")
    indexing.deliver()
    assert cluster.ask("GET", "/orders/_mapping")["orders"]["mappings"]["properties"]["status"] == {
        "type": "keyword"
    }
    assert cluster.ask("GET", "/_index_template/headrace-orders", ok=False)["status"] == 404


def test_an_index_of_another_table_is_refused(side, cluster, indexing):
    side.put("a", status="new")
    indexing.deliver()
    other = Indexing(Side("eu-west-1"), cluster.url)
    other.source.put("z")
    with pytest.raises(TableUnusable, match="holds the documents of table arn:aws:dynamodb:us-east-1"):
        other.deliver()
    other.stop()
    assert cluster.documents().keys() == {"a"}


def test_an_alias_of_one_index_is_that_index(side, cluster, indexing):
    cluster.ask("PUT", "/orders-1", {})
    cluster.ask("POST", "/_aliases", {"actions": [{"add": {"index": "orders-1", "alias": "orders"}}]})
    side.put("a", status="new")
    indexing.deliver()
    assert cluster.documents("orders-1").keys() == {"a"}


def test_a_stream_without_items_is_refused_with_the_cure(cluster):
    indexing = Indexing(Side(view="KEYS_ONLY"), cluster.url)
    indexing.source.put("a")
    with pytest.raises(TableUnusable, match="NEW_IMAGE"):
        indexing.deliver()
    indexing.stop()


def test_nothing_is_sent_before_it_is_in_the_book(side, cluster, tmp_path):
    state = tmp_path / "events.sqlite"
    indexing = Indexing(side, cluster.url, state)
    side.put("a", status="new")
    indexing.deliver()
    side.put("a", status="paid")
    (tmp_path / "find.search.sqlite").chmod(0o400)
    indexing.target._book._file.close()
    with pytest.raises(LedgerError):
        indexing.deliver()
    assert cluster.get("a")["status"] == "new"
    indexing.stop()


def test_a_closed_target_takes_nothing_more(side, indexing):
    side.put("a")
    indexing.stop()
    with pytest.raises(Unavailable, match="being stopped"):
        indexing.deliver()


# Filling


def test_a_fill_brings_what_no_record_tells_of_and_takes_away_what_is_gone(side, cluster, indexing):
    side.put("a", status="new")
    side.put("b", status="new")
    indexing.deliver()
    cluster.ask("PUT", "/orders/_settings", {"index": {"refresh_interval": "-1"}})
    side.put("c", status="new")
    side.put("d", status="new")
    indexing.deliver()
    side.put("e", status="new")
    side.delete("a")
    side.delete("d")
    indexing.fill(1.0)
    assert cluster.documents().keys() == {"b", "c", "e"}
    assert indexing.told[-1].deleted == 2


def test_the_end_of_a_fill_reads_the_index_once_all_is_to_be_seen(side, cluster, tmp_path):
    side.put("a", status="new")
    with RoughSearch(cluster.url, seed=0, rate=0.0) as passing:
        indexing = Indexing(side, passing.url, tmp_path / "events.sqlite")
        indexing.fill(1.0)
        indexing.stop()
        paths = [request.path for request in passing.received]
    # The server of these tests shows everything at once; OpenSearch does after a refresh.
    assert paths.index("/orders/_refresh") < paths.index("/orders/_search?scroll=5m")


def test_what_changed_since_a_fill_began_stays(side, cluster, indexing):
    side.put("a", status="new")
    side.put("b", status="new")
    indexing.target.begin_fill(1.0)
    items = images(side.call("Scan", TableName="orders")["Items"])
    before = len(side.records())
    side.put("a", status="paid")
    side.delete("b")
    indexing.deliver(side.records()[before:])
    cluster.forgetful()
    indexing.start()
    indexing.target.begin_fill(1.0)
    sent, send = [], indexing.target._bulk.send
    indexing.target._bulk.send = lambda writes: sent.extend(writes) or send(writes)
    indexing.target.fill(items)
    assert all(write.document is None for write in sent), "an older state was sent"
    indexing.target.end_fill()
    assert cluster.documents() == {"a": {"id": "a", "status": "paid"}}


def test_a_document_that_a_fill_brings_back_after_its_deletion_is_deleted_again(side, cluster, indexing):
    side.put("a", status="new")
    indexing.deliver()
    cluster.forgetful()
    indexing.target.begin_fill(1.0)
    items = images(side.call("Scan", TableName="orders")["Items"])
    side.delete("a")
    remove = side.records()[-1:]
    bulk, send = indexing.target._bulk, indexing.target._bulk.send

    def late(writes):
        # A deletion comes, and is forgotten, after the fill has looked into the book.
        bulk.send = send
        indexing.deliver(remove)
        return send(writes)

    bulk.send = late
    indexing.target.fill(items)
    assert cluster.get("a") is None
    indexing.target.end_fill()
    assert cluster.get("a") is None


def test_what_a_fill_brought_back_before_it_died_is_deleted_at_its_end(side, cluster, indexing):
    side.put("a", status="new")
    indexing.deliver()
    cluster.forgetful()
    indexing.target.begin_fill(1.0)
    items = images(side.call("Scan", TableName="orders")["Items"])
    side.delete("a")
    remove = side.records()[-1:]
    bulk, send = indexing.target._bulk, indexing.target._bulk.send

    def late(writes):
        bulk.send = send
        indexing.deliver(remove)
        send(writes)
        raise Crash

    bulk.send = late
    with pytest.raises(Crash):
        indexing.target.fill(items)
    assert cluster.get("a") is not None
    indexing.start()
    indexing.target.begin_fill(1.0)
    indexing.target.end_fill()
    assert cluster.get("a") is None


def test_what_was_refused_and_then_deleted_does_not_come_back(side, cluster, indexing):
    side.put("a", status="new")
    side.call("PutItem", TableName="orders", Item={"id": {"S": "a"}, "status": {"M": {"is": {"S": "odd"}}}})
    records = side.records()
    indexing.deliver(records[:1])
    cluster.forgetful()
    with pytest.raises(ConsumerFailed):
        indexing.deliver(records[1:])
    side.delete("a")
    indexing.fill(1.0)
    cluster.ask("DELETE", "/orders")
    indexing.start()
    indexing.deliver(records[1:])
    assert cluster.documents() == {}


def test_after_a_fill_a_record_from_before_it_brings_nothing_back(side, cluster, indexing):
    side.put("a", status="new")
    put = side.records()
    indexing.deliver(put)
    cluster.forgetful()
    side.delete("a")
    indexing.fill(1.0)
    assert cluster.get("a") is None
    indexing.start()
    assert indexing.deliver(put) == {"batchItemFailures": []}
    assert cluster.get("a") is None


def test_after_a_fill_a_record_that_was_never_sent_is_not_sent_any_more(side, cluster, indexing):
    side.put("a", status="new")
    side.put("b", status="new")
    put = side.records()[:1]
    indexing.deliver(side.records()[1:])

    def die(_):
        raise Crash

    indexing.target._bulk.send = die
    with pytest.raises(Crash):
        indexing.deliver(put)
    side.delete("a")
    indexing.start()
    indexing.fill(1.0)
    assert indexing.deliver(put) == {"batchItemFailures": []}
    assert cluster.documents().keys() == {"b"}


def test_a_fill_leaves_what_it_did_not_make(side, cluster, indexing):
    cluster.ask("PUT", "/orders/_doc/mine", {"id": "mine"})
    side.put("a", status="new")
    indexing.fill(1.0)
    assert cluster.documents().keys() == {"mine", "a"}


def test_a_fill_replaces_documents_with_greater_versions_of_somebody_else(side, cluster, indexing):
    side.put("a", status="new")
    side.put("b", status="new")
    indexing.deliver()
    cluster.ask("PUT", "/orders/_doc/a?version=9000000000000000000&version_type=external", {"id": "x"})
    indexing.fill(1.0)
    assert cluster.documents() == {each: {"id": each, "status": "new"} for each in "ab"}
    side.put("a", status="paid")
    indexing.deliver()
    assert cluster.get("a")["status"] == "paid"


def test_what_a_fill_brings_and_the_index_refuses_is_told_and_left(side, cluster, indexing):
    side.put("a", status="new")
    indexing.deliver()
    side.call("PutItem", TableName="orders", Item={"id": {"S": "b"}, "status": {"M": {"is": {"S": "odd"}}}})
    indexing.fill(1.0)
    (told,) = [fact for fact in indexing.told if isinstance(fact, DocumentRefused)]
    assert told.document == "b"
    assert "mapper_parsing_exception" in told.reason
    assert cluster.documents().keys() == {"a"}


def test_a_key_of_a_number_or_of_bytes_is_found_again_by_its_document(cluster):
    side = Side()
    side.call("DeleteTable", TableName="orders")
    side.call(
        "CreateTable",
        TableName="orders",
        KeySchema=[{"AttributeName": "n", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "n", "AttributeType": "N"},
            {"AttributeName": "b", "AttributeType": "B"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    indexing = Indexing(side, cluster.url)
    for number, data in (("12345678901234567890123456789012345678", "AAE="), ("-1.5", "/w==")):
        side.call("PutItem", TableName="orders", Item={"n": {"N": number}, "b": {"B": data}})
    indexing.fill(1.0)
    assert cluster.documents().keys() == {"12345678901234567890123456789012345678|AAE=", "-1.5|/w=="}
    side.call("DeleteItem", TableName="orders", Key={"n": {"N": "-1.5"}, "b": {"B": "/w=="}})
    indexing.fill(2.0)
    assert cluster.documents().keys() == {"12345678901234567890123456789012345678|AAE="}
    indexing.stop()


def test_a_key_that_is_longer_than_an_id_has_a_digest(side, cluster, indexing):
    long = "k" * 600
    side.put(long, status="new")
    side.put(long + "2", status="new")
    indexing.deliver()
    assert len(cluster.documents()) == 2
    assert all(id_.startswith("sha256~") for id_ in cluster.documents())
    side.delete(long)
    indexing.fill(1.0)
    assert [found["id"] for found in cluster.documents().values()] == [long + "2"]
    assert json.dumps(cluster.ask("GET", "/orders/_mapping")).count("keyword") > 0


def test_an_index_that_is_not_the_one_that_was_filled_lacks_what_the_table_holds(side, cluster, indexing):
    side.put("a", status="new")
    assert "there is no index" in indexing.target.lacks()
    indexing.deliver()
    assert "does not know of a fill" in indexing.target.lacks()
    indexing.fill(1.0)
    indexing.start()
    assert indexing.target.lacks() is None
    cluster.ask("DELETE", "/orders")
    assert "there is no index" in indexing.target.lacks()
    side.put("b", status="new")
    indexing.deliver(side.records()[1:])
    assert "made anew" in indexing.target.lacks()
    indexing.fill(2.0)
    assert cluster.documents().keys() == {"a", "b"}
    assert indexing.target.lacks() is None


def test_an_index_that_is_replaced_while_it_is_filled_lacks_what_went_to_the_one_before(
    side, cluster, indexing
):
    side.put("a", status="new")
    items = images(side.call("Scan", TableName="orders")["Items"])
    indexing.target.begin_fill(1.0)
    indexing.start()
    assert indexing.target.lacks() is None
    indexing.target.begin_fill(1.0)
    indexing.target.fill(items)
    cluster.ask("DELETE", "/orders")
    side.put("b", status="new")
    indexing.deliver(side.records()[1:])
    indexing.start()
    indexing.target.begin_fill(1.0)
    indexing.target.end_fill()
    assert "made anew" in indexing.target.lacks()


def test_a_lost_version_book_asks_for_a_fill(side, indexing, tmp_path):
    side.put("a", status="new")
    indexing.deliver()
    indexing.fill(1.0)
    indexing.stop()
    for file in tmp_path.glob("find.search.sqlite*"):
        file.unlink()
    indexing.start()
    assert "does not know of a fill" in indexing.target.lacks()


def test_while_the_cluster_is_away_nothing_is_known_to_lack(side, indexing):
    indexing.deliver()
    indexing.fill(1.0)
    assert indexing.target.lacks() is None
    indexing.url = "http://127.0.0.1:9"
    indexing.target._service._settings = indexing.target._service._settings.__class__(indexing.url, "orders")
    indexing.target._service.close()
    assert indexing.target.lacks() is None
    indexing.start()
    with pytest.raises(Unavailable):
        indexing.target.lacks()
