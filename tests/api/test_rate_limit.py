"""The shared request budget: what it lets go and when, on a clock of its own.

The proof across processes and the stores on a server are in `test_rate_limit_shared.py`.
"""

from __future__ import annotations

import heapq
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dagster_hevo.api.budget_board import Board, BudgetRules, Ticket
from dagster_hevo.api.budget_stores import MemoryStore, SqliteStore, StoreUnavailable, hash_of_key
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.rate_limit import Asker, RequestBudget, open_budget

KEY = "a-key-nobody-may-see"
START = 1_700_000_000.0


@dataclass(eq=False)
class Time:
    """A clock that only sleeping moves on."""

    now: float = START
    naps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    @property
    def passed(self) -> float:
        return self.now - START


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory" if request.param == "memory" else f"sqlite:///{tmp_path / 'budget.sqlite'}"


def budget_on(store: str | None, time: Time, rate: int = 100) -> RequestBudget:
    return open_budget(
        store, requests_per_minute=rate, user_key=KEY, clock=time.clock, sleep=time.sleep
    )


def use_up(budget: RequestBudget) -> int:
    sent = 0
    while budget.acquire(timeout=0):
        sent += 1
    return sent


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


def test_eight_threads_never_get_more_than_the_budget(tmp_path: Path, time: Time) -> None:
    budget = budget_on(f"sqlite:///{tmp_path / 'budget.sqlite'}", time)
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(use_up(budget))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 98 <= sum(counts) <= 100  # the reserve stays, since requests found no room


def test_old_requests_are_removed_from_the_file(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "budget.sqlite"
    budget = budget_on(f"sqlite:///{path}", time)
    for _ in range(5):
        use_up(budget)
        time.now += 200
    budget.acquire()
    with sqlite3.connect(path) as file:
        (rows,) = file.execute(f"SELECT count(*) FROM requests_{hash_of_key(KEY)}").fetchone()
    assert rows == 1


class TestTheDefaultFile:
    def test_lies_under_dagster_home_and_is_private(
        self, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
        budget_on(None, time).acquire()
        (file,) = (tmp_path / "dagster_hevo").glob("*.sqlite")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    def test_does_not_hold_the_key(
        self, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
        budget = budget_on(None, time)
        budget.acquire()
        budget.register_watcher("job")
        files = [f for f in tmp_path.rglob("*") if f.is_file()]
        assert files
        assert not any(KEY.encode() in f.read_bytes() or KEY in f.name for f in files)

    def test_lies_in_the_temp_folder_without_dagster_home(
        self, tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        budget_on(None, time).acquire()
        assert list(tmp_path.glob("dagster-hevo-*/requests-*.sqlite"))

    def test_is_not_put_into_a_folder_that_somebody_else_laid_out(
        self,
        tmp_path: Path,
        time: Time,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        trap = tmp_path / "trap"
        trap.mkdir()
        shared = tmp_path / "tmp"
        shared.mkdir()
        shared.chmod(0o1777)
        (shared / f"dagster-hevo-{os.geteuid()}").symlink_to(trap)
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(shared))
        assert use_up(budget_on(None, time)) == 100
        assert not list(trap.iterdir())
        assert "belongs to another user" in caplog.text


class TestAStoreThatCannotBeUsed:
    """Costs one warning, and never a run."""

    def expect_fallback(
        self, budget: RequestBudget, caplog: pytest.LogCaptureFixture, reason: str
    ) -> None:
        assert use_up(budget) == 100
        budget.register_watcher("job")
        assert budget.watchers() == 1
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert reason in record.message

    def test_because_the_file_is_no_database(
        self, tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "budget.sqlite"
        path.write_bytes(b"not a database" * 100)
        self.expect_fallback(budget_on(f"sqlite:///{path}", time), caplog, "not a database")

    def test_because_the_folder_cannot_be_made(
        self, tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").touch()
        budget = budget_on(f"sqlite:///{tmp_path / 'file' / 'budget.sqlite'}", time)
        self.expect_fallback(budget, caplog, "Error")

    def test_because_somebody_holds_its_lock(
        self, tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "budget.sqlite"
        budget_on(f"sqlite:///{path}", time).register_watcher("makes the file")
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        budget = RequestBudget(
            SqliteStore(path, hash_of_key(KEY), time.clock, patience=0.1),
            MemoryStore(time.clock),
            rules=BudgetRules(100),
            name="a user",
            clock=time.clock,
            sleep=time.sleep,
            log=logging.getLogger("dagster_hevo"),
        )
        self.expect_fallback(budget, caplog, "locked")
        holder.execute("ROLLBACK")
        time.now += 301
        assert budget.remaining() == 100  # the file's, in which none was sent

    def test_because_its_file_was_broken_while_in_use_still_counts_what_was_sent(
        self, tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "budget.sqlite"
        budget = budget_on(f"sqlite:///{path}", time)
        for _ in range(60):
            budget.acquire()
        budget.close()
        path.write_bytes(b"not a database" * 100)
        assert use_up(budget) == 40
        assert len(caplog.records) == 1

    def test_is_used_again_when_it_works_again(self, tmp_path: Path, time: Time) -> None:
        path = tmp_path / "budget.sqlite"
        path.write_bytes(b"not a database" * 100)
        budget = budget_on(f"sqlite:///{path}", time)
        budget.acquire()
        path.unlink()
        time.now += 301
        budget.acquire()
        assert budget_on(f"sqlite:///{path}", time).remaining() == 99

    def test_because_its_folder_is_read_only(self) -> None:
        # A process without root's rights, which would let it write anyway.
        code = """
import logging, os, sqlite3, sys, tempfile, pyrate_limiter
from dagster_hevo.api.rate_limit import open_budget
folder = tempfile.mkdtemp()
os.chmod(folder, 0o555)
if os.geteuid() == 0:
    os.setuid(65534)
logging.basicConfig(stream=sys.stdout)
budget = open_budget(f"sqlite:///{folder}/b.sqlite", requests_per_minute=100, user_key="k")
print(sum(budget.acquire(timeout=0) for _ in range(101)), os.listdir(folder))
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert "100 []" in done.stdout
        assert done.stdout.count("WARNING") == 1


@pytest.mark.parametrize("name", ["oracle://me:hunter2@host", "hunter2", "sqlite://", ""])
def test_an_unknown_store_is_refused_without_repeating_it(name: str, time: Time) -> None:
    with pytest.raises(HevoConfigurationError) as refused:
        budget_on(name, time)
    assert "hunter2" not in str(refused.value)


def test_a_negative_limit_is_refused(time: Time) -> None:
    with pytest.raises(HevoConfigurationError, match="-1"):
        budget_on("memory", time, rate=-1)


def test_importing_the_budget_imports_no_store() -> None:
    code = (
        "import sys, dagster_hevo.api.rate_limit\n"
        "print({'pyrate_limiter', 'sqlite3', 'filelock', 'psycopg', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class TestTheBoard:
    def test_reads_back_what_it_wrote(self) -> None:
        board = Board(5, 6, (Ticket("a", True, 7), Ticket("b", False, 8)), {"job": 9})
        assert Board.from_json(board.to_json()) == board

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


def test_another_thread_holding_the_store_for_long_is_reported(tmp_path: Path, time: Time) -> None:
    store = SqliteStore(tmp_path / "budget.sqlite", "user", time.clock, patience=0.05)
    rules = BudgetRules(100)
    with store.session(rules), pytest.raises(StoreUnavailable), store.session(rules):
        pass
