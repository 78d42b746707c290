"""Every fault by its name: what it is, which requests it befalls, and what makes it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from headrace.simulator.weather import acts, bodies, listings, pages, refusals
from headrace.simulator.weather.chance import Chance
from headrace.simulator.weather.refusals import Strike


@dataclass(frozen=True, slots=True)
class RequestKind:
    """A fault that befalls requests, of ``operations`` or of any where that is empty.

    At most one that ``takes`` the answer away befalls a request, and then no other does.
    """

    says: str
    make: Callable[[Chance], Strike]
    operations: Collection[str] = ()
    takes: bool = False


@dataclass(frozen=True, slots=True)
class ActKind:
    """A fault that befalls the table as time passes."""

    says: str
    make: Callable[[Chance], acts.Act]


_LIST = ("DescribeStream",)
_READ = ("GetRecords",)
_SCAN = ("Scan",)
_TABLE = ("DescribeTable", "Scan")
_SHARD = ("GetShardIterator", "GetRecords")

REQUEST_KINDS: dict[str, RequestKind] = {
    "throttle": RequestKind(
        "a request is throttled, in the words of its operation", refusals.throttle, takes=True
    ),
    "internal error": RequestKind(
        "a request gets 500 InternalServerError", refusals.internal_error, takes=True
    ),
    "unavailable": RequestKind("a request gets 503 ServiceUnavailable", refusals.unavailable, takes=True),
    "lost request": RequestKind(
        "the connection is lost before the request arrives", refusals.lost_request, takes=True
    ),
    "lost answer": RequestKind(
        "the connection is lost after the request took effect", refusals.lost_answer, takes=True
    ),
    "expired credentials": RequestKind(
        "for up to 20 s every request gets ExpiredTokenException", refusals.expired_credentials, takes=True
    ),
    "access denied": RequestKind(
        "for up to 20 s every request gets AccessDeniedException", refusals.access_denied, takes=True
    ),
    "table not found": RequestKind(
        "for up to 20 s DescribeTable and Scan get ResourceNotFoundException",
        refusals.table_not_found,
        _TABLE,
        takes=True,
    ),
    "shard not found": RequestKind(
        "GetShardIterator and GetRecords do not know a shard in its first 10 s",
        refusals.shard_not_found,
        _SHARD,
        takes=True,
    ),
    "expired iterator": RequestKind(
        "GetRecords gets ExpiredIteratorException for a young iterator",
        refusals.expired_iterator,
        _READ,
        takes=True,
    ),
    "cut body": RequestKind(
        "the connection ends in the middle of an answer's body", bodies.cut_body, takes=True
    ),
    "wrong crc": RequestKind("the x-amz-crc32 header is not that of the body", bodies.wrong_crc, takes=True),
    "damaged body": RequestKind(
        "a byte of the body is another than the one that was sent", bodies.damaged_body, takes=True
    ),
    "slow body": RequestKind("an answer takes up to 2 s to come", bodies.slow_body),
    "tiny pages": RequestKind("DescribeStream gives pages of 1 to 3 shards", listings.tiny_pages, _LIST),
    "late children": RequestKind(
        "a shard's children are listed only up to 2 min after it closed", listings.late_children, _LIST
    ),
    "early children": RequestKind(
        "a shard that has children is listed as open for up to 2 min", listings.early_children, _LIST
    ),
    "lagging listing": RequestKind(
        "a listing, over all its pages, is as of up to 2 min ago", listings.lagging_listing, _LIST
    ),
    "childless parent": RequestKind(
        "a closed shard is listed without its children", listings.childless_parent, _LIST
    ),
    "missing shard": RequestKind(
        "a shard is not listed for up to 30 s, although it can be read", listings.missing_shard, _LIST
    ),
    "missing in paging": RequestKind(
        "a page of a listing after its first leaves a shard out", listings.missing_in_paging, _LIST
    ),
    "empty page": RequestKind(
        f"GetRecords gives no records although some lie ahead, at most {pages.EMPTY_PAGES_PROVING_THE_TIP - 1} "
        "times at a place",
        pages.empty_page,
        _READ,
    ),
    "long silence": RequestKind(
        f"GetRecords gives no records {pages.EMPTY_PAGES_PROVING_THE_TIP} to 12 times in a row although some "
        "lie ahead",
        pages.long_silence,
        _READ,
    ),
    "late end": RequestKind(
        "a closed shard's last records come with an iterator, whose page is empty", pages.late_end, _READ
    ),
    "last page with records": RequestKind(
        "a closed shard's last records come without an iterator (happens by itself; counted)",
        pages.last_page_with_records,
        _READ,
    ),
    "same second": RequestKind(
        "a page holds records of one second (happens by itself; counted)", pages.same_second, _READ
    ),
    "stale scan": RequestKind(
        "a Scan page without ConsistentRead is as of up to 5 s ago", pages.stale_scan, _SCAN
    ),
    "empty scan page": RequestKind(
        "a Scan page has a LastEvaluatedKey and no items, although some lie ahead",
        pages.empty_scan_page,
        _SCAN,
    ),
}

ACT_KINDS: dict[str, ActKind] = {
    "split": ActKind("a shard becomes two", acts.Split),
    "chain of splits": ActKind(
        "a shard becomes two, and its children at once again, for 2 to 4 generations", acts.ChainOfSplits
    ),
    "rotation": ActKind("every open shard closes and gets one child", acts.Rotation),
    "longer numbers": ActKind("the sequence numbers of a shard grow by a digit", acts.LongerNumbers),
    "ttl delete": ActKind("the service deletes an item, as when its time to live is over", acts.TimeToLive),
    "trim": ActKind("a day passes, and what was not read is trimmed", acts.Trim),
    "pause": ActKind("15 to 30 min pass, and every iterator expires", acts.Pause),
    "stream replaced": ActKind(
        "the stream is disabled, and up to 30 s later another is enabled", acts.StreamReplaced
    ),
    "table recreated": ActKind("the table is deleted, and made anew under its name", acts.TableRecreated),
}
