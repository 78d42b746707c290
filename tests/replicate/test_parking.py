"""Items that are put aside."""

from __future__ import annotations

from headrace.ledger import ParkedRecord
from headrace.position import SequenceNumber
from headrace.replicate.delivery.parking import Parking
from headrace.stream_record import StreamRecord


def _record(number: int, key: str = "k") -> ParkedRecord:
    return ParkedRecord("arn", "shard", 0, StreamRecord(SequenceNumber(str(number)), 0.0, key, b"{}"))


def test_an_item_is_parked_from_its_first_record_until_its_last_is_durably_gone():
    parking = Parking()
    assert parking.add(_record(1))
    assert not parking.add(_record(2))
    parking.take()
    parking.committed(())
    parking.release((_record(1), _record(2)))
    assert "k" in parking
    _, released = parking.take()
    assert parking.committed(released) == ("k",)
    assert "k" not in parking


def test_an_item_stays_parked_while_its_records_are_on_their_way_into_the_ledger():
    parking = Parking()
    parking.add(_record(1))
    parking.take()
    parking.ask("k")
    assert not parking.is_gone("k")
    assert "k" in parking
    parking.committed(())
    parking.ask("k")
    assert parking.is_gone("k")
    assert "k" not in parking


def test_an_item_stays_parked_if_records_came_while_the_ledger_was_asked():
    parking = Parking()
    parking.begin({"k": 1})
    parking.ask("k")
    parking.add(_record(1))
    parking.take()
    parking.committed(())
    assert not parking.is_gone("k")
    assert "k" in parking


def test_a_record_that_comes_again_waits_once():
    parking = Parking()
    parking.begin({"k": 1})
    parking.add(_record(1))
    new, _ = parking.take()
    assert len(new) == 1
    parking.committed(())
    parking.release((_record(1),))
    parking.committed(parking.take()[1])
    parking.ask("k")
    assert parking.is_gone("k")
    assert "k" not in parking
