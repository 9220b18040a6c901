"""The ledger: how the records of requests are written and read, so that no crash repeats a load.

The records themselves are `records.py`. They are kept in named lists that only grow at their end,
whose order every process sees alike, and that are read by name alone: what one entry costs does not
depend on how much else is going on. In a Dagster run these lists are kept by
`dagster_hevo.execution.run_ledger`.

    requests/<root run>/<step>     the records of a step, over all re-executions of its run
    job/<account>/<pipeline>/<id>  the requests that claim a job: the first one owns it
    starting/<account>/<pipeline>  requests that may have sent a trigger and have no job yet
    claimed/<account>/<pipeline>   requests that claim a job and are not settled
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from dagster_hevo.jobs.matching import Baseline
from dagster_hevo.jobs.pipeline_ledger import (
    SENSOR_PREFIX,
    LedgerStore,
    PipelineLedger,
    RequestPointer,
    append_record,
    read_records,
    records_list,
)
from dagster_hevo.jobs.records import (
    Answer,
    EarlierRequest,
    Record,
    RecordKind,
    Settlement,
    baseline_content,
    request_content,
    requests_in,
)
from dagster_hevo.jobs.request import SyncRequest

# Seconds after which no job of a request can be new any more, even where its trigger waited for the
# request budget and its job for a restarting pipeline.
LONGEST_PAST = 3600.0


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


class Ledger:
    """What one attempt of a step reads and writes about its requests.

    Args:
        store: Where the lists are kept.
        account: The address of the Hevo account, so that two accounts never share a pipeline.
        run_id: The run.
        root_run_id: The first of the runs of a re-execution chain; the run itself where there is
            none.
        step_key: The step, the same in a run that re-executes this one.
        attempt: Which attempt of the step in this run, from 0.
        new_id: Makes ids that no other process makes.
        is_retry: Whether Dagster launched the run by itself, to retry one that failed.
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        account: str = "",
        run_id: str = "",
        root_run_id: str = "",
        step_key: str = "",
        attempt: int = 0,
        new_id: Callable[[], str] = _new_id,
        is_retry: bool = False,
    ) -> None:
        self._store = store
        self._is_retry = is_retry
        self._account = account
        self._run_id = run_id
        self._root_run_id = root_run_id or run_id
        self._step_key = step_key
        self._attempt = attempt
        self._new_id = new_id
        self._list = records_list(self._root_run_id, step_key)

    def resume(self, request: SyncRequest) -> EarlierRequest | None:
        """The request of an earlier attempt that this one goes on with; None to begin a new one.

        Settled requests are not resumed, in whichever run they were settled, unless the step that
        settled them did not end well: it died, or its caller's code failed afterwards. A request
        that another run is still busy with is left to that run.
        """
        known = read_records(self._store, self._list)
        # First the newest whose job has loaded: it needs no other.
        newest_first = reversed(requests_in(known))
        for earlier in sorted(
            newest_first, key=lambda item: item.settlement is not Settlement.RECORDED
        ):
            if not earlier.covers(request):
                continue
            if self._is_finished(earlier) or self._is_held_elsewhere(earlier):
                continue
            if self._is_mine(earlier):
                return earlier
            self._write(RecordKind.RESUMED, earlier.request_id, {})
            first = self._first_to_resume(earlier, len(known))
            if first.run_id == self._run_id:
                return earlier
            # The last record says who holds a request.
            self._append(first)
        return None

    def _is_finished(self, earlier: EarlierRequest) -> bool:
        if earlier.settlement is None:
            # A step that ended well does not wait for its job: it leaves it to the job sensor.
            return earlier.job_id is not None and self._has_succeeded(earlier)
        if earlier.settlement is Settlement.OBSERVED and self._is_retry:
            # The job sensor was quicker than Dagster's own retry, which wants no second load.
            return self._has_succeeded(earlier)
        if earlier.settlement is not Settlement.RECORDED:
            return True
        if earlier.run_id == self._run_id:
            # What this very attempt has settled is done; an earlier attempt failed afterwards.
            return earlier.attempt >= self._attempt
        return self._has_succeeded(earlier)

    def _has_succeeded(self, earlier: EarlierRequest) -> bool:
        return self._store.has_succeeded(earlier.run_id, self._step_key)

    def _is_held_elsewhere(self, earlier: EarlierRequest) -> bool:
        return earlier.run_id != self._run_id and self._store.is_running(earlier.run_id)

    def _is_mine(self, earlier: EarlierRequest) -> bool:
        return earlier.run_id == self._run_id and earlier.attempt == self._attempt

    def _first_to_resume(self, earlier: EarlierRequest, known: int) -> Record:
        later = read_records(self._store, self._list)[known:]
        return next(
            record
            for record in later
            if record.kind is RecordKind.RESUMED and record.request_id == earlier.request_id
        )

    def new_request_id(self) -> str:
        """An id for a request that begins."""
        return self._new_id()

    def pipeline(self, request: SyncRequest) -> PipelineLedger:
        """What all runs have written about the request's pipeline."""
        return PipelineLedger(self._store, self._account, request.pipeline_id)

    def announce(self, request_id: str, request: SyncRequest) -> None:
        """Write down that this run is about to trigger the pipeline; others wait behind it."""
        self.pipeline(request).add_starting(self._pointer(request_id))

    def withdraw(self, request_id: str, request: SyncRequest) -> None:
        """Write down that this run waits before it triggers."""
        self.pipeline(request).remove_starting(request_id)

    def withdraw_trigger(self, request_id: str, request: SyncRequest) -> None:
        """Write down that no job came of a trigger."""
        content = {"answer": Answer.REFUSED.value, "hevo_ms": None, "possible": False}
        sentence = f"No job came of the trigger: {request}."
        self._write(RecordKind.ANSWERED, request_id, content, sentence)
        self.pipeline(request).remove_starting(request_id)

    def write_baseline(
        self, request_id: str, request: SyncRequest, baseline: Baseline, triggers: int
    ) -> None:
        """Write down the jobs before a trigger, which may be sent when this returns."""
        content = baseline_content(request, baseline, step_key=self._step_key, triggers=triggers)
        sentence = (
            f"About to trigger: {request}. Before it, the pipeline has {len(baseline.job_ids)} "
            "recent jobs."
        )
        self._write(RecordKind.BASELINE, request_id, content, sentence)

    def write_answer(
        self,
        request_id: str,
        request: SyncRequest,
        answer: Answer,
        *,
        hevo_ms: int | None,
        is_possible: bool,
    ) -> None:
        """Write down what Hevo answered to a trigger, and whether a job may come of the request."""
        content = {"answer": answer.value, "hevo_ms": hevo_ms, "possible": is_possible}
        said = {
            Answer.ACCEPTED: "Hevo accepted the trigger",
            Answer.REFUSED: "The trigger had no effect",
            Answer.DOUBTFUL: "Hevo answered the trigger with an error that may be a refusal",
            Answer.LOST: "No usable answer to the trigger; its job is looked for",
        }[answer]
        self._write(RecordKind.ANSWERED, request_id, content, f"{said}: {request}.")
        if not is_possible:
            self.pipeline(request).remove_starting(request_id)

    def another_starting(
        self,
        request_id: str,
        request: SyncRequest,
        *,
        hevo_ms: int | None,
        may_appear_within: float,
        beside: Collection[str] = (),
    ) -> str | None:
        """The request of another run that began to trigger this pipeline before us, or None.

        Its job may yet come. Both announce themselves before they call this, so at least one of two
        sees the other.

        Args:
            request_id: Our request.
            request: What it is.
            hevo_ms: Hevo's time.
            may_appear_within: Seconds after its trigger in which the job of a run that is gone may
                appear.
            beside: Requests that do not count: they were waited for in vain.
        """
        ledger = self.pipeline(request)
        for pointer in ledger.starting():
            if pointer.request_id == request_id:
                return None
            if pointer.request_id in beside:
                self._forget_if_gone(ledger, pointer, request_id)
            elif self._is_starting(ledger, pointer, hevo_ms, may_appear_within):
                return pointer.request_id
        return None

    def _forget_if_gone(
        self, ledger: PipelineLedger, pointer: RequestPointer, request_id: str
    ) -> None:
        """Take out a request that was waited for in vain, where its run is gone."""
        other = ledger.request_of(pointer) if request_id else None
        if other is not None and not ledger.is_running(other.run_id):
            ledger.remove_starting(pointer.request_id)

    def _is_starting(
        self,
        ledger: PipelineLedger,
        pointer: RequestPointer,
        hevo_ms: int | None,
        may_appear_within: float,
    ) -> bool:
        """Whether the job of a request may yet come; what cannot is taken out of the list."""
        other = ledger.request_of(pointer)
        if other is None:
            # It has not sent anything. An earlier attempt of our own step never will.
            is_ours = (pointer.run_id, pointer.step_key) == (self._run_id, self._step_key)
            if not is_ours and ledger.is_running(pointer.run_id):
                return True
        elif other.job_id is None and other.settlement is None:
            if ledger.is_running(other.run_id):
                return True
            age = _age(other, hevo_ms)
            if age is None:
                return True  # Whoever has waited for it in vain takes it out.
            if age <= LONGEST_PAST:
                return age <= may_appear_within
        ledger.remove_starting(pointer.request_id)
        return False

    def owners(
        self, request_id: str, request: SyncRequest, job_ids: Iterable[str]
    ) -> Collection[str]:
        """Those of the jobs that other requests own.

        What a job sensor owns may be ours: it has recorded the job while nobody waited for it.
        """
        ledger = self.pipeline(request)
        owned = {job_id: ledger.owner_of(job_id) for job_id in job_ids}
        return frozenset(
            job_id
            for job_id, owner in owned.items()
            if owner not in {None, request_id} and not str(owner).startswith(SENSOR_PREFIX)
        )

    def begin_recording(self, request: SyncRequest, job_id: str) -> str | None:
        """Begin to record the outcome of a job, or learn which run or sensor records it already."""
        return self.pipeline(request).begin_recording(job_id, self._run_id)

    def claim(
        self,
        request_id: str,
        request: SyncRequest,
        job_id: str,
        *,
        is_adopted: bool,
        may_be_cancelled: bool,
        is_detached: bool,
    ) -> bool:
        """Claim a job for a request; say whether the request owns it."""
        ledger = self.pipeline(request)
        # First: whoever finds the claim, also after a crash, finds whose it is.
        ledger.add_claimed(self._pointer(request_id, job_id))
        if not ledger.claim(job_id, request_id):
            ledger.remove_claimed(request_id)
            return False
        content = {
            **request_content(request, step_key=self._step_key),
            "job": job_id,
            "adopted": is_adopted,
            "cancellable": may_be_cancelled,
            "detached": is_detached,
        }
        how = "adopted: a foreign job" if is_adopted else "the result of this request"
        sentence = f"Job {job_id} of pipeline {request.pipeline_id} is {how}."
        self._write(RecordKind.CLAIMED, request_id, content, sentence)
        ledger.remove_starting(request_id)
        return True

    def settle(
        self,
        request_id: str,
        request: SyncRequest,
        job_id: str | None,
        how: Settlement,
        *,
        is_recorded: bool = True,
    ) -> None:
        """Write down how a request ended, and whether its job is recorded or for the job sensor."""
        sentence = {
            Settlement.RECORDED: f"Settled: {request}; its job's outcome is recorded.",
            Settlement.OBSERVED: f"Settled by the job sensor: {request}.",
            Settlement.FAILED: f"Settled as failed: {request}. Another attempt starts over.",
        }[how]
        self._write(RecordKind.SETTLED, request_id, {"how": how.value}, sentence)
        ledger = self.pipeline(request)
        if job_id is not None:
            mark = ledger.mark_settled if is_recorded else ledger.mark_for_sensor
            mark(job_id, request_id)
        ledger.remove(request_id)

    def _pointer(self, request_id: str, job_id: str | None = None) -> RequestPointer:
        return RequestPointer(request_id, self._run_id, self._root_run_id, self._step_key, job_id)

    def _append(self, record: Record) -> None:
        append_record(self._store, self._list, self._new_id(), record.to_text())

    def _write(
        self,
        kind: RecordKind,
        request_id: str,
        content: Mapping[str, Any],
        sentence: str = "",
    ) -> None:
        self._append(Record(kind, request_id, self._run_id, self._attempt, content))
        if sentence:
            self._store.tell(
                self._step_key, sentence, {"request": request_id, "kind": kind.value, **content}
            )


def _age(other: EarlierRequest, hevo_ms: int | None) -> float | None:
    """How many seconds ago another request was triggered, by Hevo's clock."""
    triggered = other.answered_ms
    if triggered is None and other.baseline is not None:
        triggered = other.baseline.hevo_ms
    if triggered is None or hevo_ms is None:
        return None
    return (hevo_ms - triggered) / 1000


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

    def is_running(self, run_id: str) -> bool:
        return False

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        return False

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        pass
