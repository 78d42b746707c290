"""What every ledger keeps, in a file and in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.batch import Window
from headrace.errors import LedgerError
from headrace.ledger import Condition, Delivery, Fault, ParkedKey, StoredFailure
from headrace.ledgers import Ledgers, ledgers
from headrace.ledgers.packing import sortable
from headrace.position import SequenceNumber
from support.deliveries import STREAM, failure, parked, record, shard, work


@pytest.fixture(params=["file", "memory"])
def path(request, tmp_path):
    return tmp_path / "a" / "events.sqlite" if request.param == "file" else None


@pytest.fixture
def opened(path):
    """All ledgers, as a restart finds them: in memory there is none."""
    made = [Ledgers(path)]

    def again():
        if path is not None:
            made[-1].close()
            made.append(Ledgers(path))
        return made[-1]

    yield again
    made[-1].close()


@pytest.fixture
def ledger(opened):
    return opened().of("status")


def test_a_mapping_that_never_ran_has_no_delivery(ledger):
    assert ledger.open() is None
    assert (ledger.failures(), ledger.parked("a", 10), ledger.parked_keys()) == ((), (), ())


def test_all_that_was_committed_is_found_again(opened, ledger):
    window = Window(60.0, 120.0, '{"total":"12é"}', early=True)
    first, second = shard("s1", 7, window), shard("s2", 10**39)
    ledger.commit(work(first, second, failures=(failure(1, 2), failure(3)), parked=(parked(5), parked(6))))
    assert opened().of("status").open() == Delivery(STREAM, (first, second), {"a": 2}, 2)


def test_shards_that_did_not_change_stay_as_they_were(opened, ledger):
    ledger.commit(work(shard("s1", 1), shard("s2", 1)))
    ledger.commit(work(shard("s2", 2)))
    assert opened().of("status").open().shards == (shard("s1", 1), shard("s2", 2))


def test_forgotten_shards_are_gone_and_anew_leaves_none_of_before(opened, ledger):
    ledger.commit(work(shard("s1"), shard("s2"), shard("s3")))
    ledger.commit(work(forgotten=("s2", "never")))
    assert [each.state.id for each in opened().of("status").open().shards] == ["s1", "s3"]
    later = replace(STREAM, stream_arn="another")
    opened().of("status").commit(work(shard("s4"), stream=later, anew=True))
    assert opened().of("status").open() == Delivery(later, (shard("s4"),))


def test_failures_are_kept_whole_with_their_error(opened, ledger):
    whole = failure(1, 2, fault=Fault("Überlauf", "ü" * 5000, ("a", "b")))
    expired = failure(fault=None, condition=Condition.RECORDS_EXPIRED, records=())
    ledger.commit(work(failures=(whole, expired)))
    kept = opened().of("status").failures()
    assert {stored.failure.id: stored for stored in kept} == {
        whole.id: StoredFailure(whole, sent=False),
        expired.id: StoredFailure(expired, sent=False),
    }


def test_texts_that_no_encoding_can_write_do_not_keep_a_failure_from_being_kept(ledger):
    ledger.commit(work(failures=(failure(1, fault=Fault("E", "half \ud800", ("\udcff",))),)))
    (kept,) = ledger.failures()
    assert (kept.failure.fault.message, kept.failure.fault.trace) == ("half \\ud800", ("\\udcff",))


def test_failures_are_marked_counted_and_removed(ledger):
    one, two, three = failure(1), failure(2), failure(3)
    ledger.commit(work(failures=(one, two, three), sent=(one.id,)))
    ledger.commit(work(again=(one.id, two.id)))
    ledger.commit(work(again=(one.id,), resolved=(three.id, "none")))
    found = {stored.failure.id: (stored.sent, stored.redriven) for stored in ledger.failures()}
    assert found == {one.id: (True, 2), two.id: (False, 1)}
    assert [stored.failure for stored in ledger.failures(unsent=True)] == [two]
    assert ledger.open().failures == 2


def test_records_that_are_given_up_again_leave_what_is_known_of_them(ledger):
    ledger.commit(work(failures=(failure(1),), sent=(failure(1).id,)))
    ledger.commit(work(failures=(failure(1, invoked=9),)))
    (kept,) = ledger.failures()
    assert kept == StoredFailure(failure(1), sent=True)


def test_failures_come_in_pages_by_id_all_or_those_asked_for(ledger):
    all_ = sorted((failure(number) for number in range(25)), key=lambda each: each.id)
    ledger.commit(work(failures=tuple(all_), sent=tuple(each.id for each in all_[::2])))

    def pages(ids=None, **how):
        after, found = None, []
        while page := ledger.failures(ids, after=after, limit=7, **how):
            found += [stored.failure for stored in page]
            after = found[-1].id
        return found

    assert pages() == all_
    assert pages(unsent=True) == all_[1::2]
    asked = [all_[20].id, "none", all_[3].id, all_[3].id]
    assert pages(asked) == [all_[3], all_[20]]
    assert pages(asked, unsent=True) == [all_[3]]
    assert pages([]) == []


def test_large_failures_come_one_by_one(ledger, monkeypatch):
    monkeypatch.setattr(ledgers, "ANSWER_BYTES", 2500)
    large = [failure(number, records=(record(number, text=b"x" * 1000),)) for number in range(3)]
    huge = failure(9, records=(record(9, text=b"x" * 9000),))
    ledger.commit(work(failures=(*large, huge)))
    sizes, after = [], ""
    while page := ledger.failures(after=after):
        sizes.append(sum(len(each.text) for stored in page for each in stored.failure.records))
        after = page[-1].failure.id
    assert sum(sizes) == 12000
    assert all(size <= 2500 or size == 9000 for size in sizes)


def test_parked_records_come_by_generation_and_number_though_numbers_differ_in_length(opened, ledger):
    late, short, long, padded = parked(7, 1), parked(999), parked(1000), parked("0000000000000000000000005")
    ledger.commit(work(parked=(late, long, parked(1, key="b"))))
    ledger.commit(work(parked=(short, padded)))
    found = opened().of("status").parked("a", 10)
    assert found == (padded, short, long, late)
    assert found[0].record.sequence.text == padded.record.sequence.text
    assert opened().of("status").parked("a", 2) == (padded, short)


def test_a_record_is_parked_once_and_released_by_itself(ledger):
    ledger.commit(work(parked=(parked(1), parked(2), parked(2, generation=1))))
    ledger.commit(work(parked=(parked(1),)))
    assert ledger.open().parked == {"a": 3}
    ledger.commit(work(released=(parked(1), parked(2), parked(99))))
    assert ledger.parked("a", 10) == (parked(2, generation=1),)
    ledger.commit(work(released=(parked(2, generation=1),)))
    assert ledger.open().parked == {}


def test_parked_items_are_listed_with_how_many_wait_and_since_when(ledger):
    old = replace(parked(1, key="b"), record=replace(record(1, "b"), created=5.0))
    ledger.commit(work(parked=(parked(1, key="c"), parked(2, key="b"), old, parked(1, key="a"))))
    a, b, c = (
        ParkedKey("a", 1, record(1).created),
        ParkedKey("b", 2, 5.0),
        ParkedKey("c", 1, record(1).created),
    )
    assert ledger.parked_keys() == (a, b, c)
    assert ledger.parked_keys(limit=2) == (a, b)
    assert ledger.parked_keys(after="b") == (c,)


def state(ledger):
    return ledger.open(), ledger.failures(), ledger.parked("a", 100)


def test_work_that_is_carried_out_twice_changes_nothing_the_second_time(ledger):
    ledger.commit(work(shard("s0"), failures=(failure(1), failure(2)), parked=(parked(1), parked(2))))
    twice = work(
        shard("s1"),
        shard("s2", 5),
        forgotten=("s0",),
        failures=(failure(3), failure(4)),
        sent=(failure(3).id, failure(2).id),
        resolved=(failure(1).id,),
        parked=(parked(3),),
        released=(parked(1),),
    )
    ledger.commit(twice)
    once = state(ledger)
    ledger.commit(twice)
    assert state(ledger) == once
    ledger.commit(replace(twice, anew=True, failures=(), resolved=(), forgotten=()))
    assert state(ledger) == once


def test_mappings_do_not_see_each_other(opened):
    all_ = opened()
    one, two = all_.of("one"), all_.of("Two's")
    one.commit(work(shard("s1", 1), failures=(failure(1),), parked=(parked(1),)))
    two.commit(work(shard("s1", 2), failures=(failure(2),), parked=(parked(2),)))
    before = state(one)
    two.commit(work(anew=True, resolved=(failure(1).id, failure(2).id), released=(parked(1), parked(2))))
    assert state(one) == before
    assert state(two) == (Delivery(STREAM, ()), (), ())


def test_many_threads_commit_and_read_at_once(opened):
    all_ = opened()
    refused = []

    def run(name):
        ledger = all_.of(name)
        try:
            for number in range(1, 31):
                ledger.commit(work(shard("s1", number), parked=(parked(number),)))
                seen = ledger.open()
                assert (seen.shards, seen.parked) == ((shard("s1", number),), {"a": number})
        except BaseException as error:
            refused.append(error)
            raise

    threads = [threading.Thread(target=run, args=(f"m{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refused == []
    again = opened()
    assert [again.of(f"m{n}").open().shards for n in range(6)] == [(shard("s1", 30),)] * 6


def test_what_cannot_be_stored_is_refused_whole_and_harms_no_other(opened):
    all_ = opened()
    good, bad = all_.of("good"), all_.of("bad")
    wrong = work(shard("s1"), parked=(parked(1), parked(2, generation=2**70)))
    with pytest.raises(OverflowError):
        bad.commit(wrong)
    assert bad.open() is None
    good.commit(work(shard("s1")))
    assert good.open().shards == (shard("s1"),)


def test_a_closed_ledger_says_so_and_may_be_closed_again(opened):
    all_ = opened()
    ledger = all_.of("status")
    ledger.commit(work(shard()))
    ledger.close()
    all_.close()
    all_.close()
    for ask in (ledger.open, ledger.failures, lambda: ledger.commit(work(shard()))):
        with pytest.raises(LedgerError, match="closed"):
            ask()


@given(st.lists(st.integers(0, 10**45), min_size=2, max_size=2), st.integers(0, 5))
def test_the_sortable_form_of_numbers_sorts_as_they_do(numbers, zeros):
    one, two = (SequenceNumber("0" * zeros + str(number)) for number in numbers)
    assert (sortable(one) < sortable(two)) == (one < two)
    assert (sortable(one) == sortable(two)) == (one == two)
