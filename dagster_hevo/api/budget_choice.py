"""Which store a setting names: in this process, in a file, or on a server."""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from dagster_hevo.api.budget_stores import BudgetStore, MemoryStore, SqliteStore, default_path
from dagster_hevo.api.confidential import Hidden
from dagster_hevo.api.errors import HevoConfigurationError

_SCHEME = re.compile(r"(sqlite|postgres|postgresql|redis|rediss)(?:\+\w+)?://")


def store_for(
    hidden: Hidden[str | None], user: str, clock: Callable[[], float], in_process: BudgetStore
) -> BudgetStore:
    """The store that a setting names; arguments and errors as in `rate_limit.open_budget`."""
    if hidden.value is None:
        return SqliteStore(default_path(user), user, clock, in_own_folder=True)
    if hidden.value == "memory":
        return in_process
    named = _SCHEME.match(hidden.value)
    scheme = named[1] if named else None
    if scheme == "sqlite" and re.match("sqlite:///.", hidden.value):
        path = Path(hidden.value.removeprefix("sqlite:///")).absolute()
        return SqliteStore(path, user, clock)
    if scheme in {"postgresql", "postgres"}:
        from dagster_hevo.api.budget_servers import PostgresStore

        return PostgresStore(hidden.value, user)
    if scheme in {"redis", "rediss"}:
        from dagster_hevo.api.budget_servers import RedisStore

        return RedisStore(hidden.value, user)
    # It may hold a password, so it is not repeated.
    raise HevoConfigurationError(
        "rate_limit_store names no store that is known. Leave it out for a SQLite file, or set "
        "memory, sqlite:///PATH, postgresql://USER:PASSWORD@HOST/DATABASE or redis://HOST."
    )


_opening = threading.Lock()
_in_process_stores: weakref.WeakValueDictionary[tuple[str, Callable[[], float]], MemoryStore] = (
    weakref.WeakValueDictionary()
)


def in_process_store(user: str, clock: Callable[[], float]) -> MemoryStore:
    """The store that all budgets of one user in this process share."""
    with _opening:
        store = _in_process_stores.get((user, clock))
        if store is None:
            store = _in_process_stores[user, clock] = MemoryStore(clock)
        return store
