"""What AWS promises of an event source mapping of a DynamoDB stream, rule by rule, each with its source.

Sources: [lambda-ddb] AWS Lambda developer guide, "Process DynamoDB records with Lambda" and its pages on batching, errors,
partial responses, filters, and windows; [lambda-api] AWS Lambda API reference, CreateEventSourceMapping; [lambda-quotas] AWS
Lambda developer guide, "Lambda quotas"; [ddb-api] Amazon DynamoDB Streams API reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from headrace.batch import Batch
from headrace.errors import Unavailable
from headrace.event_source_mapping import Delivering, OnPoison, StartingPosition
from headrace.ledger import Condition
from headrace.mapping_facts import BatchBisected, KeyParked, KeyReleased
from headrace.replicate.delivery.commands import DiscardFailures, RedriveFailures, Rest
from support.delivery_world import START
from support.scripted_delivery import Scripted, fails, poisoned, reports

REPORTING = Delivering(reports_item_failures=True, maximum_retry_attempts=1)


@dataclass(frozen=True)
class Rule:
    """One promise: in words, where it stands, and a story that would notice its being broken."""

    says: str
    source: str
    story: Callable[[], None]


RULES: list[Rule] = []


def rule(says: str, source: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def keep(story: Callable[[], None]) -> Callable[[], None]:
        RULES.append(Rule(says, source, story))
        return story

    return keep


# Batches


@rule("a batch holds at most BatchSize records", "[lambda-api] BatchSize")
def _size() -> None:
    world = Scripted(Delivering(batch_size=3))
    world.put(*"abcdefgh")
    assert world.run().keys == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]


@rule("without a window records are handed over as soon as there are any", "[lambda-ddb] batching behavior")
def _at_once() -> None:
    world = Scripted(Delivering(batch_size=100)).run(1.0)
    world.put("a")
    assert world.run(1.0).keys == [["a"]]


@rule("a window gathers records until it is over", "[lambda-api] MaximumBatchingWindowInSeconds")
def _window() -> None:
    world = Scripted(Delivering(maximum_batching_window=5.0)).run(1.0)
    world.put("a")
    world.run(3.0)
    world.put("b")
    assert world.batches == []
    assert world.run(3.0).keys == [["a", "b"]]


@rule("a full batch does not wait for the window's end", "[lambda-ddb] batching behavior")
def _full() -> None:
    world = Scripted(Delivering(batch_size=2, maximum_batching_window=60.0)).run(1.0)
    world.put("a", "b", "c")
    assert world.run(2.0).keys == [["a", "b"]]


@rule("the next window begins as soon as the invocation before is done", "[lambda-ddb] batching behavior")
def _next_window() -> None:
    world = Scripted(Delivering(batch_size=2, maximum_batching_window=10.0)).run(1.0)
    world.put("a", "b", "c")
    world.run(30.0)
    first, second = world.at
    assert second - first == pytest.approx(10.0, abs=0.5)


@rule("an event of 6 MB is handed over before it gets larger", "[lambda-quotas] invocation payload")
def _six_megabytes() -> None:
    world = Scripted(Delivering(batch_size=100, maximum_batching_window=60.0)).run(1.0)
    world.put(*(f"k{place}" for place in range(20)), size=390_000)
    world.run(3.0)
    assert world.batches
    assert all(5_500_000 < len(batch.event()) <= 6 * 2**20 for batch in world.batches)


@rule("a shard's batches come one after another", "[lambda-api] ParallelizationFactor: 1 by default")
def _one_by_one() -> None:
    world = Scripted(Delivering(batch_size=1), [fails])
    world.put("a", "b")
    assert world.run().keys == [["a"], ["a"], ["b"]]


@rule(
    "records of one item keep their order at any ParallelizationFactor",
    "[lambda-ddb] concurrent batches per shard",
)
def _order_of_items() -> None:
    world = Scripted(Delivering(batch_size=2, parallelization_factor=10), [fails, fails, fails])
    world.put(*"abcabcabc")
    world.run()
    for key in "abc":
        numbers = [
            int(record.sequence.text)
            for batch in world.batches
            for record in batch.records
            if f'"{key}"' in record.key
        ]
        assert [number for place, number in enumerate(numbers) if number not in numbers[:place]] == sorted(
            set(numbers)
        )


@rule("a lane that fails does not hold up the others", "[lambda-ddb] concurrent batches per shard")
def _lanes() -> None:
    world = Scripted(Delivering(parallelization_factor=10), otherwise=poisoned('"a"'))
    world.put(*"abcdefgh")
    world.run()
    done = {
        key for batch, keys in zip(world.batches, world.keys, strict=True) for key in keys if "a" not in keys
    }
    assert len(done) >= 5


# Where it begins


@rule("TRIM_HORIZON begins with the oldest record", "[lambda-api] StartingPosition")
def _horizon() -> None:
    world = Scripted()
    world.put("a")
    world.boot()
    assert world.run().keys == [["a"]]


@rule(
    "LATEST begins with new records; those made while it starts are not missed",
    "[lambda-api] StartingPosition, better",
)
def _latest() -> None:
    world = Scripted(Delivering(starting_position=StartingPosition.LATEST))
    world.put("old")
    world.clock.now += 10.0
    world.boot()
    world.put("while starting")
    assert world.run().keys == [["while starting"]]


@rule("AT_TIMESTAMP begins with the first record of that time", "[lambda-api] StartingPositionTimestamp")
def _at_timestamp() -> None:
    at = Delivering(starting_position=StartingPosition.AT_TIMESTAMP, starting_timestamp=START + 5.0)
    world = Scripted(at)
    world.put("old")
    world.clock.now += 6.0
    world.put("new")
    world.boot()
    assert world.run().keys == [["new"]]


@rule(
    "a mapping that has run goes on where it was, wherever it is told to begin",
    "[lambda-ddb] polling and batching streams",
)
def _goes_on() -> None:
    world = Scripted(Delivering(starting_position=StartingPosition.LATEST)).run()
    world.put("a")
    world.run()
    world.put("b")
    world.boot()
    assert world.run().keys == [["a"], ["b"]]


# Failures


@rule("a batch that fails comes again until it succeeds, and blocks its shard", "[lambda-ddb] error handling")
def _again() -> None:
    world = Scripted(Delivering(batch_size=2), [fails] * 5)
    world.put("a", "b", "c")
    assert world.run(20.0).keys == [["a", "b"]] * 6 + [["c"]]
    assert [batch.attempt for batch in world.batches] == [1, 2, 3, 4, 5, 6, 1]


@rule("MaximumRetryAttempts bounds the tries after the first", "[lambda-api] MaximumRetryAttempts")
def _retries() -> None:
    world = Scripted(Delivering(maximum_retry_attempts=2), otherwise=poisoned('"a"'))
    world.put("a")
    world.run()
    world.put("b")
    assert world.run().keys == [["a"]] * 3 + [["b"]]


@rule(
    "what is given up goes to the destination, and the shard goes on",
    "[lambda-ddb] retaining discarded batches",
)
def _destination() -> None:
    world = Scripted(Delivering(maximum_retry_attempts=0), [fails], has_destination=True)
    world.put("a")
    world.run()
    world.put("b")
    world.run()
    (failure,) = world.sent
    assert failure.condition is Condition.RETRY_ATTEMPTS_EXHAUSTED
    assert (failure.invoked, len(failure.records), failure.consumer) == (1, 1, "handlers:watch")
    assert world.keys[-1] == ["b"]


@rule(
    "records older than MaximumRecordAge are given up, younger ones are not",
    "[lambda-api] MaximumRecordAgeInSeconds",
)
def _age() -> None:
    world = Scripted(Delivering(maximum_record_age=60.0), otherwise=poisoned("old"), has_destination=True)
    world.put("old")
    world.run(50.0)
    world.put("young")
    world.run(20.0)
    (failure,) = world.sent
    assert failure.condition is Condition.RECORD_AGE_EXCEEDED
    assert [record.key for record in failure.records] == ['{"id":{"S":"old"}}']
    assert world.keys[-1] == ["young"]


@rule(
    "a record that was never tried and is too old is given up, too", "[lambda-api] MaximumRecordAgeInSeconds"
)
def _age_unseen() -> None:
    world = Scripted(Delivering(maximum_record_age=60.0))
    world.put("old")
    world.clock.now += 100.0
    world.boot()
    world.run()
    assert world.batches == []
    assert [stored.failure.condition for stored in world.failures] == [Condition.RECORD_AGE_EXCEEDED]


@rule("bisect halves a batch that fails, and uses up no retry", "[lambda-api] BisectBatchOnFunctionError")
def _bisect() -> None:
    world = Scripted(Delivering(bisects=True, maximum_retry_attempts=1), otherwise=poisoned('"c"'))
    world.put(*"abcd")
    world.run()
    assert world.keys == [list("abcd"), list("ab"), list("cd"), ["c"], ["c"], ["d"]]
    assert len(world.of_kind(BatchBisected)) == 2
    assert [[record.key for record in stored.failure.records] for stored in world.failures] == [
        ['{"id":{"S":"c"}}']
    ]


@rule("with bisect and a report, the batch is split at what was reported, and only the rest comes again",
      "[lambda-ddb] configuring partial batch response")  # fmt: skip
def _bisect_and_report() -> None:
    world = Scripted(
        Delivering(bisects=True, reports_item_failures=True, maximum_retry_attempts=0),
        [reports(2)],
        reports(),
    )
    world.put(*"abcd")
    assert world.run().keys == [list("abcd"), list("cd")]
    assert world.failures == ()


@rule(
    "a failure of what calls the function is none of the function's",
    "[lambda-ddb] error handling: service errors",
)
def _trouble() -> None:
    def away(_batch: Batch) -> object:
        raise Unavailable("it could not be tried")

    world = Scripted(Delivering(maximum_retry_attempts=0), [away] * 5)
    world.put("a")
    world.run(20.0)
    assert world.keys == [["a"]] * 6
    assert world.failures == ()


# Partial responses


@rule(
    "the lowest reported number and everything from it on come again",
    "[lambda-ddb] report batch item failures",
)
def _lowest() -> None:
    world = Scripted(REPORTING, [reports(3, 1)], reports())
    world.put(*"abcde")
    assert world.run().keys == [list("abcde"), list("bcde")]


@rule(
    "a record that keeps failing takes the rest of its batch with it",
    "[lambda-ddb] report batch item failures",
)
def _rest() -> None:
    world = Scripted(REPORTING, [reports(1), reports(0)], reports())
    world.put(*"abc")
    world.run()
    assert world.keys == [list("abc"), list("bc")]
    assert [len(stored.failure.records) for stored in world.failures] == [2]


@rule("without ReportBatchItemFailures the response is not looked at", "[lambda-api] FunctionResponseTypes")
def _not_looked_at() -> None:
    world = Scripted(Delivering(), [reports(0)])
    world.put("a", "b")
    assert world.run().keys == [["a", "b"]]


def _succeeds(response: object) -> Callable[[], None]:
    def story() -> None:
        world = Scripted(REPORTING, otherwise=lambda _batch: response)
        world.put("a", "b")
        assert world.run().keys == [["a", "b"]]
        assert world.failures == ()

    return story


def _fails_whole(response: Callable[[Batch], object]) -> Callable[[], None]:
    def story() -> None:
        world = Scripted(REPORTING, [response])
        world.put("a", "b")
        assert world.run().keys == [["a", "b"], ["a", "b"]]

    return story


for _what, _response in {
    "an empty list": {"batchItemFailures": []},
    "a null list": {"batchItemFailures": None},
    "an empty response": {},
    "a null response": None,
}.items():
    rule(f"{_what} is a complete success", "[lambda-ddb] success and failure conditions")(
        _succeeds(_response)
    )

for _what, _wrong in {
    "an empty identifier": {"itemIdentifier": ""},
    "a null identifier": {"itemIdentifier": None},
    "an identifier under another name": {"itemIdentifer": "1"},
    "an eventID, or any other identifier of no record": {"itemIdentifier": "0" * 32},
}.items():
    rule(f"{_what} is a complete failure", "[lambda-ddb] success and failure conditions")(
        _fails_whole(lambda _batch, wrong=_wrong: {"batchItemFailures": [wrong]})  # type: ignore[misc]
    )

rule("an exception is a complete failure", "[lambda-ddb] success and failure conditions")(_fails_whole(fails))
rule(
    "one wrong identifier beside right ones is a complete failure",
    "[lambda-ddb] success and failure conditions",
)(
    _fails_whole(
        lambda batch: {
            "batchItemFailures": [{"itemIdentifier": batch.records[1].sequence.text}, {"itemIdentifier": ""}]
        }
    )
)


# Windows


def _counting(batch: Batch) -> object:
    assert batch.window is not None
    state = json.loads(batch.window.state)
    count = state.get("count", 0) if isinstance(state, dict) else 0
    return {"state": {"count": count + len(batch.records)}}


@rule(
    "a window's state goes from invocation to invocation, and ends with it", "[lambda-ddb] tumbling windows"
)
def _state() -> None:
    world = Scripted(Delivering(batch_size=2, tumbling_window=30.0), otherwise=_counting)
    world.put("a", "b", "c")
    world.run(40.0)
    world.put("d")
    world.run(40.0)
    windows = [batch.window for batch in world.batches]
    assert all(window is not None for window in windows)
    assert [(len(batch.records), json.loads(w.state), w.final) for batch, w in zip(world.batches, windows, strict=True) if w] == [
        (2, {}, False), (1, {"count": 2}, False), (0, {"count": 3}, True), (1, {}, False), (0, {"count": 1}, True),
    ]  # fmt: skip
    assert all(w.end - w.start == 30.0 and w.start % 30.0 == 0 and not w.early for w in windows if w)


@rule("a batch is of one window", "[lambda-ddb] tumbling windows")
def _one_window() -> None:
    world = Scripted(Delivering(tumbling_window=10.0, maximum_batching_window=60.0), otherwise=_counting)
    for key in "abc":
        world.put(key)
        world.clock.now += 10.0
    world.boot()
    world.run(70.0)
    assert [keys for keys in world.keys if keys] == [["a"], ["b"], ["c"]]


@rule(
    "a response without a state fails the batch", "[lambda-ddb] tumbling windows: aggregation and processing"
)
def _no_state() -> None:
    world = Scripted(Delivering(tumbling_window=30.0), [lambda _batch: {}], _counting)
    world.put("a")
    assert world.run(1.0).keys == [["a"], ["a"]]


@rule(
    "a window whose final invocation fails stops its shard until it succeeds", "[lambda-ddb] tumbling windows"
)
def _final_fails() -> None:
    world = Scripted(
        Delivering(tumbling_window=10.0, maximum_retry_attempts=0), [_counting, fails, fails], _counting
    )
    world.put("a")
    world.run(25.0)
    world.put("b")
    world.run(5.0)
    finals = [batch.window.final for batch in world.batches if batch.window]
    assert finals == [False, True, True, True, False]
    assert world.keys[-1] == ["b"]


@rule("a state beyond 1 MB ends its window early", "[lambda-ddb] tumbling windows: considerations")
def _too_large() -> None:
    def large(batch: Batch) -> object:
        return {"state": "x" * 2**20}

    world = Scripted(Delivering(tumbling_window=30.0), [large], _counting)
    world.put("a")
    world.run(1.0)
    last = world.batches[-1].window
    assert last is not None
    assert (last.final, last.early) == (True, True)


@rule("a shard's end closes its window; the state is not too large, so that this is not early",
      "[lambda-ddb] tumbling windows: considerations")  # fmt: skip
def _ends_with_the_shard() -> None:
    world = Scripted(Delivering(tumbling_window=600.0), otherwise=_counting)
    world.put("a")
    world.run(1.0)
    world.simulator.streams.rotate_shards("orders")
    world.run(5.0)
    last = world.batches[-1].window
    assert last is not None
    assert (last.final, last.early, last.state) == (True, False, '{"count":1}')


@rule(
    "a child shard begins its own window with a fresh state", "[lambda-ddb] tumbling windows: considerations"
)
def _fresh() -> None:
    world = Scripted(Delivering(tumbling_window=600.0), otherwise=_counting)
    world.put("a")
    world.run(1.0)
    world.simulator.streams.rotate_shards("orders")
    world.put("a")
    world.run(5.0)
    assert [(keys, batch.window and batch.window.state) for keys, batch in zip(world.keys, world.batches, strict=True)] == [
        (["a"], "{}"), ([], '{"count":1}'), (["a"], "{}"),
    ]  # fmt: skip


@rule(
    "a batch that fails in part goes on with the state that it returned",
    "[lambda-ddb] tumbling windows: response",
)
def _state_of_a_part() -> None:
    def partly(batch: Batch) -> object:
        return {
            "batchItemFailures": [{"itemIdentifier": batch.records[1].sequence.text}],
            "state": {"count": 1},
        }

    world = Scripted(replace(REPORTING, tumbling_window=600.0), [partly], _counting)
    world.put("a", "b")
    world.run()
    assert world.keys == [["a", "b"], ["b"]]
    assert world.batches[1].window is not None
    assert world.batches[1].window.state == '{"count":1}'


# Filters


@rule(
    "what the filters leave out is passed over for good, and is in no batch", "[lambda-ddb] event filtering"
)
def _filtered() -> None:
    world = Scripted(Delivering(batch_size=2), passes=lambda text: b'"skip"' not in text)
    world.put("a", "skip", "b", "skip", "skip")
    assert world.run().keys == [["a", "b"]]
    delivery = world.ledger.open()
    assert delivery is not None
    world.passes = None
    world.boot()
    assert world.run().keys == [["a", "b"]]


@rule("what is durable of a window outlives the process", "[lambda-ddb] tumbling windows: at least once")
def _outlives() -> None:
    world = Scripted(Delivering(tumbling_window=30.0), otherwise=_counting)
    world.put("a")
    world.run(1.0)
    world.boot()
    world.run(40.0)
    last = world.batches[-1].window
    assert last is not None
    assert (last.final, last.state) == (True, '{"count":1}')


# Shards


@rule("the last page of a shard is delivered, too", "[ddb-api] GetRecords: NextShardIterator")
def _last_page() -> None:
    world = Scripted()
    world.put("a", "b")
    world.simulator.streams.rotate_shards("orders")
    world.put("c")
    assert world.run().keys == [["a", "b"], ["c"]]


@rule(
    "no more batches of a shard are under way than ParallelizationFactor says",
    "[lambda-api] ParallelizationFactor",
)
def _as_many_as_said() -> None:
    world = Scripted(Delivering(batch_size=1, parallelization_factor=3))
    world.hangs = True
    world.put(*"abcdefghijkl")
    world.run(2.0)
    assert len(world.hanging) == 3


@rule("a child is read after its parent is delivered", "[lambda-ddb] polling and batching streams: in order")
def _parents_first() -> None:
    world = Scripted(Delivering(batch_size=1), [fails, fails])
    world.put("a")
    world.simulator.streams.split_shard("orders")
    world.put("a")
    world.run(20.0)
    numbers = [batch.records[0].sequence.text for batch in world.batches]
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]
    assert len({batch.shard for batch in world.batches}) == 2


# Beyond Lambda


@rule("park puts an item aside, and the others go on", "Headrace: on_poison")
def _park() -> None:
    park = Delivering(batch_size=10, maximum_retry_attempts=1, on_poison=OnPoison.PARK)
    world = Scripted(park, otherwise=poisoned('"a"'))
    world.put(*"abcab")
    world.run()
    done = [
        key for batch, keys in zip(world.batches, world.keys, strict=True) for key in keys if "a" not in keys
    ]
    assert done == list("bcb")
    assert len(world.of_kind(KeyParked)) == 1
    assert world.failures == ()


@rule("parked records come back in their order, before later ones of their item", "Headrace: on_poison")
def _released() -> None:
    park = Delivering(batch_size=1, maximum_retry_attempts=0, on_poison=OnPoison.PARK)
    world = Scripted(park, otherwise=poisoned('"a"'))
    world.put(*"aba")
    world.run()
    world.otherwise = lambda _batch: None
    world.tell(RedriveFailures(1)).run()
    world.put("a")
    world.run()
    numbers = [
        int(batch.records[0].sequence.text)
        for batch, keys in zip(world.batches, world.keys, strict=True)
        if keys == ["a"]
    ]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 3
    assert len(world.of_kind(KeyReleased)) == 1
    (settled,) = world.settled
    assert settled.outcome is not None
    assert settled.outcome.released == 2


@rule("failures are redriven when somebody asks, and kept if they fail again", "Headrace: redrive")
def _redriven() -> None:
    world = Scripted(Delivering(maximum_retry_attempts=0), [fails, fails])
    world.put("a")
    world.run()
    world.tell(RedriveFailures(1)).run()
    assert [stored.redriven for stored in world.failures] == [1]
    world.tell(RedriveFailures(2)).run()
    assert world.failures == ()
    assert [one.outcome and (one.outcome.done, one.outcome.failing) for one in world.settled] == [
        (0, 1),
        (1, 0),
    ]


@rule("failures are redriven on a schedule", "Headrace: redrive_interval")
def _on_schedule() -> None:
    world = Scripted(Delivering(maximum_retry_attempts=0, redrive_interval=60.0), [fails])
    world.put("a")
    world.run(30.0)
    assert len(world.failures) == 1
    world.run(40.0)
    assert world.failures == ()


@rule("failures are discarded when somebody asks", "Headrace: discard")
def _discarded() -> None:
    world = Scripted(Delivering(maximum_retry_attempts=0), [fails])
    world.put("a")
    world.run()
    world.tell(DiscardFailures(1)).run()
    assert world.failures == ()
    assert len(world.batches) == 1


@rule(
    "records that the stream has forgotten are told as a failure, and the shard goes on",
    "Headrace: RecordsExpired",
)
def _forgotten() -> None:
    world = Scripted(Delivering(batch_size=1)).run()
    world.put("a")
    world.run()
    world.put("b")
    world.clock.now += 25 * 3600.0
    world.simulator.streams.trim_records("orders")
    world.put("c")
    world.boot()
    world.run(30.0)
    assert world.keys == [["a"], ["c"]]
    assert [stored.failure.condition for stored in world.failures] == [Condition.RECORDS_EXPIRED]


@rule(
    "a record that keeps failing without end is given up before the stream forgets those behind it",
    "Headrace: RecordsExpired",
)
def _expires() -> None:
    world = Scripted(Delivering(), otherwise=poisoned('"a"'))
    world.put("a")
    world.run(1.0)
    world.clock.now += 23.2 * 3600.0
    world.put("b")
    world.run(60.0)
    assert world.keys[-1] == ["b"]
    assert [stored.failure.condition for stored in world.failures] == [Condition.RECORDS_EXPIRED]


@rule("a stop waits for what is handed over, which does not come again", "Headrace: stopping")
def _rests() -> None:
    world = Scripted(Delivering(batch_size=1))
    world.put("a", "b")
    world.run(0.0)
    while not world.batches:
        world.run(0.1)
    world.tell(Rest()).run(1.0)
    assert world.rested
    delivered = len(world.batches)
    world.boot()
    world.run()
    assert len(world.batches) == 2
    assert delivered <= 2


@pytest.mark.parametrize("each", RULES, ids=[each.says for each in RULES])
def test_a_mapping_keeps_to_the_rule(each: Rule) -> None:
    assert each.source
    each.story()
