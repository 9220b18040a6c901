"""The shared request budget: what it lets go and when, on a clock of its own.

Where it is kept is `test_budget_stores.py`; the proof across processes and the stores on a server
are in `test_rate_limit_shared.py`.
"""

from __future__ import annotations

import heapq
import logging
import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hand_clock import KEY, START, Time, budget_on, use_up

from dagster_hevo.api.budget_board import Board, BudgetRules, Ticket
from dagster_hevo.api.budget_stores import hash_of_key
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.rate_limit import Asker, RequestBudget, open_budget


@dataclass
class Crowd:
    """Pollers that each want the next request at once, played event by event."""

    budget: RequestBudget
    time: Time
    sent: list[float] = field(default_factory=list)
    shares: Counter[int] = field(default_factory=Counter)
    attempts: int = 0
    urgent_waits: list[float] = field(default_factory=list)

    def run(self, pollers: int, seconds: float, urgent_every: float | None = None) -> None:
        events: list[tuple[float, int, float]] = [(START, n, START) for n in range(pollers)]
        if urgent_every:
            events.append((START + urgent_every, -1, START + urgent_every))
        heapq.heapify(events)
        while events[0][0] < START + seconds:
            self.time.now, who, asked_at = heapq.heappop(events)
            self.attempts += 1
            wait = self.budget.attempt(Asker(str(who), urgent=who < 0))
            now = self.time.now
            if wait:
                heapq.heappush(events, (now + min(wait, 15.0) + 0.002, who, asked_at))
                continue
            self.sent.append(now)
            self.shares[who] += 1
            if who < 0:
                self.urgent_waits.append(now - asked_at)
                assert urgent_every
                asked_at = now = max(now, asked_at + urgent_every)
            heapq.heappush(events, (now + (0.001 if who >= 0 else 0), who, now))

    def most_in_any_minute(self) -> int:
        return max(
            i + 1 - bisect_left(self.sent, t - 60, 0, i + 1) for i, t in enumerate(self.sent)
        )

    def in_each_minute(self, minutes: int) -> list[int]:
        starts = [START + 60 * m for m in range(minutes)]
        return [sum(s <= t < s + 60 for t in self.sent) for s in starts]


def test_a_hundred_requests_go_at_once_when_the_budget_is_free(store: str, time: Time) -> None:
    assert use_up(budget_on(store, time)) == 100
    assert time.passed == 0


def test_the_next_request_waits_until_the_first_is_out_of_the_window(
    store: str, time: Time
) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    assert budget.acquire()
    assert 60.0 < time.passed < 61.0


def test_a_waiting_request_sleeps_a_few_times_and_does_not_spin(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    budget.acquire()
    assert len(time.naps) < 10


def test_a_request_gives_up_when_its_time_is_over(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    assert not budget.acquire(timeout=7.5)
    assert time.passed == pytest.approx(7.5)


def test_a_request_that_gave_up_leaves_its_place_to_the_next(store: str, time: Time) -> None:
    budget = budget_on(store, time, rate=1)
    budget.acquire()
    budget.acquire(timeout=55)
    assert budget.acquire(timeout=6)


def test_an_interrupted_wait_leaves_its_place_to_the_next(time: Time) -> None:
    def interrupted(seconds: float) -> None:
        time.now += seconds
        raise KeyboardInterrupt

    budget = open_budget(
        "memory", requests_per_minute=1, user_key=KEY, clock=time.clock, sleep=interrupted
    )
    budget.acquire()
    with pytest.raises(KeyboardInterrupt):
        budget.acquire()
    time.now = START + 60.7
    assert budget.acquire(timeout=0)


def test_requests_that_wait_go_in_the_order_in_which_they_came(store: str, time: Time) -> None:
    budget = budget_on(store, time, rate=1)
    budget.acquire()
    time.now += 40
    for name in ("first", "second"):
        budget.attempt(Asker(name))
    time.now += 10
    for name in ("second", "first"):  # each renews the place that it has
        budget.attempt(Asker(name))
    time.now += 10.7
    assert budget.attempt(Asker("second")) > 0
    assert budget.attempt(Asker("first")) == 0


def test_an_urgent_request_goes_before_one_that_waits_longer(store: str, time: Time) -> None:
    budget = budget_on(store, time, rate=1)
    budget.acquire()
    time.now += 50
    budget.attempt(Asker("poll"))
    budget.attempt(Asker("cancel", urgent=True))
    time.now += 10.7
    assert budget.attempt(Asker("poll")) > 0
    assert budget.attempt(Asker("cancel", urgent=True)) == 0


def test_two_urgent_requests_go_at_once_though_polls_of_watched_jobs_used_the_budget(
    store: str, time: Time
) -> None:
    budget = budget_on(store, time)
    budget.register_watcher("job")
    assert use_up(budget) == 98
    assert budget.acquire(urgent=True, timeout=0)
    assert budget.acquire(urgent=True, timeout=0)
    assert not budget.acquire(urgent=True, timeout=0)


def test_the_place_of_a_killed_process_is_free_after_twenty_seconds(store: str, time: Time) -> None:
    budget = budget_on(store, time, rate=1)
    budget.acquire()
    time.now += 45
    budget.attempt(Asker("killed"))
    time.now += 16
    assert not budget.acquire(timeout=0)
    time.now += 5
    assert budget.acquire(timeout=0)


@pytest.mark.parametrize("watched", [False, True], ids=["loading", "watching"])
def test_eight_pollers_get_95_in_every_minute_and_never_101(watched: bool, time: Time) -> None:
    crowd = Crowd(budget_on("memory", time), time)
    for job in range(8 if watched else 0):
        crowd.budget.register_watcher(str(job))
    crowd.run(pollers=8, seconds=240)
    assert crowd.most_in_any_minute() <= 100
    assert min(crowd.in_each_minute(4)) >= 95


def test_eight_pollers_share_evenly(time: Time) -> None:
    crowd = Crowd(budget_on("memory", time), time)
    crowd.budget.register_watcher("job")
    crowd.run(pollers=8, seconds=240)
    shares = [crowd.shares[n] for n in range(8)]
    assert max(shares) - min(shares) <= 0.1 * max(shares)


def test_eight_pollers_ask_a_few_times_for_each_request(time: Time) -> None:
    crowd = Crowd(budget_on("memory", time), time)
    crowd.budget.register_watcher("job")
    crowd.run(pollers=8, seconds=240)
    assert crowd.attempts < 5 * len(crowd.sent)


def test_a_cancel_every_ten_seconds_waits_less_than_two_beside_eight_pollers(time: Time) -> None:
    crowd = Crowd(budget_on("memory", time), time)
    for job in range(8):
        crowd.budget.register_watcher(str(job))
    crowd.run(pollers=8, seconds=250, urgent_every=10)
    after_first_minute = crowd.urgent_waits[5:]
    assert len(after_first_minute) > 15
    assert max(after_first_minute) < 2
    assert crowd.most_in_any_minute() <= 100


def test_nobody_sends_after_a_429_until_its_time_is_over(store: str, time: Time) -> None:
    first, second = budget_on(store, time), budget_on(store, time)
    first.exhaust(12.0)
    assert second.remaining() == 0
    assert not second.acquire(urgent=True, timeout=0)
    assert second.acquire()
    assert time.passed == pytest.approx(12.0, abs=0.1)


def test_a_shorter_429_does_not_end_a_longer_one(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    budget.exhaust(30)
    budget.exhaust(5)
    budget.acquire()
    assert time.passed == pytest.approx(30.0, abs=0.1)


def test_an_absurd_retry_after_counts_as_an_hour(time: Time) -> None:
    budget = budget_on("memory", time)
    budget.exhaust(1e9)
    budget.acquire()
    assert time.passed == pytest.approx(3600, abs=1)


def test_remaining_tells_what_could_be_sent_now(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    for _ in range(30):
        budget.acquire()
    assert budget.remaining() == 70
    time.now += 61
    assert budget.remaining() == 100


def test_budgets_of_one_user_share_what_they_sent(store: str, time: Time) -> None:
    first, second = budget_on(store, time), budget_on(store, time)
    first.acquire()
    assert second.remaining() == 99


def test_users_in_one_file_do_not_share(tmp_path: Path, time: Time) -> None:
    store = f"sqlite:///{tmp_path / 'budget.sqlite'}"
    use_up(budget_on(store, time))
    other = open_budget(store, requests_per_minute=100, user_key="other", clock=time.clock)
    assert other.remaining() == 100


def test_watchers_of_all_processes_are_counted_once_each(store: str, time: Time) -> None:
    first, second = budget_on(store, time), budget_on(store, time)
    for budget, job in ((first, "1"), (first, "2"), (second, "2"), (second, "3")):
        budget.register_watcher(job)
    assert first.watchers() == 3
    second.forget_watcher("1")
    second.forget_watcher("never seen")
    assert first.watchers() == 2


def test_a_watcher_that_is_not_heard_of_is_forgotten_after_five_minutes(
    store: str, time: Time
) -> None:
    budget = budget_on(store, time)
    budget.register_watcher("crashed")
    time.now += 200
    budget.register_watcher("alive")
    time.now += 101
    assert budget.watchers() == 1


def test_zero_requests_a_minute_means_no_limit(time: Time) -> None:
    budget = budget_on(None, time, rate=0)
    budget.exhaust(100)
    assert all(budget.acquire() for _ in range(1000))
    assert budget.remaining() > 1000
    budget.register_watcher("job")
    assert budget.watchers() == 1
    assert time.passed == 0


def test_a_long_wait_is_logged_once_with_budget_and_time(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    budget = budget_on("memory", time)
    use_up(budget)
    with caplog.at_level(logging.INFO, "dagster_hevo"):
        budget.acquire()
    (record,) = caplog.records
    assert hash_of_key(KEY)[:8] in record.message
    assert "has waited 5 s" in record.message
    assert "in about 56 s" in record.message
    assert KEY not in record.message


def test_a_short_wait_is_not_logged(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    budget = budget_on("memory", time)
    budget.exhaust(4)
    with caplog.at_level(logging.INFO, "dagster_hevo"):
        budget.acquire()
    assert not caplog.records


def test_a_clock_set_back_costs_one_window_and_not_more(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    time.now -= 3600
    before = time.now
    budget.acquire()
    assert time.now - before == pytest.approx(60.6, abs=0.5)


def test_a_clock_set_back_does_not_hold_up_urgent_requests(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    time.now -= 3600
    assert all(budget.acquire(urgent=True, timeout=0) for _ in range(3))
    assert not budget.acquire(timeout=0)


def test_urgent_requests_go_at_once_after_an_ordinary_one_noticed_the_clock(
    store: str, time: Time
) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    time.now -= 3600
    assert not budget.acquire(timeout=0)
    assert budget.remaining() == 0
    assert budget.acquire(urgent=True, timeout=0)


def test_urgent_requests_after_a_clock_was_set_back_count(store: str, time: Time) -> None:
    budget = budget_on(store, time, rate=3)
    use_up(budget)
    time.now -= 3600
    urgent = [budget.acquire(urgent=True, timeout=0) for _ in range(4)]
    assert urgent == [True, True, True, False]


def test_a_pause_from_before_a_clock_was_set_back_does_not_hold_up_urgent_requests(
    store: str, time: Time
) -> None:
    budget = budget_on(store, time)
    budget.acquire()
    budget.exhaust(30)
    time.now -= 1800
    assert budget.acquire(urgent=True, timeout=0)


def test_a_429_after_a_clock_was_set_back_holds_up_urgent_requests(store: str, time: Time) -> None:
    budget = budget_on(store, time)
    use_up(budget)
    time.now -= 3600
    budget.acquire(urgent=True, timeout=0)
    budget.exhaust(30)
    assert not budget.acquire(urgent=True, timeout=0)


def test_eight_threads_never_get_more_than_the_budget(tmp_path: Path, time: Time) -> None:
    budget = budget_on(f"sqlite:///{tmp_path / 'budget.sqlite'}", time)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(use_up(budget))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 98 <= sum(counts) <= 100  # the reserve stays, since requests found no room


def test_a_negative_limit_is_refused(time: Time) -> None:
    with pytest.raises(HevoConfigurationError, match="-1"):
        budget_on("memory", time, rate=-1)


class TestTheBoard:
    def test_reads_back_what_it_wrote(self) -> None:
        board = Board(5, 6, (Ticket("a", True, 7), Ticket("b", False, 8)), {"job": 9}, 10)
        assert Board.from_json(board.to_json()) == board

    def test_reads_what_an_older_version_wrote(self) -> None:
        text = '{"paused":5,"scarce":6,"tickets":[],"watchers":{}}'
        assert Board.from_json(text) == Board(5, 6)

    @pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"paused": "x"}', "null"])
    def test_is_empty_if_what_was_written_cannot_be_read(self, text: str | None) -> None:
        assert Board.from_json(text) == Board()

    def test_puts_urgent_requests_first_and_keeps_the_order_among_them(self) -> None:
        tickets = [("a", False), ("b", True), ("c", False), ("d", True)]
        board = Board(tickets=tuple(Ticket(name, urgent, 1) for name, urgent in tickets))
        ahead = {name: board.ahead_of(name, urgent) for name, urgent in tickets}
        assert ahead == {"b": 0, "d": 1, "a": 2, "c": 3}

    def test_counts_everybody_of_its_kind_ahead_of_a_newcomer(self) -> None:
        board = Board(tickets=(Ticket("a", False, 1), Ticket("b", True, 1)))
        assert board.ahead_of("new", urgent=False) == 2
        assert board.ahead_of("new", urgent=True) == 1


def test_a_small_budget_has_no_reserve() -> None:
    assert [BudgetRules(limit).reserve for limit in (1, 9, 10, 60, 100)] == [0, 0, 1, 1, 2]
