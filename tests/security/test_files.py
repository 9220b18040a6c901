"""The files and addresses of the request budget: nobody else reads along, is obeyed, or breaks it.

The tests that need another user give the files of this one away, which only root may.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from canaries import everything_in

from dagster_hevo.api.budget_board import Board, BudgetRules
from dagster_hevo.api.budget_servers import address_of
from dagster_hevo.api.budget_stores import hash_of_key
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.rate_limit import RequestBudget, open_budget

KEY = "a-key"
STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def budget_on(store: str | None) -> RequestBudget:
    return open_budget(store, requests_per_minute=100, user_key=KEY)


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temp folder that a group may write, in which the default file comes to lie."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1770)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def own_folder(temp: Path) -> Path:
    return temp / f"dagster-hevo-{os.geteuid()}"


def warned_of(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    return record.getMessage()


@needs_root
def test_a_folder_of_another_user_is_refused_in_a_temp_folder_of_a_group(temp: Path, caplog):
    own_folder(temp).mkdir(mode=0o777)
    os.chown(own_folder(temp), STRANGER, STRANGER)
    assert budget_on(None).acquire()
    assert "belongs to another user" in warned_of(caplog)
    assert not list(own_folder(temp).iterdir())


@needs_root
def test_a_folder_of_another_user_is_refused_under_dagster_home_too(tmp_path, monkeypatch, caplog):
    (tmp_path / "dagster_hevo").mkdir(mode=0o777)
    os.chown(tmp_path / "dagster_hevo", STRANGER, STRANGER)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert budget_on(None).acquire()
    assert "belongs to another user" in warned_of(caplog)


def test_a_folder_of_ours_that_others_may_write_into_is_closed_to_them(temp: Path):
    own_folder(temp).mkdir()
    own_folder(temp).chmod(0o777)
    assert budget_on(None).acquire()
    assert stat.S_IMODE(own_folder(temp).stat().st_mode) == 0o700


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_a_planted_link_is_not_followed(temp: Path, tmp_path: Path, caplog, end: str):
    own_folder(temp).mkdir(mode=0o700)
    victim = tmp_path / "victim"
    (own_folder(temp) / f"requests-{hash_of_key(KEY)}.sqlite{end}").symlink_to(victim)
    assert budget_on(None).acquire()
    assert not victim.exists()
    assert "is a link" in warned_of(caplog)


def test_a_planted_link_is_not_followed_where_the_path_was_given(tmp_path: Path, caplog):
    victim = tmp_path / "victim"
    (tmp_path / "budget.sqlite").symlink_to(victim)
    assert budget_on(f"sqlite:///{tmp_path / 'budget.sqlite'}").acquire()
    assert not victim.exists()
    assert "is a link" in warned_of(caplog)


@needs_root
def test_a_file_of_another_user_is_not_opened(tmp_path: Path, caplog):
    path = tmp_path / "budget.sqlite"
    budget_on(f"sqlite:///{path}").acquire()
    os.chown(path, STRANGER, STRANGER)
    assert budget_on(f"sqlite:///{path}").acquire()
    assert "belongs to another user" in warned_of(caplog)


def test_a_file_that_others_may_write_is_not_opened(tmp_path: Path, caplog):
    path = tmp_path / "budget.sqlite"
    budget_on(f"sqlite:///{path}").acquire()
    path.chmod(0o622)
    assert budget_on(f"sqlite:///{path}").acquire()
    assert "can be written by others" in warned_of(caplog)


DAMAGED = [
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"5",
    b"null",
    b"[]",
    b'{"paused": 1e999, "scarce": 0, "tickets": [], "watchers": {}}',
    b'{"paused": NaN, "scarce": 0, "tickets": [], "watchers": {}}',
    b'{"paused": 0, "scarce": 0, "tickets": [["a", 1, Infinity]], "watchers": {}}',
    b'{"paused": 0, "scarce": 0, "tickets": {"a": 1}, "watchers": []}',
    json.dumps({"paused": 10**400, "scarce": -(10**400), "tickets": [], "watchers": {}}).encode(),
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:30]))
def test_a_damaged_board_counts_as_empty(tmp_path: Path, caplog, content: bytes):
    path = tmp_path / "budget.sqlite"
    budget = budget_on(f"sqlite:///{path}")
    budget.register_watcher("job")
    with sqlite3.connect(path) as file:
        file.execute("UPDATE boards SET board = CAST(? AS TEXT)", (content,))
    assert budget.acquire(timeout=0)
    budget.register_watcher("other")
    assert budget.watchers() == 1
    assert caplog.records == []


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:30]))
def test_a_damaged_board_is_read_as_an_empty_one_wherever_it_was_kept(content: bytes):
    text = content.decode("utf-8", "replace")
    assert Board.from_json(text).as_of(1_000, BudgetRules(100).interval_ms) == Board()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:12#34canary@host/db",
        "postgresql://me:12?34canary@host/db",
        "postgresql://me:12/34canary@host/db",
        "postgresql://me:34canary#@host:5432/db",
        "redis://:12#34canary@host/0",
        "redis://host/0;password=34canary",
        "redis://host/0?password=34canary",
        "redis://host;password=34canary",
        "postgresql://me@host/db?password=34canary#x",
        "postgresql://34canary",
        "34canary://host",
    ],
)
def test_no_part_of_a_password_is_in_a_stores_name(url: str):
    shown = address_of(url)
    if url != "postgresql://34canary":  # which is a host
        assert "canary" not in shown
        assert "12" not in shown


def test_what_a_driver_says_does_not_repeat_the_password(caplog):
    budget = budget_on("postgresql://me:34canary@127.0.0.1:1/db?application_name=34canary")
    assert budget.acquire()
    shown = warned_of(caplog) + repr(vars(budget)) + repr(vars(budget._store))
    assert "postgresql://127.0.0.1:1/db" in shown
    assert "canary" not in shown


@pytest.mark.parametrize(
    "store",
    ["oracle://me:34canary@host", "34canary", "redis://h:34canary/x", "postgresql://h:34 canary"],
)
def test_a_store_that_is_refused_is_not_in_the_errors_frames(store: str):
    with pytest.raises(HevoConfigurationError) as raised:
        budget_on(store)
    assert "canary" not in everything_in(raised.value)
