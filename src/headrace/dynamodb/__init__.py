"""Scan and Streams -> ChangeBatch. The only room that knows AWS."""

from headrace.dynamodb.source import DynamoDBSource

__all__ = ["DynamoDBSource"]
