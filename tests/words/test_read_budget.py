"""A budget of read units: what is spent is waited for, by whoever comes next."""

from headrace.read_budget import ReadBudget


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_what_is_left_of_a_second_is_spent_at_once_and_debts_are_waited_for():
    clock = Clock()
    budget = ReadBudget(10, clock)
    budget.spend(10)
    assert budget.pause() == 0
    budget.spend(25)
    assert budget.pause() == 2.5
    clock.now += 1
    assert budget.pause() == 1.5
    clock.now += 1.5
    assert budget.pause() == 0


def test_what_is_not_used_is_kept_for_one_second():
    clock = Clock()
    budget = ReadBudget(10, clock)
    clock.now += 3600
    budget.spend(20)
    assert budget.pause() == 1
