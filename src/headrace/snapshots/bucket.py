"""Snapshots in a bucket of S3, or of whatever speaks its protocol.

Large objects are written in parts and read in ranges, several at once: one connection moves some 80 MB/s. An upload in
parts is visible only when it is completed (Amazon S3 User Guide, "Uploading and copying objects using multipart
upload"), and reads and listings see every write that was answered before ("Amazon S3 data consistency model").
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from headrace import __version__
from headrace.errors import HeadraceError, SnapshotGone, SnapshotUnavailable
from headrace.snapshots.store import Stored

PART: Final = 32 * 2**20
"""Bytes of a part, unless that made too many."""

MOST_PARTS: Final = 10_000
"""Parts that one upload may have (Amazon S3 User Guide, "Multipart upload limits")."""

AT_ONCE: Final = 4

_GONE: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_CURES: Final = {
    "NoSuchBucket": "there is no such bucket; make it, or correct snapshots.location",
    "AccessDenied": "the credentials do not allow it; it takes s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket",
    "InvalidAccessKeyId": "the access key is not known; correct s3_key",
    "SignatureDoesNotMatch": "the secret does not belong to the key; correct s3_secret",
    "PermanentRedirect": "the bucket is in another region; correct s3_region",
    "AuthorizationHeaderMalformed": "the bucket is in another region; correct s3_region",
    "IllegalLocationConstraintException": "the bucket is in another region; correct s3_region",
    "ExpiredToken": "the credentials have expired; renew them",
}


class BucketStore:
    """Objects of ``bucket`` whose names begin with ``prefix``.

    ``connect`` makes a client of botocore; it is called again after credentials were refused. ``part`` is the size of
    parts in bytes.
    """

    def __init__(self, bucket: str, prefix: str, connect: Callable[[], Any], part: int = PART) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._connect = connect
        self._part = part
        self._lock = threading.Lock()
        self._client: Any = None
        self._closed = threading.Event()

    @property
    def where(self) -> str:
        """The bucket and the prefix, as a URI."""
        return f"s3://{self._bucket}/{self._prefix}"

    def names(self, within: str) -> Sequence[Stored]:
        """All objects below that name."""
        with self._door(f"cannot list {self.where}{within}") as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + within
            )
            return [
                Stored(
                    each["Key"][len(self._prefix) :],
                    each["Size"],
                    each["LastModified"].timestamp(),
                )
                for page in pages
                for each in page.get("Contents", ())
            ]

    def put(self, name: str, path: Path) -> None:
        """Upload a file; in parts where it is large."""
        size = path.stat().st_size
        with self._door(f"cannot write {self.where}{name}") as client:
            if size <= self._part:
                with path.open("rb") as content:
                    client.put_object(**self._object(name), Body=content, ContentLength=size)
            else:
                self._put_parts(client, name, path, size)

    def write(self, name: str, content: bytes) -> None:
        """Store a small object."""
        with self._door(f"cannot write {self.where}{name}") as client:
            client.put_object(**self._object(name), Body=content)

    def fetch(self, name: str, path: Path) -> None:
        """Download an object, several ranges at once."""
        with self._door(f"cannot read {self.where}{name}") as client:
            told = client.head_object(**self._object(name))
            size, etag = told["ContentLength"], told["ETag"]

            def fetch_range(start: int) -> None:
                self._expect_open()
                last = min(start + self._part, size) - 1
                answer = client.get_object(**self._object(name), Range=f"bytes={start}-{last}", IfMatch=etag)
                _write_at(file, answer["Body"].read(), start)

            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                self._each(fetch_range, range(0, size, self._part))
            finally:
                os.close(file)

    def read(self, name: str) -> bytes:
        """A small object."""
        with self._door(f"cannot read {self.where}{name}") as client:
            content: bytes = client.get_object(**self._object(name))["Body"].read()
            return content

    def remove(self, name: str) -> None:
        """Remove an object."""
        with self._door(f"cannot remove {self.where}{name}") as client:
            client.delete_object(**self._object(name))

    def close(self) -> None:
        """Fail whatever is under way, before its next part."""
        self._closed.set()

    def _put_parts(self, client: Any, name: str, path: Path, size: int) -> None:
        part = max(self._part, -(-size // MOST_PARTS))
        upload = {
            **self._object(name),
            "UploadId": client.create_multipart_upload(**self._object(name))["UploadId"],
        }

        def put_part(start: int) -> dict[str, Any]:
            self._expect_open()
            number = start // part + 1
            content = os.pread(file, part, start)
            return {
                "PartNumber": number,
                "ETag": client.upload_part(**upload, PartNumber=number, Body=content)["ETag"],
            }

        file = os.open(path, os.O_RDONLY)
        try:
            parts = self._each(put_part, range(0, size, part))
            client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # What is not completed costs money until it is given up.
            with suppress(Exception):
                client.abort_multipart_upload(**upload)
            raise
        finally:
            os.close(file)

    def _each(self, work: Callable[[int], Any], starts: range) -> list[Any]:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="snapshot part") as threads:
            try:
                return list(threads.map(work, starts))
            except BaseException:
                threads.shutdown(wait=True, cancel_futures=True)
                raise

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _expect_open(self) -> None:
        if self._closed.is_set():
            raise SnapshotUnavailable("headrace is stopping")

    @contextmanager
    def _door(self, doing: str) -> Iterator[Any]:
        """A client; what botocore raises is translated."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        self._expect_open()
        try:
            yield self._opened()
        except HeadraceError:
            raise
        except ClientError as error:
            raise self._refusal(error, doing) from None
        except NoCredentialsError:
            self._forget()
            raise SnapshotUnavailable(
                f"{doing}: no AWS credentials found; set s3_key and s3_secret under snapshots.params, or AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached"
            ) from None
        except (BotoCoreError, OSError) as error:
            raise SnapshotUnavailable(f"{doing}: {type(error).__name__}: {error}") from error

    def _refusal(self, error: Any, doing: str) -> HeadraceError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _GONE:
            return SnapshotGone(f"{doing}: it is not there")
        if code == "PreconditionFailed":
            return SnapshotGone(f"{doing}: somebody has replaced it meanwhile")
        # Renewed credentials are found without a restart.
        self._forget()
        return SnapshotUnavailable(f"{doing}: {_CURES.get(code) or error}")

    def _opened(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _forget(self) -> None:
        with self._lock:
            self._client = None


def bucket_client(session: Any, endpoint_url: str | None, keys: dict[str, str]) -> Any:
    """A client for ``BucketStore``: ``session`` is botocore's, ``keys`` are as ``create_client`` takes them."""
    from botocore.config import Config

    checked = "when_required" if endpoint_url else "when_supported"
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=2 * AT_ONCE,
        retries={"total_max_attempts": 4, "mode": "standard"},
        # Buckets of other services than AWS's rarely have host names of their own, and many of those services refuse
        # the checksums that botocore adds unasked (AWS SDKs Reference Guide, "Data integrity protections").
        s3={"addressing_style": "path"} if endpoint_url else {},
        request_checksum_calculation=checked,
        response_checksum_validation=checked,
        user_agent_extra=f"headrace/{__version__}",
    )
    return session.create_client("s3", endpoint_url=endpoint_url, config=config, **keys)


def _write_at(file: int, content: bytes, start: int) -> None:
    """Write all of it. A disk that becomes full takes a part first, and says why only then."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, start)
        rest, start = rest[written:], start + written
