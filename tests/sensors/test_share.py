"""The sensors' half of the request budget: all of it is used, and no sensor starves another."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from test_bounds import HandClock, budget_of

from dagster_hevo.job_sensor.budget import TickBudget, TickSpent


def contest_of(clock: HandClock):
    return budget_of(clock, 50, "contest")


def tick_budget(clock: HandClock, name: str, *, share, whole, interval: float = 60.0):
    budget = TickBudget(share, whole, contest_of(clock), 50, clock.time + 30, interval, name, clock)
    budget.begin()
    return budget


def spend(clock: HandClock, budget: TickBudget, most: int, seconds: float = 0.2) -> int:
    for _ in range(most):
        try:
            budget.acquire()
        except TickSpent:
            break
        clock.time += seconds
    return budget.spent


def test_ticks_a_minute_apart_use_all_of_the_share():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "all-share"), budget_of(clock, 100, "all-whole")
    began, spent = clock.time, list[int]()
    for number in range(30):
        clock.time = max(clock.time, began + 60.0 * number)
        spent.append(spend(clock, tick_budget(clock, "one", share=share, whole=whole), 1000))
    assert sum(spent) / len(spent) >= 47


def test_two_sensors_that_both_need_more_get_equal_parts():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "two-share"), budget_of(clock, 100, "two-whole")
    began, spent = clock.time, Counter[str]()
    for number in range(30):
        for name in ("first", "second"):
            clock.time = max(clock.time, began + 60.0 * number)
            budget = tick_budget(clock, name, share=share, whole=whole)
            spent[name] += spend(clock, budget, 1000)
    assert min(spent.values()) >= 0.8 * max(spent.values())
    assert sum(spent.values()) >= 30 * 45


def test_a_sensor_that_needs_little_leaves_the_rest_to_the_other():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "rest-share"), budget_of(clock, 100, "rest-whole")
    began, large, small = clock.time, 0, list[int]()
    for number in range(40):
        clock.time = max(clock.time, began + 60.0 * number)
        budget = tick_budget(clock, "large", share=share, whole=whole)
        large += spend(clock, budget, 1000)
        budget = tick_budget(clock, "small", share=share, whole=whole)
        small.append(spend(clock, budget, 5))
    assert large >= 40 * 25
    # It may find the share used up now and then, and is served at its next tick.
    assert sum(small) >= 0.7 * 40 * 5
    assert not any(one == two == 0 for one, two in pairwise(small))


def test_time_that_is_up_ends_the_tick_between_two_requests():
    clock = HandClock()
    share, whole = budget_of(clock, 50, "time-share"), budget_of(clock, 100, "time-whole")
    budget = tick_budget(clock, "one", share=share, whole=whole)
    assert spend(clock, budget, 1000, seconds=10.0) == 3
