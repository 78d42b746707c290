"""The version book gives numbers that only grow, durably, and forgets but the last one never."""

import threading

import pytest

from headrace.errors import ConsumerFailed, LedgerError
from headrace.targets.search.under_way import UnderWay
from headrace.targets.search.versions import MOST, STEP, VersionBook, Wanted

DAY = 86_400.0


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def book(tmp_path, clock):
    """Opens the book, each time as a new process would."""
    opened = []

    def open_():
        opened.append(VersionBook(tmp_path / "search.sqlite", 7 * DAY, clock))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


def put(version):
    return {"a": Wanted(version, gone=False)}


def test_a_change_keeps_its_number_and_a_newer_one_gets_a_greater(book):
    first = book().give(put("1"))["a"]
    assert book().give(put("1")) == {"a": first}
    second = book().give(put("2"))["a"]
    assert second >= first + STEP
    assert book().give(put("1")) == {}


def test_numbers_grow_when_the_clock_goes_back(book, clock):
    first = book().give(put("1"))["a"]
    clock.now -= DAY
    assert book().give(put("2"))["a"] > first
    assert first == int(1_700_000_000 * 1e6) * STEP


def test_what_is_old_is_forgotten_but_not_the_last_number(book, clock):
    first = book().give(put("2"))["a"]
    clock.now += 8 * DAY
    book().give({"b": Wanted("1", gone=True)})
    clock.now -= 20 * DAY
    number = book().give(put("1"))["a"]
    assert number > first


def test_a_number_above_a_stranger_s_is_given_once(book):
    made = book()
    made.give(put("1"))
    above = made.last() + 50 * STEP
    assert made.renew(put("1"), above)["a"] >= above + STEP
    assert made.renew({"a": Wanted("0", gone=False)}, 0) == {}
    with pytest.raises(ConsumerFailed, match="leaves no greater one"):
        made.renew(put("1"), MOST)


def test_a_clock_beyond_all_numbers_is_said_to_be_wrong(book, clock):
    clock.now = 1e13
    with pytest.raises(LedgerError, match="set the clock"):
        book().give(put("1"))


def test_a_fill_has_one_number_between_what_was_before_and_what_comes(book):
    before = book().give(put("1"))["a"]
    fill = book().begin_fill(1.0)
    after = book().give(put("2"))["a"]
    assert before < fill.number < after
    assert book().begin_fill(1.0) == fill
    assert book().begin_fill(2.0).number > after


def test_after_a_fill_what_was_before_it_is_done_unless_the_index_refused_it(book):
    made = book()
    numbers = made.give({"a": Wanted("1", gone=False), "b": Wanted("1", gone=False)})
    made.refuse({"b": numbers["b"]})
    made.settle(made.begin_fill(1.0))
    assert made.give({"a": Wanted("1", gone=False), "b": Wanted("1", gone=False)}) == {"b": numbers["b"]}


def test_a_fill_buries_what_has_not_changed_since(book):
    made = book()
    made.give({"a": Wanted("1", gone=False), "b": Wanted("1", gone=False)})
    fill = made.begin_fill(1.0)
    made.give({"b": Wanted("2", gone=False), "c": Wanted("1", gone=True)})
    assert made.bury(["a", "b", "x"], fill) == ["a", "x"]
    assert made.bury(["a", "b", "x"], fill) == ["a", "x"]
    assert made.give(put("1")) == {}
    assert [list(page) for page in made.gone_since(fill)] == [["c"]]


def test_what_was_deleted_since_a_fill_is_told_page_by_page(book):
    made = book()
    fill = made.begin_fill(1.0)
    made.give({f"{number:05}": Wanted("1", gone=True) for number in range(2500)})
    pages = list(made.gone_since(fill))
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert len(set().union(*pages)) == 2500


def test_a_damaged_book_says_what_to_do(tmp_path, clock):
    (tmp_path / "search.sqlite").write_bytes(b"nothing of the kind" * 100)
    made = VersionBook(tmp_path / "search.sqlite", DAY, clock)
    with pytest.raises(LedgerError, match="headrace search verify --repair"):
        made.give(put("1"))
    made.close()


def test_only_what_began_before_is_waited_for():
    under_way, entered, leave, passed = UnderWay(), threading.Event(), threading.Event(), threading.Event()

    def work():
        with under_way.inside():
            entered.set()
            leave.wait(10)

    def wait():
        under_way.pass_by()
        passed.set()

    threads = [threading.Thread(target=work), threading.Thread(target=wait)]
    threads[0].start()
    entered.wait(10)
    threads[1].start()
    assert not passed.wait(0.05)
    with under_way.inside():
        leave.set()
        assert passed.wait(10)
    for thread in threads:
        thread.join()
