from dataclasses import replace

from headrace.checkpoint import Stage
from headrace.position import Anchor, Position, SequenceNumber
from headrace.replicate.lineage import CONFIRMATIONS, Lineage
from headrace.shard import Shard

START = Position.at_timestamp(700.0, 1000.0)


def shard(id_, parent=None, *, closed=False):
    return Shard(id_, parent, SequenceNumber("10"), SequenceNumber("20") if closed else None)


def finish(lineage, id_):
    state = lineage[id_]
    lineage.update(type(state)(state.id, state.parent_id, state.starting, Stage.FINISHED, None))


def test_at_bootstrap_open_shards_are_read_and_closed_ones_are_finished():
    lineage = Lineage.first([shard("old", closed=True), shard("now", "old")], START)

    assert lineage["old"].stage is Stage.FINISHED
    assert lineage["now"].stage is Stage.READING
    assert lineage["now"].position == START


def test_at_bootstrap_the_child_of_a_parent_that_is_shown_open_waits_at_its_first_record():
    lineage = Lineage.first([shard("parent"), shard("child", "parent")], START)

    assert lineage["child"].stage is Stage.WAITING
    assert lineage["child"].position == Position.at(SequenceNumber("10"))


def test_a_child_is_read_only_after_its_parent_has_finished():
    lineage = Lineage.first([shard("parent")], START)
    lineage.meet([shard("left", "parent"), shard("right", "parent")], 2000.0)

    assert lineage.promote() == ()
    finish(lineage, "parent")
    assert [state.id for state in lineage.promote()] == ["left", "right"]
    assert {lineage[id_].stage for id_ in ("left", "right")} == {Stage.READING}


def test_a_chain_of_shards_is_read_link_by_link():
    lineage = Lineage.first([shard("a")], START)
    lineage.meet([shard("c", "b", closed=True), shard("b", "a", closed=True)], 2000.0)

    finish(lineage, "a")
    assert [state.id for state in lineage.promote()] == ["b"]
    finish(lineage, "b")
    assert [state.id for state in lineage.promote()] == ["c"]


def test_a_shard_first_seen_later_starts_at_its_first_record_never_at_the_latest():
    lineage = Lineage.first([shard("a")], START)
    lineage.meet([shard("b", "a"), Shard("c", "a")], 2000.0)

    assert lineage["b"].position.anchor is Anchor.AT_SEQUENCE_NUMBER
    assert lineage["c"].position == Position.trim_horizon(2000.0)


def missed(lineage, listing, times=CONFIRMATIONS):
    for _ in range(times):
        lineage.reconcile(listing, 2000.0)
        lineage.promote()


def test_a_parent_that_was_never_seen_is_suspected_only_after_several_complete_listings():
    lineage = Lineage.first([shard("a")], START)
    listing = [shard("a"), shard("orphan", "never seen")]

    missed(lineage, listing, CONFIRMATIONS - 1)
    assert lineage.suspects() == ()
    missed(lineage, listing, 1)
    assert lineage.suspects() == ("never seen",)


def test_an_orphan_waits_until_its_parent_is_proven_trimmed_and_is_reported():
    lineage = Lineage.first([shard("a")], START)
    missed(lineage, [shard("a"), shard("orphan", "never seen")], 10)
    assert lineage["orphan"].stage is Stage.WAITING

    assert lineage.trimmed("never seen") == ("orphan",)
    assert [state.id for state in lineage.promote()] == ["orphan"]


def test_a_suspect_that_the_service_still_knows_is_no_suspect_for_a_while():
    lineage = Lineage.first([shard("a")], START)
    listing = [shard("a"), shard("orphan", "hidden")]
    missed(lineage, listing)
    lineage.exists("hidden")

    assert lineage.suspects() == ()
    missed(lineage, listing)
    assert lineage.suspects() == ("hidden",)


def test_an_orphan_whose_parent_turns_up_after_all_waits_for_it():
    lineage = Lineage.first([shard("a")], START)
    lineage.reconcile([shard("a"), shard("child", "late")], 2000.0)
    lineage.reconcile([shard("a"), shard("child", "late"), shard("late", "a")], 2001.0)
    missed(lineage, [shard("a"), shard("child", "late")])

    assert not lineage.has_orphans()
    assert lineage.suspects() == ()
    assert lineage["child"].stage is Stage.WAITING


def test_at_bootstrap_a_child_waits_for_a_parent_that_is_not_listed_and_its_being_trimmed_is_no_gap():
    lineage = Lineage.first([shard("child", "not listed")], START)
    assert lineage["child"].stage is Stage.WAITING
    assert lineage["child"].position == START

    assert lineage.trimmed("not listed") == (), "what it lost is older than the Scan"
    assert [state.id for state in lineage.promote()] == ["child"]


def test_at_bootstrap_a_closed_shard_behind_a_parent_that_is_shown_open_is_read_after_it():
    """Else the parent's replayed records would be newer than the Scan's rows, and never followed by the child's."""
    lineage = Lineage.first(
        [shard("parent"), shard("child", "parent", closed=True), shard("grandchild", "child")], START
    )

    assert lineage["child"].stage is Stage.WAITING
    assert lineage["child"].position == Position.at(SequenceNumber("10"))
    assert lineage["grandchild"].stage is Stage.WAITING


def test_at_bootstrap_a_closed_shard_waits_for_a_parent_that_is_not_listed_and_is_read_by_time():
    lineage = Lineage.first([shard("child", "hidden", closed=True), shard("below", "child")], START)

    assert lineage["child"].stage is Stage.WAITING
    assert lineage["child"].position == START
    assert lineage["below"].stage is Stage.WAITING


def test_at_bootstrap_a_parent_that_is_proven_trimmed_holds_nobody_up():
    shards = [shard("old", "gone", closed=True), shard("now", "gone")]
    lineage = Lineage.first(shards, START, trimmed={"gone"})

    assert lineage["old"].stage is Stage.FINISHED
    assert lineage["now"].stage is Stage.READING


def test_a_shard_that_turns_up_late_is_read_from_the_time_from_which_its_children_are():
    """Read from its first record, it would be the last word on keys of which its children skip what is older."""
    lineage = Lineage.first([shard("child", "hidden"), shard("other")], START)
    lineage.meet([shard("older", closed=True), shard("hidden", "older", closed=True)], 2000.0)

    assert [state.id for state in lineage.promote()] == ["older"]
    assert lineage["older"].position == START
    assert lineage["hidden"].position == START


def test_a_shard_that_turns_up_after_its_child_was_read_is_finished_with_all_its_ancestors():
    lineage = Lineage.first([shard("child", closed=True)], START)
    lineage.meet([shard("later", "child", closed=True)], 2000.0)
    finish(lineage, "later")
    lineage = Lineage(replace(state, parent_id="hidden") for state in lineage.states() if state.id == "later")
    lineage.meet([shard("hidden", "older", closed=True), shard("older", closed=True)], 2000.0)

    assert lineage["hidden"].stage is Stage.FINISHED
    assert lineage["older"].stage is Stage.FINISHED


def test_a_finished_shard_is_a_leaf_until_its_children_are_found_after_its_end():
    lineage = Lineage.first([shard("a")], START)
    finish(lineage, "a")

    assert [leaf.id for leaf in lineage.leaves()] == ["a"]
    assert not lineage.settle("a")
    lineage.meet([shard("b", "a")], 2000.0)
    assert lineage.settle("a")
    assert lineage.leaves() == ()


def test_a_shard_being_read_counts_as_gone_only_once_several_complete_listings_miss_it():
    lineage = Lineage.first([shard("a")], START)
    missed(lineage, [], CONFIRMATIONS - 1)
    assert not lineage.unlisted("a")
    missed(lineage, [], 1)
    assert lineage.unlisted("a")
    lineage.reconcile([shard("a")], 2001.0)
    assert not lineage.unlisted("a")


def test_finished_shards_are_forgotten_once_proven_trimmed_and_nobody_waits_for_them():
    lineage = Lineage.first([shard("a")], START)
    finish(lineage, "a")
    lineage.meet([shard("b", "a")], 2000.0)
    for _ in range(CONFIRMATIONS):
        lineage.reconcile([shard("b", "a")], 2000.0)

    assert lineage.suspects() == (), "b still waits for a's end to let it go"
    lineage.promote()
    assert lineage.suspects() == ("a",)
    assert "a" in lineage, "a listing alone proves nothing"
    lineage.trimmed("a")
    assert "a" not in lineage
    assert lineage["b"].stage is Stage.READING
