"""The ledger: how the records of requests are written and read, so that no crash repeats a load.

The records themselves are `records.py`. They are kept in named lists, which are read by name alone:
what one entry costs does not depend on how much else is going on. In a Dagster run these lists are
kept by `dagster_hevo.execution.run_ledger`.

    requests/<root run>/<step>       the records of a step, over all re-executions of its run
    resuming/<root run>/<step>/<id>  the run that goes on with a request
    job/<base_url>/<pipeline>/<id>    the requests that claim a job: the first one owns it
    starting/<base_url>/<pipeline>    requests that may have sent a trigger and have no job yet
    unresolved/<base_url>/<pipeline>  those of them whose job nobody waits for any more
    claimed/<base_url>/<pipeline>     requests that claim a job and are not settled

The order of a list is the storage's own. Where only one entry may stay (`first_other`), that holds
also on storages that show a later entry before an earlier one for a moment.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from dagster_hevo.jobs.ledger_store import (
    SECONDS_UNTIL_DECIDED,
    LedgerStore,
    append_record,
    first_other,
    read_records,
    records_list,
    resuming_list,
)
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.pipeline_ledger import SENSOR_PREFIX, PipelineLedger, RequestPointer
from dagster_hevo.jobs.records import (
    Answer,
    Record,
    RecordedRequest,
    RecordKind,
    Settlement,
    baseline_content,
    request_content,
    requests_in,
)
from dagster_hevo.jobs.request import SyncRequest
from dagster_hevo.jobs.turns import Turns


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


_PROCESS_ID = _new_id()


class Ledger:
    """What one attempt of a step reads and writes about its requests.

    Args:
        store: Where the lists are kept.
        base_url: Hevo's base URL, so that equal pipeline ids of two regions stay apart.
        run_id: The run.
        root_run_id: The first of the runs of a re-execution chain; the run itself where there is
            none.
        step_key: The step, the same in a run that re-executes this one.
        attempt: Which attempt of the step in this run, from 0.
        new_id: Makes ids that no other process makes.
        process_id: What names this process. Dagster may carry a run on in another one.
        is_retry: Whether Dagster launched the run by itself, to retry one that failed.
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        base_url: str = "",
        run_id: str = "",
        root_run_id: str = "",
        step_key: str = "",
        attempt: int = 0,
        new_id: Callable[[], str] = _new_id,
        process_id: str = _PROCESS_ID,
        is_retry: bool = False,
    ) -> None:
        self._store = store
        self._is_retry = is_retry
        self._base_url = base_url
        self._run_id = run_id
        self._root_run_id = root_run_id or run_id
        self._step_key = step_key
        self._attempt = attempt
        self._new_id = new_id
        self._process_id = process_id
        self._list = records_list(self._root_run_id, step_key)

    def resume(self, request: SyncRequest) -> RecordedRequest | None:
        """The request of an earlier attempt that this one goes on with; None to begin a new one.

        Settled requests are not resumed, in whichever run they were settled, unless the step that
        settled them did not end well: it died, or its caller's code failed afterwards. A request
        that another run is still busy with is left to that run.
        """
        newest_first = tuple(reversed(self._requests()))
        # First those whose job has loaded: they need no other.
        for earlier in sorted(
            newest_first, key=lambda item: item.settlement is not Settlement.RECORDED
        ):
            if not earlier.covers(request) or not self._is_open(earlier):
                continue
            if self._is_mine(earlier):
                return earlier
            if self._begin_resuming(earlier):
                # It may have been carried on, and settled, a moment ago.
                found = next(
                    item for item in self._requests() if item.request_id == earlier.request_id
                )
                if self._is_open(found):
                    self._write(RecordKind.RESUMED, found.request_id, {})
                    return found
        return None

    def _requests(self) -> tuple[RecordedRequest, ...]:
        return requests_in(read_records(self._store, self._list))

    def _is_open(self, earlier: RecordedRequest) -> bool:
        return not (self._is_finished(earlier) or self._is_held_elsewhere(earlier))

    def _begin_resuming(self, earlier: RecordedRequest) -> bool:
        """Whether this run may go on with a request, and no other that re-executes the same one."""
        if earlier.run_id == self._run_id:
            return True
        name = resuming_list(self._root_run_id, self._step_key, earlier.request_id)
        is_running = self._store.is_running
        while (
            other := first_other(self._store, name, self._run_id, counts=is_running)
        ) is not None:
            if self._is_resumed_by(other, name, earlier.request_id):
                return False
        return True

    def _is_resumed_by(self, other: str, name: str, request_id: str) -> bool:
        """Whether another run goes on with a request, and does not give way itself."""
        for seconds in SECONDS_UNTIL_DECIDED:
            self._store.pause(seconds)
            if other not in self._store.read(name) or not self._store.is_running(other):
                return False
            if any(
                (item.request_id, item.run_id) == (request_id, other) for item in self._requests()
            ):
                break
        return True

    def _is_finished(self, earlier: RecordedRequest) -> bool:
        if earlier.settlement is None:
            # A step that ended well does not wait for its job: it leaves it to the job sensor.
            return earlier.job_id is not None and self._has_succeeded(earlier)
        if earlier.settlement is Settlement.OBSERVED and self._is_retry:
            # The job sensor was quicker than Dagster's own retry, which wants no second load.
            return self._has_succeeded(earlier)
        if earlier.settlement is not Settlement.RECORDED:
            return True
        if self._is_mine(earlier) and earlier.settled_by == self._process_id:
            return True
        # An earlier attempt failed after it had settled its request, or its process died.
        return self._has_succeeded(earlier)

    def _has_succeeded(self, earlier: RecordedRequest) -> bool:
        return self._store.has_succeeded(earlier.run_id, self._step_key)

    def _is_held_elsewhere(self, earlier: RecordedRequest) -> bool:
        return earlier.run_id != self._run_id and self._store.is_running(earlier.run_id)

    def _is_mine(self, earlier: RecordedRequest) -> bool:
        return earlier.run_id == self._run_id and earlier.attempt == self._attempt

    def is_held(self, request_id: str) -> bool:
        """Whether this run goes on, and no other run or attempt has taken a request over."""
        if self._store.has_ended(self._run_id):
            return False
        found = [item for item in self._requests() if item.request_id == request_id]
        return not found or self._is_mine(found[-1])

    def new_request_id(self) -> str:
        """An id for a request that begins."""
        return self._new_id()

    def pipeline(self, request: SyncRequest) -> PipelineLedger:
        """What all runs have written about the request's pipeline."""
        return PipelineLedger(self._store, self._base_url, request.pipeline_id)

    def announce(self, request_id: str, request: SyncRequest) -> None:
        """Write down that this run is about to trigger the pipeline; others wait behind it."""
        self.pipeline(request).add_starting(self._pointer(request_id))

    def withdraw(self, request_id: str, request: SyncRequest) -> None:
        """Write down that this run waits before it triggers."""
        self.pipeline(request).remove_starting(request_id)

    def withdraw_trigger(self, request_id: str, request: SyncRequest) -> None:
        """Write down that no job came of a trigger, which Hevo ignored or whose answer was lost.

        The record says REFUSED, as for a refusal: the trigger had no effect.
        """
        content = {"answer": Answer.REFUSED.value, "hevo_ms": None, "may_have_started_a_job": False}
        sentence = f"No job came of the trigger, so it may be sent again: {request}."
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
        may_have_started_a_job: bool,
    ) -> None:
        """Write down what Hevo answered to a trigger, and whether a job may come of the request."""
        content = {
            "answer": answer.value,
            "hevo_ms": hevo_ms,
            "may_have_started_a_job": may_have_started_a_job,
        }
        said = {
            Answer.ACCEPTED: "Hevo accepted the trigger",
            Answer.REFUSED: "The trigger had no effect",
            Answer.UNCLEAR: "Hevo answered the trigger with an error that may be a refusal",
            Answer.LOST: "No usable answer to the trigger; looking for its job",
        }[answer]
        self._write(RecordKind.ANSWERED, request_id, content, f"{said}: {request}.")
        if not may_have_started_a_job:
            self.pipeline(request).remove_starting(request_id)

    def another_starting(
        self,
        request_id: str,
        request: SyncRequest,
        *,
        hevo_ms: int | None,
        may_appear_within: float,
        given_up: Collection[str] = (),
    ) -> str | None:
        """The request of another run that began to trigger this pipeline before us, or None.

        Its job may yet come. Both announce themselves before they call this, so at least one of two
        sees the other: the later one gives way, and the earlier one waits until it has.

        Args:
            request_id: Our request.
            request: What it is.
            hevo_ms: Hevo's time.
            may_appear_within: Seconds after its trigger in which the job of a run that is gone may
                appear.
            given_up: Requests that do not count: they were waited for in vain.
        """
        turns = Turns(self._store, self.pipeline(request), self._run_id, self._step_key)
        return turns.another_starting(
            request_id, hevo_ms=hevo_ms, may_appear_within=may_appear_within, given_up=given_up
        )

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
        ledger.add_claimed(self._pointer(request_id, job_id, is_adopted=is_adopted))
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
        recorded = "is recorded" if is_recorded else "is left to the job sensor"
        sentence = {
            Settlement.RECORDED: f"Settled: {request}; its job's outcome {recorded}.",
            Settlement.OBSERVED: f"Settled by the job sensor: {request}.",
            Settlement.FAILED: f"Settled as failed: {request}. Another attempt starts over.",
        }[how]
        content = {"how": how.value, "process": self._process_id}
        self._write(RecordKind.SETTLED, request_id, content, sentence)
        ledger = self.pipeline(request)
        if job_id is not None:
            mark = ledger.mark_recorded if is_recorded else ledger.mark_for_sensor
            mark(job_id, request_id)
        ledger.remove(request_id)

    def _pointer(
        self, request_id: str, job_id: str | None = None, *, is_adopted: bool = False
    ) -> RequestPointer:
        return RequestPointer(
            request_id, self._run_id, self._root_run_id, self._step_key, job_id, is_adopted
        )

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
