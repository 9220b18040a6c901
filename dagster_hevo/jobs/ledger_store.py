"""The named lists that the ledger is kept in: what a store offers, and how records are put there.

In a Dagster run the lists are kept by `dagster_hevo.execution.run_ledger`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from dagster_hevo.jobs.records import Record, RecordedRequest, requests_in

LONGEST_ENTRY = 800
LISTS_REMEMBERED = 256


class LedgerStore(Protocol):
    """Named lists of short texts. Each call is carried out, for all processes, when it returns."""

    def append(self, name: str, entries: Sequence[str]) -> None:
        """Add entries to the end of a list, together; one that is there already stays in place."""
        ...

    def read(self, name: str) -> Sequence[str]:
        """The entries of a list, the oldest first."""
        ...

    def remove(self, name: str, entry: str) -> None:
        """Take an entry out of a list."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait until what other processes write can be seen."""
        ...

    def is_running(self, run_id: str) -> bool:
        """Whether a run is in progress."""
        ...

    def has_ended(self, run_id: str) -> bool:
        """Whether a run is known, and has ended."""
        ...

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        """Whether a step of a run ended well."""
        ...

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        """Show a record to people, beside the run's other events."""
        ...


# A storage that several machines share may show a later entry before an earlier one, for moments.
SECONDS_UNTIL_SEEN = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)
# And a process may be slow to give way.
SECONDS_UNTIL_DECIDED = (*SECONDS_UNTIL_SEEN, 2.0, 4.0, 8.0, 16.0)


def first_other(
    store: LedgerStore, name: str, entry: str, *, counts: Callable[[str], bool]
) -> str | None:
    """Add an entry to a list, where only one of several may stay.

    Whoever sees an earlier entry gives way, and takes its own out again. Whoever sees only later
    ones waits until they have given way: one that stays saw itself alone, and was first.

    Args:
        store: Where the list is kept.
        name: The list.
        entry: What to add.
        counts: Whether an entry of the list is one of those of which only one may stay.

    Returns:
        The entry that was first; None where it is ours, which then stays.
    """
    store.append(name, [entry])
    others: list[str] = []
    for seconds in SECONDS_UNTIL_DECIDED:
        store.pause(seconds)
        entries = list(store.read(name))
        others = [other for other in entries if other != entry and counts(other)]
        if not others:
            return None
        if entry not in entries or entries.index(others[0]) < entries.index(entry):
            break
    store.remove(name, entry)
    return others[0]


def append_record(store: LedgerStore, name: str, uid: str, text: str) -> None:
    """Write a record into a list, in parts where it is long."""
    parts = [text[at : at + LONGEST_ENTRY] for at in range(0, len(text), LONGEST_ENTRY)]
    store.append(name, [f"{uid}.{n}.{len(parts)}|{part}" for n, part in enumerate(parts)])


def read_records(store: LedgerStore, name: str) -> tuple[Record, ...]:
    """The records of a list, the oldest first; what is not understood is left out."""
    return _records_in(tuple(store.read(name)))


def read_requests(store: LedgerStore, name: str) -> tuple[RecordedRequest, ...]:
    """The requests that the records of a list tell of, in the order in which they began."""
    return _requests_in(tuple(store.read(name)))


# Lists are read much more often than they grow.
@lru_cache(maxsize=LISTS_REMEMBERED)
def _requests_in(entries: tuple[str, ...]) -> tuple[RecordedRequest, ...]:
    return requests_in(_records_in(entries))


@lru_cache(maxsize=LISTS_REMEMBERED)
def _records_in(entries: tuple[str, ...]) -> tuple[Record, ...]:
    parts: dict[str, list[str]] = {}
    complete: list[str] = []
    for entry in entries:
        head, _, text = entry.partition("|")
        uid, _, place = head.partition(".")
        _, _, count = place.partition(".")
        found = parts.setdefault(uid, [])
        found.append(text)
        if count.isdecimal() and len(found) == int(count):
            complete.append("".join(found))
    records = [Record.from_text(text) for text in complete]
    if not all(record is not None and record.makes_sense for record in records):
        warn_of_foreign_entries()
    return tuple(record for record in records if record is not None)


@lru_cache(maxsize=1)
def warn_of_foreign_entries() -> None:
    """Say once per process that something else writes into the ledger's lists."""
    logging.getLogger("dagster_hevo").warning(
        "The ledger in this Dagster instance holds entries that this version of dagster-hevo did "
        "not write: of another version, or of other code that adds dynamic partitions whose names "
        "begin with dagster-hevo/. They count for nothing."
    )


def records_list(root_run_id: str, step_key: str) -> str:
    """The name of the list of a step's records."""
    return f"requests/{root_run_id}/{step_key}"


def resuming_list(root_run_id: str, step_key: str, request_id: str) -> str:
    """The name of the list of the runs that go on with a request, of which one does."""
    return f"resuming/{root_run_id}/{step_key}/{request_id}"


class MemoryStore:
    """Lists for one process: for scripts and the command line, whose requests nobody resumes."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}

    def append(self, name: str, entries: Sequence[str]) -> None:
        known = self.lists.setdefault(name, [])
        known += [entry for entry in entries if entry not in known]

    def read(self, name: str) -> Sequence[str]:
        return tuple(self.lists.get(name, ()))

    def remove(self, name: str, entry: str) -> None:
        if entry in self.lists.get(name, ()):
            self.lists[name].remove(entry)

    def pause(self, seconds: float) -> None:
        pass

    def is_running(self, run_id: str) -> bool:
        return False

    def has_ended(self, run_id: str) -> bool:
        return False

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        return False

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        pass
