"""The request budget across real processes, on a real clock with a window of two seconds.

PostgreSQL is started for these tests if its programs are installed; so is Redis.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from dagster_hevo.api.budget_servers import address_of
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.rate_limit import RequestBudget, open_budget

WINDOW = 2.0
RATE = 50


def budget_on(store: str) -> RequestBudget:
    return open_budget(store, requests_per_minute=RATE, user_key="k", window_seconds=WINDOW)


def ask_for_three_windows(store: str, start: Barrier, sent: SimpleQueue[list[float]]) -> None:
    budget = budget_on(store)
    budget.watchers()  # opens the store
    start.wait()
    end = time.time() + 3.2 * WINDOW
    times: list[float] = []
    while (left := end - time.time()) > 0:
        if budget.acquire(timeout=left):
            times.append(time.time())
    sent.put(times)


def expect_that_eight_processes_keep_to_it(store: str) -> None:
    context = multiprocessing.get_context("spawn")
    sent: SimpleQueue[list[float]] = context.SimpleQueue()
    start = context.Barrier(8)
    arguments = (store, start, sent)
    workers = [context.Process(target=ask_for_three_windows, args=arguments) for _ in range(8)]
    for worker in workers:
        worker.start()
    by_process = [sent.get() for _ in workers]
    for worker in workers:
        worker.join()
    times = sorted(t for own in by_process for t in own)
    # A process that waits for a core notes its time late; a whole minute has room for that.
    window = 0.85 * WINDOW
    most = max(i + 1 - bisect_left(times, t - window, 0, i + 1) for i, t in enumerate(times))
    assert most <= RATE
    assert len(times) >= 3 * 0.95 * RATE


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `postgres`: distributions keep it off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path("/usr/local/pgsql/bin"), Path("/opt/homebrew/bin"), Path("/usr/pgsql/bin")]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def server_account() -> str | None:
    """Whom to run the server as, since it refuses root: None for ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    account = server_account()
    # Not tmp_path: only we may enter that, and its name is too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    cluster = folder / "cluster"
    if account:
        shutil.chown(folder, account)
    init = [programs / "initdb", "-D", cluster, "-U", "hevo", "-A", "trust", "-N", "-E", "UTF8"]
    subprocess.run(init, user=account, cwd=folder, check=True, capture_output=True)
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=America/St_Johns"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", cluster, "-k", folder, *options],
            user=account,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"postgresql://hevo:hunter2@/postgres?host={folder}"
        wait_until_up(url, server, folder / "log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(200):
        assert server.poll() is None, log.read_text()
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    pytest.importorskip("redis")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_eight_processes_keep_to_a_budget_in_a_file(tmp_path: Path) -> None:
    expect_that_eight_processes_keep_to_it(f"sqlite:///{tmp_path / 'budget.sqlite'}")


def test_eight_processes_keep_to_a_budget_in_postgres(postgres: str) -> None:
    expect_that_eight_processes_keep_to_it(postgres)


def test_eight_processes_keep_to_a_budget_in_redis(redis: str) -> None:
    expect_that_eight_processes_keep_to_it(redis)


@pytest.fixture(params=["postgres", "redis"])
def server_store(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def own_budget(store: str, user: str, log: logging.Logger | None = None) -> RequestBudget:
    return open_budget(store, requests_per_minute=100, user_key=user, log=log)


def test_budgets_on_a_server_share_what_they_sent(server_store: str) -> None:
    first, second = own_budget(server_store, "sent"), own_budget(server_store, "sent")
    assert sum(first.acquire(timeout=0) for _ in range(30)) == 30
    assert second.remaining() == 70
    assert sum(second.acquire(timeout=0) for _ in range(71)) == 70
    assert not first.acquire(urgent=True, timeout=0)


def test_a_429_stops_everybody_on_a_server(server_store: str) -> None:
    first, second = own_budget(server_store, "429"), own_budget(server_store, "429")
    first.exhaust(0.5)
    assert second.remaining() == 0
    begun = time.monotonic()
    assert second.acquire()
    assert 0.4 < time.monotonic() - begun < 2


def test_watchers_are_counted_on_a_server(server_store: str) -> None:
    first, second = own_budget(server_store, "watch"), own_budget(server_store, "watch")
    first.register_watcher("1")
    second.register_watcher("2")
    assert first.watchers() == 2
    second.forget_watcher("2")
    assert first.watchers() == 1


def test_urgent_requests_go_first_on_a_server(server_store: str) -> None:
    budget = own_budget(server_store, "urgent")
    budget.register_watcher("job")
    assert sum(budget.acquire(timeout=0) for _ in range(100)) == 98
    assert budget.acquire(urgent=True, timeout=0)


def test_a_budget_works_before_and_after_a_fork(tmp_path: Path) -> None:
    budget = own_budget(f"sqlite:///{tmp_path / 'budget.sqlite'}", "fork")
    assert sum(budget.acquire(timeout=0) for _ in range(10)) == 10
    context = multiprocessing.get_context("fork")
    answers: SimpleQueue[int] = context.SimpleQueue()

    def in_child() -> None:
        answers.put(sum(budget.acquire(timeout=0) for _ in range(10)))

    child = context.Process(target=in_child)
    child.start()
    assert answers.get() == 10
    child.join()
    assert budget.acquire(timeout=0)
    assert budget.remaining() == 79


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/none",
        "postgresql://me:hunter2@127.0.0.1:1/none?password=hunter2",
    ],
)
def test_a_server_that_is_not_there_costs_one_warning_without_password(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    # A user of its own: the budget that stands in is shared by all of this process.
    budget = own_budget(url, f"absent at {url}")
    assert sum(budget.acquire(timeout=0) for _ in range(101)) == 100
    (record,) = caplog.records
    assert "127.0.0.1:1/none" in record.message
    assert "hunter2" not in record.message


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("postgresql://host/db", "psycopg", "postgres"), ("redis://host", "redis", "redis")],
)
def test_a_missing_driver_is_refused_with_what_to_install(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(HevoConfigurationError, match=rf"dagster-hevo\[{extra}\]"):
        own_budget(url, "missing")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@[::1/none",
        "postgresql://me:hunt%zz2@127.0.0.1:1/none",
        "redis://me:hunter2@[::1/0",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    if url.startswith("redis"):
        pytest.importorskip("redis")
    with pytest.raises(HevoConfigurationError) as refused:
        own_budget(url, "unreadable")
    assert "hunt" not in str(refused.value)


def test_a_slash_in_a_password_does_not_make_it_part_of_a_message() -> None:
    assert address_of("postgresql://me:12/hunter2@host/db") == "postgresql"
    assert address_of("postgresql://me:hun/ter2@host/db") == "postgresql"
    assert address_of("postgresql://me:hunter2@host:5432/db") == "postgresql://host:5432/db"
