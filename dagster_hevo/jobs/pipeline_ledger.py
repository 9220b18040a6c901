"""What all runs have written about one pipeline, in named lists that every process shares.

The lists, and who writes what into them, are described in `ledger.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from dagster_hevo.jobs.ledger_store import (
    LISTS_REMEMBERED,
    LedgerStore,
    append_record,
    first_other,
    read_requests,
    records_list,
    warn_of_foreign_entries,
)
from dagster_hevo.jobs.newness import Rival
from dagster_hevo.jobs.records import (
    Record,
    RecordedRequest,
    RecordKind,
    Settlement,
)

SENSOR_PREFIX = "sensor:"
"""What claims a job for a job sensor, before the sensor's name."""
# Each is a failed run whose job never came: more are not worth reading.
MOST_UNRESOLVED = 100
_RECORDED = "recorded."
_FOR_SENSOR = "sensor."
_RECORDING = "recording."


@dataclass(frozen=True)
class RequestPointer:
    """An entry of ``starting`` or ``claimed``: where the records of a request are.

    Attributes:
        request_id: The request.
        run_id: The run that wrote the entry.
        root_run_id: The first of the runs of a re-execution chain.
        step_key: The step.
        job_id: The job, in ``claimed``.
        is_adopted: Whether that is a foreign job.
    """

    request_id: str
    run_id: str
    root_run_id: str
    step_key: str
    job_id: str | None = None
    is_adopted: bool = False

    def to_text(self) -> str:
        """The entry. Long step keys are not cut: the store takes any text."""
        fields = [self.run_id, self.root_run_id, self.step_key, self.job_id, self.is_adopted]
        return f"{self.request_id}|{json.dumps(fields, separators=(',', ':'))}"

    @classmethod
    @lru_cache(maxsize=LISTS_REMEMBERED)
    def from_text(cls, text: str) -> RequestPointer | None:
        """Read an entry, or None where it is not one that this version understands."""
        request_id, _, rest = text.partition("|")
        try:
            fields = json.loads(rest)
        except (ValueError, RecursionError):
            return None
        # Other code on the instance may write into the list too: nothing is made to fit.
        if not isinstance(fields, list) or not request_id:
            return None
        match cast("list[object]", fields):
            case [str(run_id), str(root_run_id), str(step_key), str() | None as job_id, is_adopted]:
                pass
            case _:
                return None
        if not isinstance(is_adopted, bool):
            return None
        return cls(request_id, run_id, root_run_id, step_key, job_id, is_adopted)


class PipelineLedger:
    """What all runs have written about the requests and jobs of one pipeline.

    Args:
        store: Where the lists are kept.
        base_url: Hevo's base URL.
        pipeline_id: The pipeline.
    """

    def __init__(self, store: LedgerStore, base_url: str, pipeline_id: int) -> None:
        self._store = store
        self._place = f"{base_url}/{pipeline_id}"

    def owner_of(self, job_id: str) -> str | None:
        """The request that owns a job: the first that claimed it.

        A job sensor owns a job only as long as no request does: it claims what no run waits for.
        """
        entries = self._store.read(f"job/{self._place}/{job_id}")
        marks = (_RECORDED, _FOR_SENSOR, _RECORDING)
        claims = [entry for entry in entries if not entry.startswith(marks)]
        requests = [entry for entry in claims if not entry.startswith(SENSOR_PREFIX)]
        return next(iter(requests or claims), None)

    def is_recorded(self, job_id: str) -> bool:
        """Whether a run has recorded the outcome of a job."""
        entries = self._store.read(f"job/{self._place}/{job_id}")
        return any(entry.startswith(_RECORDED) for entry in entries)

    def is_for_sensor(self, job_id: str) -> bool:
        """Whether the request that owns a job has ended, and the job sensor records the job."""
        entries = self._store.read(f"job/{self._place}/{job_id}")
        return any(entry.startswith(_FOR_SENSOR) for entry in entries)

    def claim(self, job_id: str, request_id: str) -> bool:
        """Claim a job for a request; say whether the request owns it."""
        is_request = not request_id.startswith(SENSOR_PREFIX)
        marks = (_RECORDED, _FOR_SENSOR, _RECORDING, *([SENSOR_PREFIX] if is_request else []))
        first = first_other(
            self._store,
            f"job/{self._place}/{job_id}",
            request_id,
            counts=lambda entry: not entry.startswith(marks),
        )
        return first is None

    def begin_recording(
        self, job_id: str, by: str, *, gone: frozenset[str] = frozenset()
    ) -> str | None:
        """Begin to record the outcome of a job, or learn who records it already.

        Args:
            job_id: The job.
            by: The run, or the job sensor with its prefix.
            gone: Runs that count as gone, whatever Dagster says of them.

        Returns:
            None to go on; otherwise the run or sensor that was first. A run that is gone does not
            count: whoever comes next records what it has left.
        """
        name = f"job/{self._place}/{job_id}"

        def records(entry: str) -> bool:
            if not entry.startswith(_RECORDING):
                return False
            who = entry.removeprefix(_RECORDING)
            if who in gone:
                return False
            return who.startswith(SENSOR_PREFIX) or self._store.is_running(who)

        first = first_other(self._store, name, f"{_RECORDING}{by}", counts=records)
        return None if first is None else first.removeprefix(_RECORDING)

    def recorders_of(self, job_id: str) -> frozenset[str]:
        """The runs that began to record the outcome of a job."""
        entries = self._store.read(f"job/{self._place}/{job_id}")
        found = {
            entry.removeprefix(_RECORDING) for entry in entries if entry.startswith(_RECORDING)
        }
        return frozenset(who for who in found if not who.startswith(SENSOR_PREFIX))

    def mark_recorded(self, job_id: str, by: str) -> None:
        """Write down that a run has recorded the outcome of a job."""
        self._store.append(f"job/{self._place}/{job_id}", [f"{_RECORDED}{by}"])

    def mark_for_sensor(self, job_id: str, by: str) -> None:
        """Write down that the job sensor records the outcome of a job, or has recorded it."""
        self._store.append(f"job/{self._place}/{job_id}", [f"{_FOR_SENSOR}{by}"])

    def starting(self) -> tuple[RequestPointer, ...]:
        """The requests that may have sent a trigger and have no job yet, the oldest first."""
        return self._pointers(f"starting/{self._place}")

    def unresolved(self) -> tuple[RequestPointer, ...]:
        """The requests whose job nobody waits for any more, and that never had one."""
        return self._pointers(f"unresolved/{self._place}")

    def rivals(self, request_id: str) -> tuple[Rival, ...]:
        """Other requests without a job, whose job a new one may be as well as ours.

        Those triggered before ours were waited for in vain; those triggered after ours have waited
        for our job as long as it takes to appear. Also when nobody waits for it any more, a job
        that one of them may have made is not proven to be ours.

        Args:
            request_id: Our request.
        """
        found = (
            self.request_of(pointer)
            for pointer in dict.fromkeys((*self.starting(), *self.unresolved()))
            if pointer.request_id != request_id
        )
        return tuple(
            Rival(other.baseline, other.triggered_ms)
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
        """Take a request out of all lists: it has ended."""
        self.remove_starting(request_id)
        self.remove_claimed(request_id)

    def set_aside(self, pointer: RequestPointer) -> None:
        """Wait no more for a request's job, which has not come; it may come all the same."""
        name = f"unresolved/{self._place}"
        self._store.append(name, [pointer.to_text()])
        for entry in self._store.read(name)[:-MOST_UNRESOLVED]:
            self._store.remove(name, entry)
        self._remove(f"starting/{self._place}", pointer.request_id)

    def remove_starting(self, request_id: str) -> None:
        """Take a request out of ``starting``: no job comes of it, or its job is known."""
        self._remove(f"starting/{self._place}", request_id)
        self._remove(f"unresolved/{self._place}", request_id)

    def remove_claimed(self, request_id: str) -> None:
        """Take a request out of ``claimed``."""
        self._remove(f"claimed/{self._place}", request_id)

    def request_of(self, pointer: RequestPointer) -> RecordedRequest | None:
        """What the records of a request say."""
        known = read_requests(self._store, records_list(pointer.root_run_id, pointer.step_key))
        found = [item for item in known if item.request_id == pointer.request_id]
        return found[0] if found else None

    def is_running(self, run_id: str) -> bool:
        """Whether a run is in progress."""
        return self._store.is_running(run_id)

    def settle(self, pointer: RequestPointer, how: Settlement, sentence: str, *, uid: str) -> None:
        """Write down how a request ended.

        One that was about to adopt a job, and died before it wrote that down, stays open: what it
        triggered before may have made another job.
        """
        request = self.request_of(pointer)
        is_unwritten = request is None or request.job_id != pointer.job_id
        if not (pointer.is_adopted and is_unwritten):
            record = Record(
                RecordKind.SETTLED, pointer.request_id, pointer.run_id, 0, {"how": how.value}
            )
            name = records_list(pointer.root_run_id, pointer.step_key)
            append_record(self._store, name, uid, record.to_text())
        if pointer.job_id is not None and how is Settlement.OBSERVED:
            self.mark_for_sensor(pointer.job_id, pointer.request_id)
        self.remove(pointer.request_id)
        self._store.tell(pointer.step_key, sentence, {"settled": how.value})

    def _pointers(self, name: str) -> tuple[RequestPointer, ...]:
        found = [RequestPointer.from_text(entry) for entry in self._store.read(name)]
        if None in found:
            warn_of_foreign_entries()
        return tuple(pointer for pointer in found if pointer is not None)

    def _remove(self, name: str, request_id: str) -> None:
        for entry in self._store.read(name):
            if entry.partition("|")[0] == request_id:
                self._store.remove(name, entry)
