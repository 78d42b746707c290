"""Failures as objects of a bucket, laid out as AWS Lambda does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from headrace.aws_service import Connect, Service, placed
from headrace.dataset import AwsAccess
from headrace.destinations import document
from headrace.ledger import Failure

_ELSEWHERE: Final = "the bucket is in another region; correct it in on_failure.params"
_CURES: Final = {
    "AccessDenied": "the credentials do not allow it; it takes s3:PutObject",
    "NoSuchBucket": "there is no such bucket; make it, or correct on_failure.destination",
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
}


class BucketDestination:
    """An object for each failure; ``place`` is ``bucket/prefix`` or a bucket alone.

    Keys are those of Lambda (AWS Lambda developer guide, "Retain discarded records for a DynamoDB event source in
    Lambda", "Example Amazon S3 invocation record") beneath the prefix, with the mapping's name where Lambda has its
    mapping's UUID: ``aws/lambda/MAPPING/SHARD/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID``.
    """

    def __init__(self, place: str, access: AwsAccess, connect: Connect, region: str | None = None) -> None:
        self._bucket, _, prefix = place.partition("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._service = Service("s3", placed(access, None, region), connect, _CURES)

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        key = f"{self._prefix}{_key(failure)}"
        with self._service.client(
            f"cannot write failure {failure.id} to s3://{self._bucket}/{key}"
        ) as client:
            client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=document.with_payload(failure),
                ContentType="application/json",
            )

    def close(self) -> None:
        """See ``Destination``."""
        self._service.close()


def _key(failure: Failure) -> str:
    at = datetime.fromtimestamp(failure.at, UTC)
    name = f"{at:%Y-%m-%dT%H.%M.%S}-{document.request_id(failure)}"
    return f"aws/lambda/{failure.mapping}/{failure.shard}/{at:%Y/%m/%d}/{name}"
