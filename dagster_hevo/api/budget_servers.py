"""Request budgets for several machines: in PostgreSQL or Redis.

Both take the time from their server, so the machines' clocks need not agree. Stores on one machine
are in `budget_stores.py`. The drivers are extras and are imported when a store is made.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, cast
from urllib.parse import unquote

from dagster_hevo.api.budget_board import Board, BudgetRules
from dagster_hevo.api.budget_stores import (
    LOCK_PATIENCE_SECONDS,
    RequestLog,
    Session,
    StoreUnavailable,
)
from dagster_hevo.api.confidential import Hidden, Secrets
from dagster_hevo.api.errors import HevoConfigurationError


def import_driver(module: str, extra: str) -> Any:
    """A driver that only some users need.

    Raises:
        HevoConfigurationError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise HevoConfigurationError(
            f"rate_limit_store needs the package {module}, which is not installed. "
            f"Install it with: pip install 'dagster-hevo[{extra}]'"
        ) from error


_PLAIN_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+]*)://(?:[^/?#@]*@)?(?P<place>[A-Za-z0-9._-]+(?::\d{1,5})?"
    r"(?:/[A-Za-z0-9_-]*)?)(?:\?[^@#]*)?"
)


def address_of(url: str) -> str:
    """Where a store is, without user name, password and options, which may hold them too.

    Only what is written as an address should be is shown: in any other, what looks like a host, a
    port or a path may be a part of the password.
    """
    found = _PLAIN_ADDRESS.fullmatch(url)
    if found is None:
        scheme = url.partition(":")[0]
        return scheme if re.fullmatch(r"[a-z][a-z0-9+]{0,20}", scheme) else "a server"
    return f"{found['scheme']}://{found['place']}"


def secrets_of(url: str) -> Secrets:
    """What no message about a store may repeat: its address, and the password in it."""
    user_part = url.partition("://")[2].rpartition("@")[0]
    password = user_part.partition(":")[2]
    options = re.findall(r"password=([^&;]+)", url)
    return Secrets((url, password, unquote(password), *options, *map(unquote, options)))


def unreadable_address(form: str) -> HevoConfigurationError:
    """The error for an address that its driver cannot read; what that says of it quotes it."""
    return HevoConfigurationError(
        f"rate_limit_store cannot be read as {form}. Write characters such as / # @ % in a "
        "password as %2F %23 %40 %25."
    )


class BorrowedConnection:
    """The one connection of a transaction, in the place of the pool that the bucket expects.

    Why: the bucket must count and enter within our transaction, and a pool's threads would not
    survive a fork.
    """

    closed = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @contextmanager
    def connection(self) -> Generator[Any]:
        """The connection; the transaction goes on after it."""
        yield self._connection


class PostgresStore:
    """A budget for all machines that reach one PostgreSQL database.

    It connects for each session and keeps no connection: hundreds of runs that watch jobs for
    hours would otherwise use up the server's.

    Args:
        url: ``postgresql://user:password@host:port/database``.
        user: A name for the user, of letters and digits.
        patience: Seconds to wait for the connection, and for the lock.

    Raises:
        HevoConfigurationError: psycopg is not installed, or cannot read ``url``.
    """

    def __init__(self, url: str, user: str, patience: float = LOCK_PATIENCE_SECONDS) -> None:
        self.name = f"database {address_of(url)}"
        self._secrets = secrets_of(url)
        self._url = Hidden(re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url))
        del url  # an error's frames show the variables of this one
        self._user = user
        self._patience_ms = int(patience * 1000)
        self._psycopg = import_driver("psycopg", "postgres")
        read = import_driver("psycopg.conninfo", "postgres").conninfo_to_dict
        is_readable = False
        with suppress(self._psycopg.ProgrammingError):
            is_readable = bool(read(self._url.value))
        # Out here: what a driver says of an address quotes it, and must not hang on.
        if not is_readable:
            raise unreadable_address("postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        self._opening = threading.Lock()
        self._bucket: Any = None

    @contextmanager
    def session(self, rules: BudgetRules) -> Generator[Session]:
        """One process's turn.

        Raises:
            StoreUnavailable: The database is not reachable, refuses, or is locked for too long.
        """
        try:
            with self._connected() as connection:
                bucket = self._bucket_on(connection)
                # `put` takes this lock too but gives up at once if somebody has it, and then
                # cannot say how long to wait. Taken here first, with patience, it never has to.
                table = self._psycopg.sql.Identifier(f"ratelimit___{bucket.table}")
                lock = self._psycopg.sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE")
                connection.execute(lock.format(table))
                now, text = connection.execute(
                    "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,"
                    " (SELECT board FROM dagster_hevo_boards WHERE hevo_user = %s)",
                    (self._user,),
                ).fetchone()
                board = Board.from_json(text).as_of(now, rules.interval_ms)

                def post(changed: Board) -> None:
                    connection.execute(
                        "INSERT INTO dagster_hevo_boards (hevo_user, board) VALUES (%s, %s)"
                        " ON CONFLICT (hevo_user) DO UPDATE SET board = EXCLUDED.board",
                        (self._user, changed.to_json()),
                    )

                yield Session(now, cast("RequestLog", bucket), board, post)
        except self._psycopg.Error as error:
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            raise StoreUnavailable(self._secrets.masked(reason)) from None

    @contextmanager
    def _connected(self) -> Generator[Any]:
        connection = self._psycopg.connect(
            self._url.value,
            connect_timeout=max(2, self._patience_ms // 1000),
            prepare_threshold=None,  # poolers between us and the server may not keep statements
        )
        with connection:
            self._begin(connection)
            yield connection

    def _begin(self, connection: Any) -> None:
        # The bucket's table has times without a zone: every process must read them in one.
        connection.execute(
            f"SET LOCAL lock_timeout = {self._patience_ms};"
            f"SET LOCAL statement_timeout = {self._patience_ms};"
            "SET LOCAL TIME ZONE 'UTC'"
        )

    def _bucket_on(self, connection: Any) -> Any:
        with self._opening:
            if self._bucket is None:
                from pyrate_limiter import PostgresBucket, Rate

                pool: Any = BorrowedConnection(connection)
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('dagster_hevo_boards'))")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS dagster_hevo_boards"
                    " (hevo_user TEXT PRIMARY KEY, board TEXT NOT NULL)"
                )
                bucket = PostgresBucket(pool, f"hevo_{self._user}", [Rate(1, 1)])
                # Others may use the tables only when they are there for all to see.
                connection.commit()
                self._begin(connection)
                self._bucket = bucket
        # Threads have a connection each, and so a bucket each; making a new one would again ask
        # the server for its tables.
        own: Any = copy.copy(self._bucket)
        own.pool = BorrowedConnection(connection)
        return own

    def close(self) -> None:
        """Nothing is held."""


class RedisStore:
    """A budget for all machines that reach one Redis.

    Args:
        url: ``redis://user:password@host:port/number``, or ``rediss://``.
        user: A name for the user, of letters and digits.
        patience: Seconds to wait for an answer, and for the lock.

    Raises:
        HevoConfigurationError: redis is not installed, or cannot read ``url``.
    """

    def __init__(self, url: str, user: str, patience: float = LOCK_PATIENCE_SECONDS) -> None:
        self.name = f"database {address_of(url)}"
        self._secrets = secrets_of(url)
        hidden = Hidden(url)
        del url  # an error's frames show the variables of this one
        self._redis = import_driver("redis", "redis")
        self._key = f"dagster_hevo:{{{user}}}"
        self._patience = patience
        self._client: Any = None
        with suppress(ValueError):
            self._client = self._redis.Redis.from_url(
                hidden.value, socket_timeout=patience, socket_connect_timeout=patience
            )
        if self._client is None:
            raise unreadable_address("redis://USER:PASSWORD@HOST:PORT/NUMBER")

    @contextmanager
    def session(self, rules: BudgetRules) -> Generator[Session]:
        """One process's turn.

        Raises:
            StoreUnavailable: Redis is not reachable, refuses, or is locked for too long.
        """
        from pyrate_limiter import Rate, RedisBucket

        bucket_class: Any = RedisBucket
        try:
            with self._client.lock(
                f"{self._key}:lock",
                timeout=2 * self._patience,
                blocking_timeout=self._patience,
                sleep=0.02,
            ):
                # The bucket's script is loaded each time: a restarted Redis has forgotten it.
                bucket = bucket_class.init([Rate(1, 1)], self._client, f"{self._key}:requests")
                seconds, microseconds = self._client.time()
                now = int(seconds) * 1000 + int(microseconds) // 1000
                saved: bytes | None = self._client.get(f"{self._key}:board")
                text = saved.decode("utf-8", "replace") if saved else None
                board = Board.from_json(text).as_of(now, rules.interval_ms)

                def post(changed: Board) -> None:
                    self._client.set(f"{self._key}:board", changed.to_json(), ex=24 * 3600)

                yield Session(now, cast("RequestLog", bucket), board, post)
        except self._redis.RedisError as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreUnavailable(self._secrets.masked(reason)) from None

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()
