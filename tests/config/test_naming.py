import duckdb
import pytest

from headrace.config.keywords import RESERVED


def test_the_reserved_words_are_those_that_duckdb_refuses_as_a_table():
    connection = duckdb.connect()
    words = [word for (word,) in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()]
    assert len(words) > 400
    refused = set()
    for word in words:
        try:
            connection.execute(f"CREATE TABLE {word} (i INT)")
            connection.execute(f"SELECT * FROM {word}")
        except duckdb.ParserException:
            refused.add(word)
        connection.execute(f'DROP TABLE IF EXISTS "{word}"')
    assert refused == RESERVED


@pytest.mark.parametrize("name", ["orders", "Orders", "_o", "o1", "ORDERS_2024", "user", "a" * 63])
def test_a_name_that_sql_takes_without_quotes_is_taken(folder, name):
    (dataset,) = folder.load(folder.dataset().replace("name: orders", f"name: {name}")).datasets
    assert dataset.name == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("select", "'select' is a reserved word of SQL; use another name, such as 'select_table'"),
        ("Order", "'Order' is a reserved word of SQL; use another name, such as 'Order_table'"),
        (
            "my-orders",
            "'my-orders' cannot name a table; use letters, digits and '_', not a digit first, such as 'my_orders'",
        ),
        (
            "shop.orders",
            (
                "'shop.orders' cannot name a table; use letters, digits and '_', not a digit first, such as "
                "'shop_orders'"
            ),
        ),
        ("2024", "'2024' cannot name a table; use letters, digits and '_', not a digit first"),
        (
            "größe",
            "'größe' cannot name a table; use letters, digits and '_', not a digit first, such as 'gr_e'",
        ),
        ("a" * 64, f"'{'a' * 64}' is longer than 63 characters; shorten it"),
        (
            "headrace_orders",
            "'headrace_orders' begins with 'headrace_', which names Headrace's own tables",
        ),
        (
            "Headrace_x",
            "'Headrace_x' begins with 'headrace_', which names Headrace's own tables",
        ),
    ],
)
def test_a_name_that_sql_would_stumble_over_is_refused(folder, name, message):
    text = folder.dataset().replace("name: orders", f"name: {name}")
    assert folder.refusal(text) == f"spicepod.yaml:3:11: datasets[0].name: {message}"


@pytest.mark.parametrize("table", ["orders", "prod.orders-v2_x", "a.b", "A" * 255])
def test_a_name_that_dynamodb_allows_is_read(folder, table):
    (dataset,) = folder.load(folder.dataset().replace("dynamodb:orders", f"dynamodb:{table}")).datasets
    assert dataset.table == table


ONLY = "that Headrace reads; it reads DynamoDB only (dynamodb:TABLE)"
RULE = "cannot be a DynamoDB table; names have 3 to 255 letters, digits, '_', '-' and '.'"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("kafka:user_events", f"'kafka' is not a source {ONLY}"),
        ("s3://bucket/orders/", f"'s3' is not a source {ONLY}"),
        ("postgres:orders", f"'postgres' is not a source {ONLY}"),
        ("orders", f"'orders' names no source {ONLY}"),
        ("dynamo:orders", f"'dynamo' is not a source {ONLY}; did you mean 'dynamodb:...'?"),
        ("DynamoDB:orders", f"'DynamoDB' is not a source {ONLY}; did you mean 'dynamodb:...'?"),
        ("dynamodb/orders", f"'dynamodb' is not a source {ONLY}; did you mean 'dynamodb:...'?"),
        ("dynamodb:", f"'' {RULE}"),
        ("dynamodb:ab", f"'ab' {RULE}"),
        ("dynamodb:or ders", f"'or ders' {RULE}"),
        (f"dynamodb:{'a' * 256}", f"'{'a' * 256}' {RULE}"),
        (
            "dynamodb:arn:aws:dynamodb:us-east-1:123456789012:table/orders",
            "an ARN is not taken; write the table's name, and its region as aws_region",
        ),
        ("dynamodb:${env:TABLE}", "references are replaced under params only; write the table's name"),
    ],
)
def test_a_source_that_is_no_dynamodb_table_is_refused(folder, source, message):
    text = folder.dataset().replace("dynamodb:orders", f"'{source}'")
    assert folder.refusal(text) == f"spicepod.yaml:2:11: datasets[0].from: {message}"
