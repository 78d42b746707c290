"""Makes the tables of examples/query.yaml, with a few items, wherever the AWS configuration points: python query_tables.py."""

from botocore.session import get_session

dynamodb = get_session().create_client("dynamodb")
dynamodb.create_table(
    TableName="customers",
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    AttributeDefinitions=[
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "city", "AttributeType": "S"},
    ],
    GlobalSecondaryIndexes=[
        {
            "IndexName": "by-city",
            "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    BillingMode="PAY_PER_REQUEST",
)
dynamodb.create_table(
    TableName="orders",
    KeySchema=[
        {"AttributeName": "customer", "KeyType": "HASH"},
        {"AttributeName": "number", "KeyType": "RANGE"},
    ],
    AttributeDefinitions=[
        {"AttributeName": "customer", "AttributeType": "S"},
        {"AttributeName": "number", "AttributeType": "N"},
    ],
    BillingMode="PAY_PER_REQUEST",
    StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
)
for table in ("customers", "orders"):
    dynamodb.get_waiter("table_exists").wait(TableName=table)

for name, city in (("ada", "London"), ("bo", "Lund"), ("chi", "London"), ("dee", "Delft")):
    item = {
        "id": {"S": name},
        "city": {"S": city},
        "since": {"S": f"202{len(name)}-05-01T12:00:00Z"},
        "address": {"M": {"street": {"S": f"{len(city)} Mill Lane"}, "country": {"S": city[:2].upper()}}},
    }
    dynamodb.put_item(TableName="customers", Item=item)
for number in range(1, 13):
    item = {
        "customer": {"S": ("ada", "bo", "chi")[number % 3]},
        "number": {"N": str(number)},
        "status": {"S": ("paid", "open")[number % 2]},
        "total": {"N": f"{number * 12.25:.2f}"},
    }
    dynamodb.put_item(TableName="orders", Item=item)
