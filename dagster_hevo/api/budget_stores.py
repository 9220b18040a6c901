"""Where the request budget is kept: in this process, or in a SQLite file for this machine.

Each store hands out a `Session`: the log of sent requests (a bucket of pyrate-limiter, which counts
the sliding window) and the board, to one process at a time. Stores on a server are in
`budget_servers.py`; what is decided with a session is in `rate_limit.py`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from dagster_hevo.api.budget_board import Board, BudgetRules
from dagster_hevo.api.private_files import make_private_file

if TYPE_CHECKING:
    import sqlite3

    from pyrate_limiter import Rate, RateItem

LOCK_PATIENCE_SECONDS = 5.0


class StoreUnavailable(Exception):
    """The store cannot be used now: broken, locked for long, not writable or not reachable."""


class RequestLog(Protocol):
    """What is used of a pyrate-limiter bucket that is not asynchronous."""

    rates: list[Rate]

    def put(self, item: RateItem) -> bool: ...

    def waiting(self, item: RateItem) -> int: ...

    def peek(self, index: int) -> RateItem | None: ...

    def leak(self, current_timestamp: int) -> int: ...

    def flush(self) -> None: ...

    def count(self) -> int: ...


class Session(NamedTuple):
    """The budget as one process sees and changes it while no other can.

    `pyrate_limiter.Limiter` is not used: it knows no priority, no pause and no queue, and retries
    instead of waiting for its turn. Its buckets do the counting.

    SQLite's bucket commits in `put`, `leak` and `flush`: only one of them, and last, in a session.

    Attributes:
        now: The store's time, in epoch milliseconds.
        log: The requests sent, each with its time.
        board: What the processes tell each other, without what has run out.
        post: Replaces the board.
    """

    now: int
    log: RequestLog
    board: Board
    post: Callable[[Board], None]

    def sent_last_at(self) -> int | None:
        """When the latest request was let go, in epoch milliseconds."""
        latest = self.log.peek(0)
        return None if latest is None else latest.timestamp

    def send(self, room: int, interval: int) -> int:
        """Enter one request if fewer than ``room`` were sent in the last ``interval`` ms.

        Returns:
            0 if it may be sent now, else the milliseconds until there can be room.
        """
        from pyrate_limiter import Rate, RateItem

        if room < 1:
            return interval
        item = RateItem("request", self.now)
        self.log.rates = [Rate(room, interval)]
        return 0 if self.log.put(item) else max(1, self.log.waiting(item))

    def sent_within(self, interval: int) -> int:
        """How many requests were sent in the last ``interval`` ms; older ones are removed."""
        from pyrate_limiter import Rate

        self.log.rates = [Rate(1, interval)]
        self.log.leak(self.now)
        return self.log.count()


class BudgetStore(Protocol):
    """Keeps the budget of one Hevo user.

    Attributes:
        name: What a message calls it, free of passwords.
    """

    name: str

    def session(self, rules: BudgetRules) -> AbstractContextManager[Session]:
        """One process's turn.

        Raises:
            StoreUnavailable: The store cannot be used now.
        """
        ...

    def close(self) -> None: ...


def hash_of_key(user_key: str) -> str:
    """A name for a user that does not tell the key."""
    import hashlib

    return hashlib.sha256(user_key.encode()).hexdigest()[:16]


class MemoryStore:
    """A budget for the threads of this process alone.

    Args:
        clock: The time in epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.name = "in this process"
        self._clock = clock
        self._lock = threading.Lock()
        self._board = Board()
        self._log: RequestLog | None = None
        _TO_CLOSE_BEFORE_FORK.add(self)

    @contextmanager
    def session(self, rules: BudgetRules) -> Generator[Session]:
        """One thread's turn."""
        with self._lock:
            if self._log is None:
                from pyrate_limiter import InMemoryBucket, Rate

                self._log = cast("RequestLog", InMemoryBucket([Rate(1, 1)]))
            now = int(self._clock() * 1000)
            board = self._board.as_of(now, rules.interval_ms)
            yield Session(now, self._log, board, self._post)

    def _post(self, board: Board) -> None:
        self._board = board

    def close(self) -> None:
        """Nothing is held."""

    def before_fork(self) -> bool:
        """Keep other threads out, so that the child gets a whole copy."""
        return self._lock.acquire(timeout=LOCK_PATIENCE_SECONDS)

    def after_fork(self, *, in_child: bool, was_locked: bool) -> None:
        """Let them in again; the child gets a lock of its own."""
        if in_child:
            self._lock = threading.Lock()
        elif was_locked:
            self._lock.release()


class SqliteStore:
    """A budget for all processes of this machine, in a file that only its owner can read.

    SQLite's own write lock keeps processes apart, and `timeout` bounds the wait for it.
    `SQLiteBucket.init_from_file(use_file_lock=True)` would wait for its lock file for ever.

    Args:
        path: The file; it is made when it is first needed.
        user: A name for the user, of letters and digits.
        clock: The time in epoch seconds, the same for all processes.
        patience: Seconds to wait for a locked file.
        in_own_folder: As in `make_private_file`.
    """

    def __init__(
        self,
        path: Path,
        user: str,
        clock: Callable[[], float],
        patience: float = LOCK_PATIENCE_SECONDS,
        *,
        in_own_folder: bool = False,
    ) -> None:
        self.name = f"file {path}"
        self._path = path
        self._user = user
        self._clock = clock
        self._patience = patience
        self._in_own_folder = in_own_folder
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._log: RequestLog | None = None
        _TO_CLOSE_BEFORE_FORK.add(self)

    @contextmanager
    def session(self, rules: BudgetRules) -> Generator[Session]:
        """One process's turn.

        Raises:
            StoreUnavailable: The file is broken, locked for longer than ``patience``, or cannot be
                written.
        """
        import sqlite3

        if not self._lock.acquire(timeout=self._patience):
            raise StoreUnavailable("another thread has held it for too long")
        try:
            connection, log = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            # As bytes: text that is no UTF-8 would raise, and what is damaged counts as empty.
            row = connection.execute(
                "SELECT CAST(board AS BLOB) FROM boards WHERE user = ?", (self._user,)
            ).fetchone()
            now = int(self._clock() * 1000)
            board = Board.from_json(row[0] if row else None).as_of(now, rules.interval_ms)
            yield Session(now, log, board, self._post)
            connection.commit()
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.rollback()
            self._lock.release()

    def _post(self, board: Board) -> None:
        assert self._connection is not None
        self._connection.execute(
            "INSERT OR REPLACE INTO boards (user, board) VALUES (?, ?)",
            (self._user, board.to_json()),
        )

    def _opened(self) -> tuple[sqlite3.Connection, RequestLog]:
        if self._connection is not None and self._log is not None:
            return self._connection, self._log
        import sqlite3

        from pyrate_limiter import Rate, SQLiteBucket, SQLiteQueries

        make_private_file(self._path, in_own_folder=self._in_own_folder)
        # Its own lock would not reach other processes; ours is around every use of the bucket.
        connection = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            use_write_ahead_log(connection, self._patience)
            connection.execute("PRAGMA synchronous=NORMAL")
            table = f"requests_{self._user}"
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(SQLiteQueries.CREATE_BUCKET_TABLE.format(table=table))
            connection.execute(
                "CREATE TABLE IF NOT EXISTS boards (user TEXT PRIMARY KEY, board TEXT NOT NULL)"
            )
            connection.commit()
        except BaseException:
            connection.close()
            raise
        bucket: Any = SQLiteBucket([Rate(1, 1)], connection, table)
        self._connection, self._log = connection, cast("RequestLog", bucket)
        return self._connection, self._log

    def _close(self) -> None:
        connection, self._connection, self._log = self._connection, None, None
        if connection is not None:
            import sqlite3

            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Close the file; the next session opens it again."""
        if self._lock.acquire(timeout=self._patience):
            try:
                self._close()
            finally:
                self._lock.release()

    def before_fork(self) -> bool:
        """Close the file, since an open SQLite connection must not be carried into a child.

        SQLite keeps its locks in memory too: a child that inherits them believes that it holds
        locks which it does not hold, and could read a log that the parent is rewriting.
        """
        locked = self._lock.acquire(timeout=self._patience)
        if locked:
            self._close()
        return locked

    def after_fork(self, *, in_child: bool, was_locked: bool) -> None:
        """Go on; the child gets a lock of its own."""
        if in_child:
            self._lock = threading.Lock()
            # Still open only if a thread was waiting for the file: closing it is the parent's.
            _abandoned.append(self._connection)
            self._connection = self._log = None
        elif was_locked:
            self._lock.release()


_TO_CLOSE_BEFORE_FORK: weakref.WeakSet[MemoryStore | SqliteStore] = weakref.WeakSet()
_abandoned: list[object] = []
_locked_for_fork: list[tuple[MemoryStore | SqliteStore, bool]] = []


def _before_fork() -> None:
    _locked_for_fork.extend([(store, store.before_fork()) for store in list(_TO_CLOSE_BEFORE_FORK)])


def _after_fork(*, in_child: bool) -> None:
    for store, was_locked in _locked_for_fork:
        store.after_fork(in_child=in_child, was_locked=was_locked)
    _locked_for_fork.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(in_child=False),
        after_in_child=lambda: _after_fork(in_child=True),
    )


def use_write_ahead_log(connection: sqlite3.Connection, patience: float) -> None:
    """Let readers and one writer work side by side; a killed process leaves the file whole.

    SQLite does not wait by itself when two processes switch a new file over at the same time.

    Raises:
        sqlite3.Error: The file is no database, or stays locked for ``patience`` seconds.
    """
    import sqlite3

    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def default_path(user: str) -> Path:
    """The file that all processes of this machine find without being told.

    Args:
        user: The hash of the user's key.
    """
    home = os.environ.get("DAGSTER_HOME", "")
    if home and Path(home).is_dir():
        folder = Path(home).absolute() / "dagster_hevo"
    else:
        import tempfile

        owner = os.geteuid() if hasattr(os, "geteuid") else os.environ.get("USERNAME", "user")
        folder = Path(tempfile.gettempdir()) / f"dagster-hevo-{owner}"
    return folder / f"requests-{user}.sqlite"
