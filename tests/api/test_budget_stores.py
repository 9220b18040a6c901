"""Where the request budget is kept: a private file by default, and what happens where it breaks.

What the budget lets go is `test_rate_limit.py`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hand_clock import KEY, Time, budget_on, use_up

from dagster_hevo.api.budget_board import BudgetRules
from dagster_hevo.api.budget_stores import MemoryStore, SqliteStore, StoreUnavailable, hash_of_key
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.rate_limit import RequestBudget


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


def test_importing_the_budget_imports_no_store() -> None:
    code = (
        "import sys, dagster_hevo.api.rate_limit\n"
        "print({'pyrate_limiter', 'sqlite3', 'filelock', 'psycopg', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_another_thread_holding_the_store_for_long_is_reported(tmp_path: Path, time: Time) -> None:
    store = SqliteStore(tmp_path / "budget.sqlite", "user", time.clock, patience=0.05)
    rules = BudgetRules(100)
    with store.session(rules), pytest.raises(StoreUnavailable), store.session(rules):
        pass
