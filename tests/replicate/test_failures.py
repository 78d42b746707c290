"""Every row of the table of failures, at the opening and while running: what is done, and what the outside sees of it."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from headrace.config import load_pod
from headrace.dataset import GapBehavior
from headrace.errors import AcceleratorError, AcceleratorFull, AcceleratorLocked, CommitUnknown
from headrace.observe import GapFound, Reinitialized, TransientFault
from headrace.replicate.commands import Apply, CheckStore, OpenStore
from headrace.simulator.faults import Alter, Cut, Lose, Refuse, no_faults
from headrace.status import State
from support.watching import Outside
from support.world import TABLE, World

MOMENTS = ("at the opening", "while running")


def facts(world, kind):
    return [fact for fact in world.runner.facts if isinstance(fact, kind)]


def begun(moment, seed=1, **options):
    """A world whose dataset is about to open, or is Ready."""
    world = World(seed, items=20, **options)
    if moment == "while running":
        world.settle()
    return world


def plant(world, faults):
    world.simulator.faults = faults


def until(world, condition, steps=60_000):
    world.runner.run_until(condition, steps)


def until_said(world, *words):
    """The status says Error and every word; not live."""

    def said():
        status = world.runner.status
        return (
            status and status.status is State.ERROR and all(word in (status.reason or "") for word in words)
        )

    until(world, said)
    assert not world.runner.status.live


def heals(world):
    """Without a restart: Ready, live, equal to the table."""
    plant(world, no_faults)
    world.settle()
    until(world, lambda: world.runner.status.live and world.runner.status.status is State.READY)
    assert world.runner.status.reason is None or "behind" in world.runner.status.reason


# Transient failures

TRANSIENT = {
    "throttled": Refuse("ProvisionedThroughputExceededException"),
    "throttled by Streams": Refuse("LimitExceededException"),
    "an internal error": Refuse("InternalServerError", status=500),
    "unavailable": Refuse("ServiceUnavailable", status=503),
    "the connection lost before the request arrived": Lose(),
    "the connection lost before the answer arrived": Lose(after_effect=True),
    "an answer that is cut off": Cut(keep=20),
    "no answer at all": Cut(keep=0),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", TRANSIENT)
def test_a_passing_failure_is_tried_again_and_counted(moment, what):
    world = begun(moment)
    before = len(facts(world, TransientFault))
    world.put("not read yet")
    plant(world, lambda *_: TRANSIENT[what])
    until(world, lambda: len(facts(world, TransientFault)) > before + 5)
    if world.runner.status.status is State.ERROR:
        assert "no progress" in world.runner.status.reason, "only its length makes it an error"
    heals(world)
    outside = Outside(world.runner.facts)
    assert outside.metric("errors_transient_total") == len(facts(world, TransientFault))
    assert outside.logged("transient_fault")[0]["level"] == "warning"
    assert not facts(world, GapFound)


def shard_of(request):
    place = request["ShardIterator"].rpartition("|")[2]
    return base64.b64decode(place).decode().partition(":")[0]


def test_one_shard_backs_off_with_jitter_while_the_others_go_on():
    world = begun("while running", seed=3)
    sick, *well = world.simulator.streams.open_shards(TABLE)
    assert well
    asked: dict[str, int] = {}

    def faults(operation, request):
        if operation != "GetRecords":
            return None
        shard = shard_of(request)
        asked[shard] = asked.get(shard, 0) + 1
        return TRANSIENT["throttled by Streams"] if shard == sick else None

    before = len(facts(world, TransientFault))
    plant(world, faults)
    start = world.clock.now
    until(world, lambda: world.clock.now - start > 25)
    waits = [fact.retry_in for fact in facts(world, TransientFault)[before:] if fact.what == f"shard {sick}"]
    assert len(waits) > 4
    for number, wait in enumerate(waits):
        whole = min(20.0, 0.2 * 2**number)
        assert whole / 2 <= wait <= whole
    assert len({round(wait / min(20.0, 0.2 * 2**n), 3) for n, wait in enumerate(waits)}) > 1, "jitter"
    assert all(asked[shard] > 3 * asked[sick] for shard in well)
    assert {fact.what for fact in facts(world, TransientFault)[before:]} == {f"shard {sick}"}
    heals(world)


def test_an_iterator_older_than_fifteen_minutes_is_opened_again_after_the_last_record():
    world = begun("while running")
    world.clock.now += 16 * 60
    world.put("after the pause")
    before = world.copy()
    heals(world)
    expired = [fact for fact in facts(world, TransientFault) if "iterator" in fact.error.lower()]
    assert expired
    assert all(fact.what.startswith("shard ") for fact in expired)
    assert world.copy() != before
    assert not facts(world, GapFound)


# What a person must do


@dataclass(frozen=True)
class Denial:
    """A refusal, the operations that meet it, and the words that its reason must have."""

    refuse: Refuse
    words: tuple[str, ...]
    operations: tuple[str, ...] = ()


DENIALS = {
    "not permitted to describe": Denial(
        Refuse("AccessDeniedException", "User is not authorized"),
        ("DescribeTable", "allow dynamodb:DescribeTable", "IAM policy"),
        ("DescribeTable",),
    ),
    "not permitted to list shards": Denial(
        Refuse("AccessDeniedException", "User is not authorized"),
        ("allow dynamodb:DescribeStream on table/orders/stream/*",),
        ("DescribeStream",),
    ),
    "not permitted to scan": Denial(
        Refuse("AccessDeniedException", "User is not authorized"),
        ("allow dynamodb:Scan on table/orders",),
        ("Scan",),
    ),
    "not permitted to read records": Denial(
        Refuse("AccessDeniedException", "User is not authorized"),
        ("allow dynamodb:GetRecords on table/orders/stream/*",),
        ("GetRecords",),
    ),
    "an expired token": Denial(
        Refuse("ExpiredTokenException", "The security token included in the request is expired"),
        ("the credentials have expired", "aws sso login", "dynamodb_aws_session_token"),
    ),
    "unknown keys": Denial(
        Refuse("UnrecognizedClientException", "The security token is invalid"),
        ("does not accept the credentials", "secret access key"),
    ),
    "a wrong clock": Denial(
        Refuse("RequestTimeTooSkewed", "Signature expired"), ("set this machine's clock",)
    ),
}
MET_WHILE_RUNNING = {what for what in DENIALS if "describe" not in what and "scan" not in what}


@pytest.mark.parametrize(
    ("moment", "what"),
    [
        (moment, what)
        for what in DENIALS
        for moment in MOMENTS
        if moment == MOMENTS[0] or what in MET_WHILE_RUNNING
    ],
)
def test_a_denial_names_its_cure_is_tried_slowly_and_heals_without_a_restart(moment, what):
    denial = DENIALS[what]
    world = begun(moment)
    was_ready = world.runner.ready
    before = len(facts(world, TransientFault))

    def faults(operation, request):
        return denial.refuse if not denial.operations or operation in denial.operations else None

    world.put("not read yet")
    if denial.operations == ("DescribeStream",):
        world.simulator.streams.rotate_shards(TABLE)
    plant(world, faults)
    until_said(world, *denial.words)
    assert world.runner.ready == was_ready, "what was copied may still be queried"
    start, tries = world.clock.now, len(facts(world, TransientFault))
    until(world, lambda: world.clock.now - start > 300)
    made = len(facts(world, TransientFault)) - tries
    assert made < 300 * 16 / 15, "tried slowly"
    waits = [fact.retry_in for fact in facts(world, TransientFault)[before:]]
    assert max(waits) <= 30
    outside = Outside(world.runner.facts)
    assert outside.metric("live") == 0
    assert outside.metric("errors_transient_total") > 0
    assert any(denial.words[0] in event["error"] for event in outside.logged("transient_fault"))
    said = outside.logged("status_changed")[-1]
    assert (said["status"], said["level"]) == ("Error", "error")
    heals(world)


def without_stream(world):
    change_stream(world, StreamEnabled=False)


def change_stream(world, **specification):
    world.call("UpdateTable", TableName=TABLE, StreamSpecification=specification)
    while world.call("DescribeTable", TableName=TABLE)["Table"]["TableStatus"] != "ACTIVE":
        world.clock.now += 1


def with_stream(world, view="NEW_IMAGE"):
    change_stream(world, StreamEnabled=True, StreamViewType=view)


def drop(world):
    world.call("DeleteTable", TableName=TABLE)
    while b"TableStatus" in world.simulator("DescribeTable", json.dumps({"TableName": TABLE}).encode()).body:
        world.clock.now += 1


def forget_what_was_seen(world):
    """Another table or stream begins: its keys owe the old one's nothing."""
    world.seen.clear()
    world.vanished.clear()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_table_that_is_deleted_is_named_and_one_of_its_name_is_copied_anew(moment):
    world = begun("while running")
    drop(world)
    if moment == MOMENTS[0]:
        world.runner.boot()
    until_said(world, "table orders does not exist", "dynamodb_aws_region")
    assert world.runner.ready is (moment == MOMENTS[1])
    world.create()
    for number in range(5):
        world.put(f"new{number}")
    forget_what_was_seen(world)
    until(world, lambda: facts(world, Reinitialized))
    heals(world)
    assert [fact.reason for fact in facts(world, Reinitialized)] == ["table orders was re-created"]
    assert not facts(world, GapFound)
    assert Outside(world.runner.facts).metric("reinitializations_total") == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_table_re_created_between_two_looks_is_copied_anew(moment):
    world = begun("while running")
    drop(world)
    world.create()
    world.put("of the new one")
    forget_what_was_seen(world)
    if moment == MOMENTS[0]:
        world.runner.boot()
    until(world, lambda: facts(world, Reinitialized))
    heals(world)
    assert facts(world, Reinitialized)[0].reason == "table orders was re-created"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stream_that_is_off_is_drained_said_and_another_one_begins_a_new_copy(moment):
    world = begun("while running")
    world.put("the last that the old stream holds")
    without_stream(world)
    if moment == MOMENTS[0]:
        world.runner.boot()
    until_said(world, "has no stream of its changes", "aws dynamodb update-table --table-name orders")
    if moment == MOMENTS[1]:
        assert world.runner.ready
        assert "the last that the old stream holds" in world.copy(), "drained before anything else"
    world.put("seen by no stream")
    with_stream(world)
    forget_what_was_seen(world)
    until(world, lambda: facts(world, Reinitialized))
    heals(world)
    assert "turned off and on again" in facts(world, Reinitialized)[0].reason
    assert not facts(world, GapFound)
    logged = Outside(world.runner.facts).logged("reinitialized")
    assert "turned off and on again" in logged[0]["reason"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stream_that_was_replaced_unseen_is_drained_first(moment):
    """Off and on between two looks: what the old stream holds is applied before the table is copied anew."""
    world = begun("while running")
    for number in range(30):
        world.put(f"last{number}")
    without_stream(world)
    with_stream(world)
    forget_what_was_seen(world)
    if moment == MOMENTS[0]:
        world.runner.boot()
    until(world, lambda: facts(world, Reinitialized))
    assert {f"last{number}" for number in range(30)} <= set(world.copy())
    heals(world)
    assert not facts(world, GapFound)


def test_a_stream_without_new_images_names_the_view_types_that_serve():
    world = begun(MOMENTS[0])
    without_stream(world)
    with_stream(world, view="KEYS_ONLY")
    until_said(world, "KEYS_ONLY", "NEW_IMAGE or NEW_AND_OLD_IMAGES", "update-table")
    without_stream(world)
    with_stream(world)
    heals(world)


# Gaps

SPELLINGS = {
    "lag_exceeds_shard_retention_behavior: error": GapBehavior.ERROR,
    "lag_exceeds_shard_retention_behavior: ready_before_load": GapBehavior.READY_BEFORE_LOAD,
    "lag_exceeds_shard_retention_behavior: ready_after_load": GapBehavior.READY_AFTER_LOAD,
    "lag_exceeds_shard_retention_behavior: restart": GapBehavior.READY_AFTER_LOAD,
    "replication_invalid_checkpoint_behavior: error": GapBehavior.ERROR,
    "dynamodb_replication_invalid_checkpoint_behavior: restart": GapBehavior.READY_AFTER_LOAD,
}


def behavior_of(folder, spelling):
    (folder / "spicepod.yaml").write_text(
        "datasets:\n  - from: dynamodb:orders\n    name: orders\n"
        f"    params: {{aws_region: us-east-1, {spelling}}}\n"
        "    acceleration: {refresh_mode: changes}\n"
    )
    return load_pod(None, {}, folder).datasets[0].replication.gap_behavior


def sleep_through_the_retention(world):
    """More than a day in which the table is written to, and nothing is read."""
    for _ in range(14):
        for _ in range(5):
            world.write()
        world.simulator.streams.rotate_shards(TABLE)
        world.clock.now += 2 * 3600
    forget_what_was_seen(world)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_gap_follows_the_configured_behavior_at_the_opening_and_while_running_alike(
    tmp_path, spelling, moment
):
    behavior = behavior_of(tmp_path, spelling)
    assert behavior is SPELLINGS[spelling]
    world = begun("while running", gap_behavior=behavior)
    old = world.copy()
    sleep_through_the_retention(world)
    if moment == MOMENTS[0]:
        world.runner.boot()
    until(world, lambda: facts(world, GapFound))
    until(world, lambda: world.runner.status.status is not State.READY)
    outside = Outside(world.runner.facts)
    assert outside.metric("gaps_total") == 1
    gap = outside.logged("gap_found")[0]
    assert gap["behavior"] == behavior
    assert gap["reason"]

    if behavior is GapBehavior.ERROR:
        until_said(world, "Changes are lost", "ready_before_load or ready_after_load")
        assert gap["level"] == "error"
        assert not world.runner.ready
        for _ in range(500):
            world.runner.step()
        assert world.copy() == old, "nothing is applied behind a gap"
        assert not world.runner.ready
        return
    assert gap["level"] == "warning"
    serves = behavior is GapBehavior.READY_BEFORE_LOAD
    new = world.truth()
    while world.copy() != new:
        assert world.copy() == old, "never an empty or a mixed table"
        if facts(world, Reinitialized):
            assert world.runner.ready is serves
            assert world.runner.status.status in (State.REFRESHING if serves else State.LOADING, State.ERROR)
        world.runner.step()
    heals(world)
    outside = Outside(world.runner.facts)
    assert outside.metric("reinitializations_on_lag_exceeds_shard_retention_total") == 1
    assert "forgotten" in outside.logged("reinitialized")[0]["reason"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_gap_that_stops_a_restart_with_another_setting_copies_the_table_anew(moment):
    world = begun("while running", gap_behavior=GapBehavior.ERROR)
    sleep_through_the_retention(world)
    if moment == MOMENTS[0]:
        world.runner.boot()
    until_said(world, "Changes are lost")
    settings = world.runner.settings
    world.runner.settings = type(settings)(
        scan_segments=settings.scan_segments, gap_behavior=GapBehavior.READY_AFTER_LOAD
    )
    world.runner.boot()
    heals(world)


def test_a_stream_that_is_not_known_for_a_moment_is_no_gap():
    """DescribeStream may answer ResourceNotFoundException for a stream that is there."""
    world = begun("while running")
    left = [2]

    def faults(operation, request):
        if operation == "DescribeStream" and left[0]:
            left[0] -= 1
            return Refuse("ResourceNotFoundException", "Requested resource not found")
        return None

    world.simulator.streams.rotate_shards(TABLE)
    world.put("after")
    plant(world, faults)
    until(world, lambda: not left[0])
    heals(world)
    assert not facts(world, GapFound)


# The accelerator

OF_STORE = {
    "a full disk": (
        Apply,
        lambda: AcceleratorFull("cannot write orders: no space left; make room on the disk"),
    ),
    "a locked file": (OpenStore, lambda: AcceleratorLocked("orders.duckdb is held by process 42; stop it")),
    "a file that cannot be read": (OpenStore, lambda: AcceleratorError("not a DuckDB file; move it away")),
    "a lost connection": (Apply, lambda: CommitUnknown("the connection was lost at commit")),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", OF_STORE)
def test_a_failing_accelerator_moves_no_checkpoint_and_says_why(moment, what):
    kind, make = OF_STORE[what]
    world = begun(moment)
    if moment == MOMENTS[1] and kind is OpenStore:
        world.runner.boot()
    stored = world.sink.open()
    fail(world, lambda request: make() if isinstance(request, kind) else None)
    world.put("meanwhile")
    until_said(world, str(make()))
    for _ in range(300):
        world.runner.step()
    assert world.sink.open() == stored
    outside = Outside(world.runner.facts)
    assert outside.metric("errors_transient_total") > 0
    assert outside.metric("live") == 0
    assert any(str(make()) in event["error"] for event in outside.logged("transient_fault"))
    fail(world, lambda request: None)
    heals(world)


def fail(world, error_of: Callable):
    """Requests for which ``error_of`` gives an error fail with it; the others are carried out."""
    runner = world.runner
    carry_out = type(runner)._carry_out

    def carried_out(request):
        error = error_of(request)
        return runner._failed(request, error) if error is not None else carry_out(runner, request)

    runner._carry_out = carried_out


def test_an_idle_accelerator_that_has_failed_for_its_readers_is_opened_anew():
    """No transaction would meet it for hours."""
    world = begun("while running")
    broken = [True]
    opened = []

    def error_of(request):
        if isinstance(request, OpenStore):
            opened.append(request)
            broken[0] = False
        return (
            CommitUnknown("the database gave up") if isinstance(request, CheckStore) and broken[0] else None
        )

    fail(world, error_of)
    until(world, lambda: opened)
    heals(world)
    assert len(opened) == 1
    assert any("gave up" in fact.error for fact in facts(world, TransientFault))
    assert not facts(world, Reinitialized)


def test_an_accelerator_that_has_lost_its_rows_is_filled_anew_and_not_queried_until_then():
    """As one in memory has whose engine failed."""
    world = begun("while running")
    seen = len(facts(world, TransientFault))

    def lost(request):
        if isinstance(request, CheckStore):
            world.sink._copies.clear()
            return CommitUnknown("the engine failed")
        return None

    fail(world, lost)
    until(world, lambda: len(facts(world, TransientFault)) > seen)
    fail(world, lambda request: None)
    until(world, lambda: not world.runner.ready)
    forget_what_was_seen(world)
    heals(world)


def test_a_page_that_is_altered_on_its_way_is_not_taken_for_an_answer():
    """What is JSON and not what the API documents is a failure to be tried again, not a defect that ends the thread."""
    for operation, change in {
        "DescribeTable": lambda answer: {"Table": {**answer["Table"], "KeySchema": 7}},
        "DescribeStream": lambda answer: {},
        "GetShardIterator": lambda answer: {},
        "GetRecords": lambda answer: {"Records": "none"},
        "Scan": lambda answer: {"Items": 1},
    }.items():
        world = World(2, items=5)
        plant(world, lambda asked, _, o=operation, c=change: Alter(c) if asked == o else None)
        until(world, lambda w=world: len(facts(w, TransientFault)) > 2)
        heals(world)


def test_a_page_from_before_the_position_is_not_applied_again():
    world = begun("while running")
    pages, again = {}, [0]

    def keep(operation, request):
        def kept(answer):
            if answer["Records"]:
                pages.setdefault(shard_of(request), answer["Records"])
            return answer

        return Alter(kept) if operation == "GetRecords" else None

    def repeat(operation, request):
        def repeated(answer):
            again[0] += 1
            return {**answer, "Records": pages[shard_of(request)]}

        return Alter(repeated) if operation == "GetRecords" and shard_of(request) in pages else None

    plant(world, keep)
    world.put("k1")
    until(world, lambda: pages)
    world.put("k1")
    world.settle()
    plant(world, repeat)
    until(world, lambda: again[0] > 3)
    world.look()
    assert any("before where it was asked for" in fact.error for fact in facts(world, TransientFault))
    heals(world)
