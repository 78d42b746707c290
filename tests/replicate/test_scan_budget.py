"""A source that asks for a pause between pages gets it, and is not asked for many pages at once afterwards."""

from headrace.change import ScanPage
from headrace.checkpoint import SegmentState
from headrace.dataset import Replication
from headrace.errors import Throttled
from headrace.replicate.buffer import Buffer
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import ReadSegment, WakeAt
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.outbox import Outbox
from headrace.replicate.scan import ScanProgress
from headrace.replicate.scan_pages import ScanPages


class Reading:
    """Pages of four segments, at seconds of the test's choosing."""

    def __init__(self):
        self.outbox = Outbox()
        desk = Desk(
            "orders",
            Replication(),
            self.outbox,
            ServiceClock(),
            Health("orders", self.outbox, ""),
            Journal(0),
        )
        self.pages = ScanPages(desk, ScanProgress([SegmentState()] * 4, 0, 0.0), Buffer())

    def ask(self, now):
        """The requests that are made now, and when the machine wants to be woken."""
        self.outbox.begin(now)
        self.pages.ask(now, 100)
        commands = self.outbox.drain()
        asked = [one for one in commands if isinstance(one, ReadSegment)]
        return asked, [one.at for one in commands if isinstance(one, WakeAt)]

    def answer(self, request, now, pause):
        self.outbox.claim(request.id)
        page = ScanPage(None, (), 0, f"after {now}", pause=pause)
        self.pages.scanned(request, page, now)
        self.pages._scan.readers[request.segment].unapplied = 0


def test_no_page_is_asked_for_before_the_pause_is_over():
    reading = Reading()
    asked, _ = reading.ask(0.0)
    assert [one.segment for one in asked] == [0, 1, 2, 3]
    reading.answer(asked[0], 1.0, pause=5.0)
    reading.answer(asked[1], 1.5, pause=2.0)
    assert reading.ask(5.9) == ([], [6.0])
    assert not reading.pages.left_out(5.9)


def test_after_a_pause_pages_come_one_by_one_until_none_is_wanted_any_more():
    reading = Reading()
    asked, _ = reading.ask(0.0)
    for request in asked:
        reading.answer(request, 1.0, pause=5.0)
    (only,), _ = reading.ask(6.0)
    reading.answer(only, 6.1, pause=0.0)
    again, _ = reading.ask(6.2)
    assert len(again) == 4


def test_a_refused_page_backs_off_beside_the_pause():
    reading = Reading()
    asked, _ = reading.ask(0.0)
    reading.outbox.claim(asked[0].id)
    reading.pages.failed(asked[0], Throttled("too much"), 1.0)
    reading.answer(asked[1], 1.0, pause=60.0)
    assert reading.ask(30.0) == ([], [61.0])
