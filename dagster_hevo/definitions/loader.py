"""An account's snapshot, read when it has to be: what is known already is not read again.

Three places hold what was read: this process, Dagster (for the processes that execute steps of the
same load), and a kept state that outlives both (`kept_state.py`). Reading itself is `reading.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dagster_hevo.api.errors import HevoAuthenticationError, HevoError
from dagster_hevo.dagster_private import pending_state, remember_state, remembered_state
from dagster_hevo.definitions.columns import LEFT_TO_OTHERS, with_columns
from dagster_hevo.definitions.kept_state import KeptState, kept_state_of, read_snapshot
from dagster_hevo.definitions.reading import Wanted, may_pass, read_account
from dagster_hevo.definitions.snapshot import AccountSnapshot

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.rate_limit import RequestBudget


@dataclass(frozen=True)
class LoadingSettings:
    """How an account's snapshot is kept.

    Attributes:
        max_age: Seconds that a snapshot is used without reading Hevo again; 0 reads at every load.
        snapshot_path: A file to load from instead of Hevo.
        kept_in: Where the snapshot is kept: ``dagster_home`` or ``defs_state_storage``.
    """

    max_age: float = 15 * 60.0
    snapshot_path: str | None = None
    kept_in: str = "dagster_home"


class LoadedAccount(Protocol):
    """What a loader has to know of an account. ``HevoResource`` has it."""

    @property
    def state_key(self) -> str:
        """What names the account's state in a code location; its keys need not be at hand."""
        ...

    @property
    def account_name(self) -> str:
        """What names the account and its user in file names, free of secrets."""
        ...

    def get_client(self) -> HevoClient:
        """The client of the account."""
        ...

    def loading_settings(self) -> LoadingSettings:
        """How the snapshot is kept."""
        ...

    def loading_budget(self) -> RequestBudget | None:
        """The request budget that bounds how many columns one load reads; None for no bound."""
        ...


class AccountLoader:
    """Reads, keeps and refreshes the snapshot of one account. Threads may share it.

    Args:
        account: The account.
    """

    def __init__(self, account: LoadedAccount) -> None:
        self._account = account
        self._known: AccountSnapshot | None = None
        self._parsed: tuple[str, AccountSnapshot] | None = None
        self._lock = threading.RLock()

    def load(self, wanted: Wanted) -> AccountSnapshot:
        """The wanted pipelines, for a code location: read when it first loads, remembered after.

        Args:
            wanted: What is wanted of the account.

        Returns:
            The wanted pipelines only.

        Raises:
            HevoConfigurationError: The account has no pipelines, or the snapshot's file is none.
            HevoError: Hevo could not be read, and nothing is known.
        """
        key = self._account.state_key
        state = remembered_state(key)
        if state is not None:
            return self._from_json(state).select(wanted.chosen)
        account = self.read(wanted).select(wanted.chosen)
        tell_findings(account)
        before = pending_state(key)
        known = account if before is None else self._from_json(before).merged_with(account)
        text = known.to_json()
        self._parsed = (text, known)
        remember_state(key, text)
        return account

    def read(
        self, wanted: Wanted, *, force_refresh: bool = False, store: KeptState | None = None
    ) -> AccountSnapshot:
        """The wanted pipelines and all others that are known, which may have no objects.

        Args:
            wanted: What is wanted of the account.
            force_refresh: Whether to read from Hevo whatever is known. All of it is read, or an
                error is raised and what was kept stays as it was.
            store: Where the snapshot is kept, instead of the account's own place.

        Raises:
            HevoConfigurationError: The account has no pipelines, or the snapshot's file is none.
            HevoError: Hevo could not be read, and nothing is known.
        """
        settings = self._account.loading_settings()
        with self._lock:
            if settings.snapshot_path is not None:
                return read_snapshot(settings.snapshot_path)
            if store is None:
                store = kept_state_of(settings.kept_in, self._account)
            kept = None if store is None else store.read()
            known = None if force_refresh else self._known
            if known is None and not force_refresh and kept is not None and self.is_recent(kept):
                known = kept
            try:
                found = self._read(wanted, known, kept, force_refresh)
            except HevoAuthenticationError:
                raise
            except HevoError as error:
                if force_refresh or wanted.strict or kept is None or store is None:
                    raise
                if not may_pass(error) or not wanted.is_in(kept):
                    raise
                logging.getLogger("dagster_hevo").warning(
                    f"Hevo's pipelines could not be read; going on with what was read earlier and "
                    f"kept in {store.place}. {error}"
                )
                return kept
            self._known = found
            if store is not None and found != kept:
                store.write(found)
            return found

    def _read(
        self,
        wanted: Wanted,
        known: AccountSnapshot | None,
        kept: AccountSnapshot | None,
        force_refresh: bool,
    ) -> AccountSnapshot:
        client, strict = self._account.get_client(), wanted.strict or force_refresh
        found = read_account(client, wanted, known=known, kept=kept, strict=strict)
        if not wanted.include_columns:
            return found
        # A refresh that was requested reads all columns, however long it waits.
        budget = None if force_refresh else self._account.loading_budget()
        return with_columns(
            client,
            found,
            selector=wanted.chosen,
            kept=kept,
            most_requests=None if budget is None else budget.remaining() - LEFT_TO_OTHERS,
            strict=strict,
        )

    def is_recent(self, state: AccountSnapshot) -> bool:
        """Whether a state may be used without reading Hevo again, by its age."""
        age = time.time() - state.fetched_at
        return 0 <= age < self._account.loading_settings().max_age

    def _from_json(self, text: str) -> AccountSnapshot:
        """Read a state that Dagster remembers; the same text is read once."""
        if self._parsed is None or self._parsed[0] != text:
            self._parsed = (text, AccountSnapshot.from_json(text))
        return self._parsed[1]


def tell_findings(account: AccountSnapshot) -> None:
    """Say where pipelines and the catalogs of their sources do not agree."""
    log = logging.getLogger("dagster_hevo")
    for item in account.pipelines:
        found = item.catalog
        if found is None or item.objects is None:
            continue
        name = f"Pipeline {item.pipeline.id} ({item.pipeline.name})"
        if found.frequency_problem is not None:
            log.warning(f"{name}: {found.frequency_problem}")
        if found.missing or found.unknown:
            log.info(
                f"{name} and what is known of {found.source} differ: {len(found.missing)} known "
                f"objects are not in the pipeline, {len(found.unknown)} of its objects are not "
                f"known. `dagster-hevo objects {item.pipeline.id} --catalog` lists them."
            )
