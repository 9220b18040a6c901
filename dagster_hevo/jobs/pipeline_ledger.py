"""What all runs have written about one pipeline, in named lists that every process shares.

The lists, and who writes what into them, are described in `ledger.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from dagster_hevo.jobs.matching import Rival
from dagster_hevo.jobs.records import (
    EarlierRequest,
    Record,
    RecordKind,
    Settlement,
    requests_in,
)

LONGEST_ENTRY = 800
LISTS_REMEMBERED = 256
SENSOR_PREFIX = "sensor:"
"""What claims a job for a job sensor, before the sensor's name."""
_SETTLED = "settled."
_FOR_SENSOR = "sensor."
_RECORDING = "recording."


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

    def is_running(self, run_id: str) -> bool:
        """Whether a run is in progress."""
        ...

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        """Whether a step of a run ended well."""
        ...

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        """Show a record to people, beside the run's other events."""
        ...


def append_record(store: LedgerStore, name: str, uid: str, text: str) -> None:
    """Write a record into a list, in parts where it is long."""
    parts = [text[at : at + LONGEST_ENTRY] for at in range(0, len(text), LONGEST_ENTRY)]
    store.append(name, [f"{uid}.{n}.{len(parts)}|{part}" for n, part in enumerate(parts)])


def read_records(store: LedgerStore, name: str) -> tuple[Record, ...]:
    """The records of a list, the oldest first; what is not understood is left out."""
    return _records_in(tuple(store.read(name)))


def read_requests(store: LedgerStore, name: str) -> tuple[EarlierRequest, ...]:
    """The requests that the records of a list tell of, in the order in which they began."""
    return _requests_in(tuple(store.read(name)))


# Lists are read much more often than they grow.
@lru_cache(maxsize=LISTS_REMEMBERED)
def _requests_in(entries: tuple[str, ...]) -> tuple[EarlierRequest, ...]:
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
    records = map(Record.from_text, complete)
    return tuple(record for record in records if record is not None)


def records_list(root_run_id: str, step_key: str) -> str:
    """The name of the list of a step's records."""
    return f"requests/{root_run_id}/{step_key}"


@dataclass(frozen=True)
class RequestPointer:
    """An entry of ``starting`` or ``claimed``: where the records of a request are.

    Attributes:
        request_id: The request.
        run_id: The run that wrote the entry.
        root_run_id: The first of the runs of a re-execution chain.
        step_key: The step.
        job_id: The job, in ``claimed``.
    """

    request_id: str
    run_id: str
    root_run_id: str
    step_key: str
    job_id: str | None = None

    def to_text(self) -> str:
        """The entry. Long step keys are not cut: the store takes any text."""
        fields = [self.run_id, self.root_run_id, self.step_key, self.job_id]
        return f"{self.request_id}|{json.dumps(fields, separators=(',', ':'))}"

    @classmethod
    @lru_cache(maxsize=LISTS_REMEMBERED)
    def from_text(cls, text: str) -> RequestPointer | None:
        """Read an entry, or None where it is not one that this version understands."""
        request_id, _, rest = text.partition("|")
        try:
            run_id, root_run_id, step_key, job_id = json.loads(rest)
        except (TypeError, ValueError):
            return None
        return cls(request_id, run_id, root_run_id, step_key, job_id)


class PipelineLedger:
    """What all runs have written about the requests and jobs of one pipeline.

    Args:
        store: Where the lists are kept.
        account: The address of the Hevo account.
        pipeline_id: The pipeline.
    """

    def __init__(self, store: LedgerStore, account: str, pipeline_id: int) -> None:
        self._store = store
        self._place = f"{account}/{pipeline_id}"

    def owner_of(self, job_id: str) -> str | None:
        """The request that owns a job: the first that claimed it.

        A job sensor owns a job only as long as no request does: it claims what no run waits for.
        """
        entries = self._store.read(f"job/{self._place}/{job_id}")
        marks = (_SETTLED, _FOR_SENSOR, _RECORDING)
        claims = [entry for entry in entries if not entry.startswith(marks)]
        requests = [entry for entry in claims if not entry.startswith(SENSOR_PREFIX)]
        return next(iter(requests or claims), None)

    def is_settled(self, job_id: str) -> bool:
        """Whether a run has recorded the outcome of a job."""
        entries = self._store.read(f"job/{self._place}/{job_id}")
        return any(entry.startswith(_SETTLED) for entry in entries)

    def is_for_sensor(self, job_id: str) -> bool:
        """Whether the request that owns a job has ended, and the job sensor records the job."""
        entries = self._store.read(f"job/{self._place}/{job_id}")
        return any(entry.startswith(_FOR_SENSOR) for entry in entries)

    def claim(self, job_id: str, request_id: str) -> bool:
        """Claim a job for a request; say whether the request owns it."""
        self._store.append(f"job/{self._place}/{job_id}", [request_id])
        return self.owner_of(job_id) == request_id

    def begin_recording(self, job_id: str, by: str) -> str | None:
        """Begin to record the outcome of a job, or learn who records it already.

        Args:
            job_id: The job.
            by: The run, or the job sensor with its prefix.

        Returns:
            None to go on; otherwise the run or sensor that was first. A run that is gone does not
            count: whoever comes next records what it has left.
        """
        name = f"job/{self._place}/{job_id}"
        entry = f"{_RECORDING}{by}"
        self._store.append(name, [entry])
        for other in self._store.read(name):
            if other == entry:
                return None
            if not other.startswith(_RECORDING):
                continue
            who = other.removeprefix(_RECORDING)
            if who.startswith(SENSOR_PREFIX) or self._store.is_running(who):
                return who
        return None

    def recorders_of(self, job_id: str) -> frozenset[str]:
        """The runs that began to record the outcome of a job."""
        entries = self._store.read(f"job/{self._place}/{job_id}")
        found = {
            entry.removeprefix(_RECORDING) for entry in entries if entry.startswith(_RECORDING)
        }
        return frozenset(who for who in found if not who.startswith(SENSOR_PREFIX))

    def mark_settled(self, job_id: str, by: str) -> None:
        """Write down that a run has recorded the outcome of a job."""
        self._store.append(f"job/{self._place}/{job_id}", [f"{_SETTLED}{by}"])

    def mark_for_sensor(self, job_id: str, by: str) -> None:
        """Write down that the job sensor records the outcome of a job, or has recorded it."""
        self._store.append(f"job/{self._place}/{job_id}", [f"{_FOR_SENSOR}{by}"])

    def starting(self) -> tuple[RequestPointer, ...]:
        """The requests that may have sent a trigger and have no job yet, the oldest first."""
        return self._pointers(f"starting/{self._place}")

    def rivals(self, request_id: str, beside: Collection[str] = ()) -> tuple[Rival, ...]:
        """Requests without a job, whose job a new one may be as well as ours.

        Those triggered after ours have waited for our job as long as it takes to appear, so that a
        job that is not in their baseline is likelier theirs.

        Args:
            request_id: Our request.
            beside: Requests triggered before ours, which we have not waited for to the end.
        """
        pointers = self.starting()
        places = (n for n, item in enumerate(pointers) if item.request_id == request_id)
        first = max(places, default=-1) + 1
        earlier = (item for item in pointers[:first] if item.request_id in beside)
        found = map(self.request_of, (*earlier, *pointers[first:]))
        return tuple(
            Rival(other.baseline, other.answered_ms or other.baseline.hevo_ms)
            for other in found
            if other is not None and other.baseline is not None and other.is_starting
        )

    def claimed(self) -> tuple[RequestPointer, ...]:
        """The requests that claim a job and are not settled, the oldest first."""
        return self._pointers(f"claimed/{self._place}")

    def add_starting(self, pointer: RequestPointer) -> None:
        """Write down that a request is about to send a trigger."""
        self._store.append(f"starting/{self._place}", [pointer.to_text()])

    def add_claimed(self, pointer: RequestPointer) -> None:
        """Write down that a request claims a job."""
        self._store.append(f"claimed/{self._place}", [pointer.to_text()])

    def remove(self, request_id: str) -> None:
        """Take a request out of ``starting`` and ``claimed``."""
        self.remove_starting(request_id)
        self.remove_claimed(request_id)

    def remove_starting(self, request_id: str) -> None:
        """Take a request out of ``starting``."""
        self._remove(f"starting/{self._place}", request_id)

    def remove_claimed(self, request_id: str) -> None:
        """Take a request out of ``claimed``."""
        self._remove(f"claimed/{self._place}", request_id)

    def request_of(self, pointer: RequestPointer) -> EarlierRequest | None:
        """What the records of a request say."""
        known = read_requests(self._store, records_list(pointer.root_run_id, pointer.step_key))
        found = [item for item in known if item.request_id == pointer.request_id]
        return found[0] if found else None

    def is_running(self, run_id: str) -> bool:
        """Whether a run is in progress."""
        return self._store.is_running(run_id)

    def settle(self, pointer: RequestPointer, how: Settlement, sentence: str, *, uid: str) -> None:
        """Write down how a request ended."""
        record = Record(
            RecordKind.SETTLED, pointer.request_id, pointer.run_id, 0, {"how": how.value}
        )
        append_record(
            self._store,
            records_list(pointer.root_run_id, pointer.step_key),
            uid,
            record.to_text(),
        )
        if pointer.job_id is not None and how is Settlement.OBSERVED:
            self.mark_for_sensor(pointer.job_id, pointer.request_id)
        self.remove(pointer.request_id)
        self._store.tell(pointer.step_key, sentence, {"settled": how.value})

    def _pointers(self, name: str) -> tuple[RequestPointer, ...]:
        found = map(RequestPointer.from_text, self._store.read(name))
        return tuple(pointer for pointer in found if pointer is not None)

    def _remove(self, name: str, request_id: str) -> None:
        for entry in self._store.read(name):
            if entry.partition("|")[0] == request_id:
                self._store.remove(name, entry)
