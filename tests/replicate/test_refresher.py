"""A copy that follows no stream is made by refreshes."""

from headrace.accelerators.memory import MemoryAccelerator
from headrace.dataset import OnStartup, Refresh, RefreshMode, Retention
from headrace.errors import SelectionUnusable
from headrace.observe import (
    BootstrapResumed,
    CopyResumed,
    RefreshFailed,
    RefreshFinished,
    RefreshStarted,
    SnapshotRestored,
    SnapshotSaved,
)
from headrace.replicate import retention
from headrace.replicate.commands import Redrive, Refreshed, Reselect
from headrace.simulator.faults import Refuse
from headrace.status import State
from support.refreshed import START, ByTime, RefreshedWorld


def test_a_table_without_a_stream_is_loaded_and_then_left_alone():
    world = RefreshedWorld()
    world.settle()
    assert world.copy() == world.truth()
    status = world.runner.status
    assert (status.ready, status.live, status.fresh, status.reason) == (True, True, True, None)
    asked = len(world.calls)
    world.put("new")
    world.wait(3600)
    assert len(world.calls) == asked
    assert "new" not in world.copy()
    assert world.runner.status.lag > 3600
    assert world.runner.status.fresh


def test_a_stream_of_the_wrong_view_type_does_not_matter():
    world = RefreshedWorld(stream=True)
    world.settle()
    assert world.copy() == world.truth()


def test_a_full_refresh_brings_what_is_new_and_removes_what_is_gone():
    world = RefreshedWorld()
    world.settle()
    world.put("new")
    world.delete("k3")
    reply = world.refreshed()
    assert isinstance(reply.outcome, Refreshed)
    assert world.copy() == world.truth()
    assert reply.outcome.rows == len(world.truth())


def test_the_old_copy_is_served_whole_until_the_new_one_is_complete():
    world = RefreshedWorld()
    world.settle()
    old = world.copy()
    world.delete("k1")
    world.put("new")
    ticket = world.ask()
    seen = set()
    while world.reply(ticket) is None:
        world.runner.step()
        assert (
            world.copy() == (world.truth() if world.reply(ticket) else old) or world.copy() == world.truth()
        )
        assert world.runner.status.ready
        seen.add(world.runner.status.status)
    assert State.REFRESHING in seen


def test_a_refresh_comes_an_interval_after_the_end_of_the_last():
    world = RefreshedWorld(refresh=Refresh(interval=60.0))
    world.settle()
    (first,) = world.facts(RefreshFinished)
    world.run_until(lambda: len(world.facts(RefreshStarted)) == 2)
    assert 60.0 <= world.clock.now - first.at < 62.0
    world.run_until(lambda: len(world.facts(RefreshFinished)) == 2)
    assert [fact.reason for fact in world.facts(RefreshStarted)] == ["there is no copy yet", "it is due"]


def test_after_a_restart_the_interval_counts_from_the_last_refresh():
    world = RefreshedWorld(refresh=Refresh(interval=1000.0))
    world.settle()
    (first,) = world.facts(RefreshFinished)
    world.clock.now += 700.0
    world.runner.boot()
    world.settle()
    assert len(world.facts(RefreshStarted)) == 1
    world.run_until(lambda: len(world.facts(RefreshStarted)) == 2)
    assert 1000.0 <= world.clock.now - first.at < 1002.0
    world.settle()
    world.clock.now += 5000.0
    world.runner.boot()
    begun = world.clock.now
    world.run_until(lambda: len(world.facts(RefreshStarted)) == 3)
    assert world.clock.now - begun < 3.0


def test_a_cron_schedule_is_met_in_utc():
    world = RefreshedWorld(refresh=Refresh(cron="*/10 * * * *"))
    world.settle()
    world.run_until(lambda: len(world.facts(RefreshStarted)) == 2)
    assert world.clock.now % 600 < 2.0
    world.settle()


def test_a_start_refreshes_at_once_if_it_is_always_to():
    world = RefreshedWorld(refresh=Refresh(on_startup=OnStartup.ALWAYS))
    world.settle()
    world.put("new")
    world.runner.boot()
    world.run_until(lambda: "new" in world.copy())
    assert world.facts(RefreshStarted)[-1].reason == "refresh_on_startup"


def test_a_crash_resumes_the_scan_at_its_cursors():
    world = RefreshedWorld(items=200, segments=1)
    world.settle()
    world.put("new")
    world.ask()
    scans = world.calls.count("Scan")
    world.run_until(lambda: len(world.sink.building_rows()) > 100)
    world.runner.boot()
    world.calls.clear()
    world.run_until(lambda: "new" in world.copy())
    assert world.calls.count("Scan") < scans * 0.7
    assert world.copy() == world.truth()
    assert world.facts(RefreshStarted)[-1].reason == "an earlier process began it"


def test_a_first_load_that_is_killed_goes_on_where_it_was():
    world = RefreshedWorld(items=200, segments=1)
    world.run_until(lambda: len(world.sink.live_rows()) > 100)
    assert not world.runner.ready
    world.runner.boot()
    world.settle()
    (resumed,) = world.facts(BootstrapResumed)
    assert resumed.rows_scanned > 100
    assert world.copy() == world.truth()


def test_a_request_begins_anew_what_is_under_way():
    world = RefreshedWorld(items=200, segments=1)
    world.settle()
    first = world.ask()
    world.run_until(lambda: len(world.sink.building_rows()) > 100)
    world.put("k0")
    second = world.ask()
    world.run_until(lambda: world.reply(second) is not None)
    assert "begins anew" in world.reply(first).refusal
    assert world.reply(second).outcome is not None
    assert world.copy() == world.truth()


def test_a_copy_of_other_settings_is_not_served_and_copied_anew():
    world = RefreshedWorld()
    world.settle()
    world.mode = RefreshMode.APPEND
    world.runner.boot()
    while world.facts(RefreshStarted)[-1].reason != "the copy was made by other settings":
        world.runner.step()
        assert not world.runner.ready
    world.settle()
    assert world.copy() == world.truth()


def test_a_table_that_was_made_anew_is_copied_anew_at_a_start():
    world = RefreshedWorld()
    world.settle()
    world.recreate()
    world.put("only")
    world.runner.boot()
    world.run_until(lambda: world.copy() == {"only": world.versions})
    assert world.facts(RefreshStarted)[-1].reason == "the table was re-created"


def test_an_engine_that_loses_its_copy_is_loaded_again():
    world = RefreshedWorld()
    world.settle()
    world.runner.sink = world.sink = world.kept.sink = MemoryAccelerator()
    world.runner.boot()
    world.settle()
    assert world.copy() == world.truth()


def test_a_refresh_that_fails_for_good_keeps_the_old_copy_and_says_so():
    world = RefreshedWorld(refresh=Refresh(interval=100.0, max_attempts=2))
    world.settle()
    old = world.copy()
    world.put("new")
    world.fault = refuse_scans
    reply = world.refreshed()
    assert "it failed" in reply.refusal
    world.run_until(lambda: world.runner.status.reason.startswith("the last refresh failed: "))
    status = world.runner.status
    assert (status.status, status.ready, status.live) == (State.ERROR, True, False)
    assert world.copy() == old
    assert len(world.facts(RefreshFailed)) == 1
    world.fault = lambda *_: None
    world.settle()
    assert world.copy() == world.truth()


def test_without_retries_one_failure_ends_a_refresh_but_never_the_first_load():
    world = RefreshedWorld(refresh=Refresh(retry=False))
    world.fault = refuse_scans
    world.run_until(lambda: world.calls.count("Scan") > 5)
    world.fault = lambda *_: None
    world.settle()
    world.fault = refuse_scans
    before = world.calls.count("Scan")
    assert world.refreshed().refusal is not None
    assert world.calls.count("Scan") - before <= 2


def refuse_scans(operation, _):
    return Refuse("AccessDeniedException") if operation == "Scan" else None


def append(**how):
    return RefreshedWorld(mode=RefreshMode.APPEND, **how)


def test_an_append_adds_what_is_newer_and_leaves_the_rest():
    world = append()
    world.settle()
    old = world.copy()
    world.clock.now += 100.0
    world.delete("k3")
    world.put("late", at=START - 50)
    world.put("new")
    world.put("k1")
    # The newest of before comes again: others may have its time.
    assert world.refreshed().outcome.rows == 3
    assert world.copy() == {**old, "new": world.truth()["new"], "k1": world.truth()["k1"]}
    assert world.facts(RefreshStarted)[-1].mode == "append"


def test_an_overlap_brings_what_came_late():
    world = append(refresh=Refresh(overlap=200.0))
    world.settle()
    world.clock.now += 100.0
    world.put("late", at=START - 50)
    world.refreshed()
    assert "late" in world.copy()


def test_a_row_of_the_future_hides_nothing_that_comes_after_it():
    world = append()
    world.put("future", at=START * 2)
    world.settle()
    world.clock.now += 100.0
    world.put("new")
    world.refreshed()
    assert "new" in world.copy()


def late_rows(world):
    """A hundred rows that come after the load, of times before it: since the newest row that was loaded."""
    for number in range(100):
        world.put(f"n{number}", at=int(START) + number)


def loaded_late(**how):
    world = append(items=3, segments=1, **how)
    world.clock.now += 1000.0
    world.settle()
    late_rows(world)
    return world


def test_an_append_that_is_killed_loses_no_row_that_is_older_than_those_it_had_added():
    """Rows come in no order of time: after the crash the newest row is no measure any more."""
    world = loaded_late()
    world.ask()
    world.run_until(lambda: len(world.copy()) > 40)
    world.runner.boot()
    world.settle()
    assert world.copy() == world.truth()


def test_an_append_that_is_begun_anew_or_given_up_leaves_its_measure_to_the_next():
    world = loaded_late(refresh=Refresh(retry=False))
    world.ask()
    world.run_until(lambda: len(world.copy()) > 20)
    ticket = world.ask()
    world.run_until(lambda: len(world.copy()) > 40)
    world.fault = refuse_scans
    world.run_until(lambda: world.reply(ticket) is not None)
    assert world.reply(ticket).refusal is not None
    world.fault = lambda *_: None
    assert world.refreshed().outcome is not None
    assert world.copy() == world.truth()


def test_a_copy_that_was_begun_before_rows_were_added_is_not_gone_on_with():
    world = append(items=100, segments=1)
    world.settle()
    world.ask(whole=True)
    world.run_until(lambda: len(world.sink.building_rows()) > 50)
    world.clock.now += 10.0
    for number in range(100):
        world.put(f"k{number}")
    world.refreshed()
    assert world.copy() == world.truth()
    world.runner.boot()
    world.settle()
    world.wait(10.0)
    assert world.copy() == world.truth()


def test_the_measure_stays_when_all_rows_have_gone():
    world = append(items=3, retention=Retention(5.0))
    world.settle()
    world.refreshed()
    world.clock.now += 100.0
    world.kept.keeps_from = START + 50
    world.run_until(lambda: not world.copy())
    world.put("new")
    assert world.refreshed().outcome.rows == 2
    world.run_until(lambda: set(world.copy()) == {"new"})


def test_a_table_can_be_copied_whole_once_though_the_dataset_only_adds():
    world = append()
    world.settle()
    world.delete("k3")
    assert world.refreshed(whole=True).outcome is not None
    assert world.copy() == world.truth()
    world.clock.now += 10.0
    world.put("new")
    assert world.refreshed().outcome.rows == 2
    assert world.copy() == world.truth()


def test_one_refresh_can_have_a_selection_of_its_own_and_the_next_has_the_datasets():
    world = RefreshedWorld(items=0)
    for number in range(20):
        world.put(f"k{number}", status="new" if number % 2 else "paid")
    world.settle()
    world.refreshed(selection=ByTime(("paid",)))
    assert set(world.copy()) == {f"k{number}" for number in range(0, 20, 2)}
    assert world.runner.status.ready
    world.refreshed()
    assert world.copy() == world.truth()


class ByText(ByTime):
    """A condition that no row of the table can be asked."""

    def keep(self, changes, now, since):
        raise SelectionUnusable(
            "refresh_sql of orders cannot be evaluated: could not convert 'x' to a number"
        )


def test_a_selection_that_cannot_be_evaluated_ends_its_refresh_at_once_and_the_old_copy_stays():
    """However patient the settings are: the next try would read the table again, and fail again."""
    world = RefreshedWorld(refresh=Refresh(interval=100.0))
    world.settle()
    old = world.copy()
    reply = world.refreshed(selection=ByText())
    assert reply.refusal == (
        "it failed: refresh_sql of orders cannot be evaluated: could not convert 'x' to a number"
    )
    world.run_until(lambda: world.runner.status.status is State.ERROR)
    assert world.runner.status.reason.startswith("the last refresh failed: refresh_sql of orders")
    assert world.copy() == old
    world.put("new")
    world.settle()
    assert world.copy() == world.truth()
    assert world.runner.status.status is State.READY


def test_a_selection_that_is_changed_holds_until_the_process_ends():
    world = RefreshedWorld(items=0)
    for number in range(20):
        world.put(f"k{number}", status="new" if number % 2 else "paid")
    world.settle()
    world.runner.ask(Reselect(ByTime(("new",))))
    world.wait(10.0)
    assert world.copy() == world.truth()
    world.refreshed()
    assert len(world.copy()) == 10
    world.refreshed()
    assert len(world.copy()) == 10
    world.runner.boot()
    world.run_until(lambda: world.copy() == world.truth())
    world.settle()


def test_a_selection_that_is_changed_while_a_refresh_runs_is_not_that_refreshs():
    """Else the copy would be of rows by the new one under the name of the old: nobody would ever look for the others."""
    world = RefreshedWorld(items=0)
    for number in range(20):
        world.put(f"k{number}", status="new" if number % 2 else "paid")
    world.settle()
    for moment in range(12):
        ticket = world.ask()
        for _ in range(moment):
            world.runner.step()
        world.runner.ask(Reselect(ByTime(("new",))))
        world.run_until(lambda: world.reply(ticket) is not None)  # noqa: B023 - called at once
        reading = world.sink.open().live.checkpoint.reading
        assert (len(world.copy()) == 10) == ("/new/" in reading), moment
        world.runner.boot()
        world.settle()
        world.run_until(lambda: world.copy() == world.truth() and world.at_rest)


def test_rows_expire_in_small_transactions_and_a_refresh_goes_on_between_them(monkeypatch):
    monkeypatch.setattr(retention, "ROWS", 5)
    world = RefreshedWorld(items=60, retention=Retention(50.0))
    world.settle()
    world.clock.now += 10.0
    world.kept.keeps_from = START + 5.0
    world.put("new")
    ticket = world.ask()
    world.run_until(lambda: world.reply(ticket) is not None)
    world.run_until(lambda: set(world.copy()) == {"new"})
    asked = world.kept.asked
    world.wait(45.0)
    assert world.kept.asked <= asked + 1
    world.wait(100.0)
    assert world.kept.asked >= asked + 2


def test_a_row_that_a_refresh_brings_back_is_not_removed_for_what_it_was(monkeypatch):
    """Between the question and the removal nothing else is applied."""
    monkeypatch.setattr(retention, "ROWS", 7)
    for seed in range(3):
        world = append(seed=seed, items=60, retention=Retention(0.01), segments=1)
        world.settle()
        world.clock.now += 100.0
        for number in range(60):
            world.put(f"k{number}")
        ticket = world.ask()
        old = world.copy()
        world.run_until(lambda: world.copy() != old)  # noqa: B023 - called at once
        world.kept.keeps_from = START + 50.0
        world.run_until(lambda: world.reply(ticket) is not None)  # noqa: B023 - called at once
        assert world.copy() == world.truth(), seed


def test_dead_letters_are_retried_as_the_selection_has_it():
    """Also by a process that has not made the copy itself."""
    world = RefreshedWorld(items=0, selection=ByTime(("bad", "worse")))
    world.sink.refuses = lambda row: "no" if row.get("status") in ("bad", "worse") else None
    world.put("bad", status="bad")
    world.put("worse", status="worse")
    world.settle()
    assert world.copy() == {}
    world.sink.refuses = lambda _: None
    world.runner.boot()
    world.settle()
    world.selection.only = ("bad",)
    world.runner.ask(Redrive(99))
    world.run_until(lambda: world.reply(99) is not None)
    assert (world.reply(99).outcome.retried, world.reply(99).outcome.failing) == (1, 1)
    assert set(world.copy()) == {"bad"}


def test_with_jitter_the_first_load_waits_and_a_copy_that_is_there_does_not():
    world = RefreshedWorld(refresh=Refresh(jitter=1000.0, on_startup=OnStartup.ALWAYS))
    begun = world.clock.now
    world.settle()
    delay = world.facts(RefreshStarted)[0]
    assert delay.reason == "there is no copy yet"
    assert 1.0 < world.clock.now - begun < 1000.0
    world.put("new")
    world.runner.boot()
    booted = world.clock.now
    world.settle()
    assert world.clock.now - booted < 3.0
    world.run_until(lambda: "new" in world.copy())
    assert 1.0 < world.clock.now - booted < 1010.0
    assert world.facts(RefreshStarted)[-1].reason == "refresh_on_startup"


def test_a_column_that_no_item_has_any_more_stays():
    world = RefreshedWorld(items=0)
    world.put("k0", note="x")
    world.settle()
    world.put("k0")
    world.runner.boot()
    world.settle()
    world.refreshed()
    (row,) = world.sink.live_rows().values()
    assert row["note"] is None


def test_each_refresh_is_stored_and_a_machine_without_a_copy_begins_with_the_last(tmp_path):
    world = RefreshedWorld(shelf_in=tmp_path)
    world.run_until(lambda: len(world.facts(SnapshotSaved)) == 1)
    world.put("new")
    world.refreshed()
    world.run_until(lambda: len(world.facts(SnapshotSaved)) == 2)
    world.wait(1000.0)
    assert len(world.facts(SnapshotSaved)) == 2
    world.runner.sink = world.sink = world.kept.sink = world.runner.shelf._exporter = MemoryAccelerator()
    world.put("newer")
    world.runner.facts.clear()
    world.runner.boot()
    world.settle()
    assert set(world.truth()) - set(world.copy()) == {"newer"}
    assert world.facts(SnapshotRestored)
    assert world.facts(CopyResumed)
    assert not world.facts(RefreshStarted)


def test_refreshes_more_often_than_the_interval_of_snapshots_are_not_each_stored(tmp_path):
    world = RefreshedWorld(shelf_in=tmp_path, snapshot_interval=1000.0)
    world.run_until(lambda: len(world.facts(SnapshotSaved)) == 1)
    for _ in range(3):
        world.refreshed()
        world.wait(60.0)
    assert len(world.facts(SnapshotSaved)) == 1
    world.wait(1000.0)
    assert len(world.facts(SnapshotSaved)) == 2


def test_what_is_known_of_a_copy_is_told_to_whoever_asks():
    world = RefreshedWorld()
    world.settle()
    (finished,) = world.facts(RefreshFinished)
    stream = world.runner.explain().stream
    assert (stream.phase, stream.keys, stream.rebuilding, stream.shards) == (
        "idle",
        (("id", "S"),),
        False,
        (),
    )
    assert START < stream.refreshed_at < finished.at
    world.ask()
    world.run_until(lambda: world.runner.explain().stream.rebuilding)
    assert world.runner.explain().stream.phase in ("creating", "running")
    assert world.runner.explain().stream.keys == (("id", "S"),)
