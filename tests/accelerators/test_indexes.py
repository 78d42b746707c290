from headrace.accelerators.indexes import table_indexes
from headrace.column_type import INT, TEXT
from headrace.dataset import Index
from headrace.schema import TableSchema

KEYS = TableSchema.of_keys((("id", "S"), ("at", "N")))
SCHEMA = KEYS.including({("status",): TEXT, ("Customer",): TEXT, ("b", "x"): INT})


def names(*asked, schema=SCHEMA):
    return [
        ([column.name for column in index.columns], index.unique) for index in table_indexes(schema, asked)
    ]


def test_an_index_has_its_columns_in_order_by_whatever_name_they_are_called():
    assert names(Index(("STATUS", "Customer", "b.x")), Index(("Customer", "status"), unique=True)) == [
        (["status", "Customer", "b.x"], False),
        (["Customer", "status"], True),
    ]


def test_an_index_waits_for_all_its_columns():
    asked = Index(("status", "paid"))
    assert names(asked) == []
    assert names(asked, schema=SCHEMA.including({("paid",): INT})) == [(["status", "paid"], False)]


def test_what_the_keys_index_does_needs_no_other():
    assert names(Index(("id",)), Index(("id", "at")), Index(("id", "at"), unique=True)) == []
    assert names(Index(("at",)), Index(("at", "id"))) == [(["at"], False), (["at", "id"], False)]


def test_half_a_key_is_kept_unique_and_a_whole_one_is_anyway():
    assert names(Index(("at",), unique=True), Index(("id",), unique=True)) == [(["at"], True), (["id"], True)]
    assert names(Index(("status", "at", "id"), unique=True)) == [(["status", "at", "id"], False)]


def test_an_index_is_there_once_however_often_it_is_asked_for():
    asked = (Index(("status",)), Index(("Status",)), Index(("status", "STATUS")))
    assert names(*asked) == [(["status"], False)]


def test_an_index_keeps_its_id_when_its_column_gets_another_name_or_type():
    asked = (Index(("Customer",)), Index(("status",)), Index(("status",), unique=True))
    before = table_indexes(SCHEMA, asked)
    after = table_indexes(SCHEMA.including({("customer",): TEXT, ("status",): INT}), asked)
    assert before[0].columns[0].name != after[0].columns[0].name
    assert [index.id for index in after] == [index.id for index in before]
    assert len({index.id for index in before}) == 3
