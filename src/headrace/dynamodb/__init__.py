"""Scan and Streams -> ChangeBatch. The only room that knows AWS."""

from headrace.dynamodb.credentials import explicit_keys, open_session, place_of
from headrace.dynamodb.events import TableEvents
from headrace.dynamodb.key import Key
from headrace.dynamodb.leaf import TableLeaf
from headrace.dynamodb.probe import Probe
from headrace.dynamodb.served_table import ServedTable
from headrace.dynamodb.service_client import service_client
from headrace.dynamodb.shared_streams import Follower, SharedStreams
from headrace.dynamodb.signing import request_signer
from headrace.dynamodb.source import DynamoDBSource
from headrace.dynamodb.transport import BotocoreTransport, botocore_transport

__all__ = [
    "BotocoreTransport",
    "DynamoDBSource",
    "Follower",
    "Key",
    "Probe",
    "ServedTable",
    "SharedStreams",
    "TableEvents",
    "TableLeaf",
    "botocore_transport",
    "explicit_keys",
    "open_session",
    "place_of",
    "request_signer",
    "service_client",
]
