"""Whose job is it: read from the ledger, by the job's id and the pipeline, however much else runs.

What follows from it is `decide.py`; the ledger itself is `dagster_hevo.jobs.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.decide import Owner, OwnerKind
from dagster_hevo.jobs.ledger_store import LedgerStore
from dagster_hevo.jobs.matching import Fit, fit_by_objects, fit_by_type
from dagster_hevo.jobs.newness import Newness, newness_of
from dagster_hevo.jobs.pipeline_ledger import SENSOR_PREFIX, PipelineLedger, RequestPointer
from dagster_hevo.jobs.records import Answer, RecordedRequest, Settlement
from dagster_hevo.jobs.request import SyncAction, SyncRequest


class JobOwnership:
    """Knows whose the jobs of one pipeline are, by what the ledger says now.

    Made after the jobs were read: a run writes its baseline before a job of its can be there. So a
    job that was read, and that no request may own then, is nobody's.

    Args:
        store: Where the ledger's lists are kept.
        base_url: Hevo's base URL.
        pipeline_id: The pipeline.
        sensor_name: What names the sensor on this instance.
        discovery_timeout: Seconds that a triggered job may take to appear.
        is_retry_known: Whether Dagster knows of a run, not ended or not yet begun, that re-executes
            the run of a request.
    """

    def __init__(
        self,
        store: LedgerStore,
        base_url: str,
        pipeline_id: int,
        *,
        sensor_name: str,
        discovery_timeout: float,
        is_retry_known: Callable[[RequestPointer, RecordedRequest], bool] | None = None,
    ) -> None:
        self._store = store
        self._ledger = PipelineLedger(store, base_url, pipeline_id)
        # What is only looked at is read once: an answer is as of the moment that this was made, or
        # a moment later. Claims are written and read in the store itself.
        self._known = PipelineLedger(_ReadOnce(store), base_url, pipeline_id)
        self._me = f"{SENSOR_PREFIX}{sensor_name}"
        self._discovery_ms = round(discovery_timeout * 1000)
        self._is_retry_known = is_retry_known
        self._starting = self._ledger.starting()
        self._claimed = {pointer.request_id: pointer for pointer in self._ledger.claimed()}

    @property
    def awaited_job_ids(self) -> frozenset[str]:
        """The jobs that requests have claimed and that are not settled."""
        return frozenset(
            pointer.job_id for pointer in self._claimed.values() if pointer.job_id is not None
        )

    def left_job_ids(self, known: Collection[str]) -> frozenset[str]:
        """Those of these jobs that no run in progress waits for, without those known already."""
        return frozenset(
            pointer.job_id
            for pointer in self._claimed.values()
            if pointer.job_id is not None
            and pointer.job_id not in known
            and not self._known.is_running(pointer.run_id)
        )

    def recorders_of(self, job_id: str) -> frozenset[str]:
        """The runs that began to record a job: one that died may have recorded a part of it."""
        return self._ledger.recorders_of(job_id)

    def owner_of(self, job: Job, hevo_ms: int | None) -> Owner:
        """Whose a job is."""
        if self._known.is_recorded(job.job_id):
            return Owner(OwnerKind.RECORDED)
        request_id = self._known.owner_of(job.job_id)
        if request_id is not None and request_id != self._me:
            pointer = self._claimed.get(request_id)
            if pointer is not None:
                return self._owner_by(pointer)
            if self._known.is_for_sensor(job.job_id):
                return Owner(OwnerKind.DETACHED)
            if request_id.startswith(SENSOR_PREFIX):
                return Owner(OwnerKind.NOBODY)
            # Claimed a moment ago, or settled as failed: a later tick knows.
            return Owner(OwnerKind.RUN)
        owners = [
            self._owner_by(pointer) for pointer, _ in self._requests_that_may_own(job, hevo_ms)
        ]
        # What a run in progress may claim is left to it, whoever else may own it.
        waiting = [owner for owner in owners if owner.kind in {OwnerKind.RUN, OwnerKind.RETRY}]
        return next(iter(waiting or owners), Owner(OwnerKind.NOBODY))

    def _requests_that_may_own(
        self, job: Job, hevo_ms: int | None
    ) -> list[tuple[RequestPointer, RecordedRequest]]:
        """The requests without a job that may own this one."""
        found = (
            (pointer, self._known.request_of(pointer))
            for pointer in self._starting
            if pointer.request_id not in self._claimed
        )
        return [
            (pointer, request)
            for pointer, request in found
            if request is not None and self._may_own(request, job, hevo_ms)
        ]

    def _owner_by(self, pointer: RequestPointer) -> Owner:
        request = self._known.request_of(pointer)
        if request is None:
            return Owner(OwnerKind.NOBODY)
        run_id = request.run_id
        if request.is_detached and self._store.has_succeeded(run_id, pointer.step_key):
            return Owner(OwnerKind.DETACHED, run_id)
        if self._known.is_running(run_id):
            return Owner(OwnerKind.RUN, run_id)
        if self._is_retry_known is not None and self._is_retry_known(pointer, request):
            return Owner(OwnerKind.RETRY, run_id)
        return Owner(OwnerKind.ORPHANED, run_id)

    def _may_own(self, request: RecordedRequest, job: Job, hevo_ms: int | None) -> bool:
        newness = self._newness_for(request, job, hevo_ms)
        if newness is None or newness is Newness.LATE or newness.is_outside:
            return False
        return fit_by_type(_as_sync_request(request), job) is not Fit.NO

    def _owns(
        self,
        request: RecordedRequest,
        job: Job,
        object_ids: frozenset[str],
        hevo_ms: int | None,
    ) -> bool:
        """Whether the evidence is complete that a job came of a request."""
        if request.answer is Answer.UNCLEAR:
            return False
        if self._newness_for(request, job, hevo_ms) is not Newness.AFTER:
            return False
        wanted = _as_sync_request(request)
        fit = fit_by_type(wanted, job)
        if fit is Fit.OPEN:
            fit = fit_by_objects(wanted, job, object_ids, is_final=job.is_terminal)
        return fit in {Fit.EXACT, Fit.SUPERSET}

    def _newness_for(
        self, request: RecordedRequest, job: Job, hevo_ms: int | None
    ) -> Newness | None:
        """How new a job is for a request that has none yet; None where no job can come of it."""
        if request.baseline is None or request.job_id is not None:
            return None
        if not request.may_have_started_a_job or request.settlement is not None:
            return None
        triggered_ms = request.triggered_ms
        until_ms = None if triggered_ms is None else triggered_ms + self._discovery_ms
        return newness_of(job, request.baseline, until_ms=until_ms, now_ms=hevo_ms)

    def claim(
        self,
        job: Job,
        hevo_ms: int | None,
        *,
        object_ids: frozenset[str] = frozenset(),
        gone: frozenset[str] = frozenset(),
    ) -> bool:
        """Claim a job before it is recorded; say whether the sensor may record it.

        A job that is proven to belong to a request whose run is gone is claimed in that request's
        place, so that nobody resumes it. With weaker evidence the request stays open: a
        re-execution looks for its job, and triggers no second one on a guess.

        Args:
            job: The job.
            hevo_ms: Hevo's time now.
            object_ids: The objects that the job lists.
            gone: Runs that count as gone, whatever Dagster says of them.
        """
        if not self._has_claimed(job, hevo_ms, object_ids):
            return False
        recorder = self._ledger.begin_recording(job.job_id, self._me, gone=gone)
        # Another sensor records for its own code location, or for the same one and then an event
        # that is there already is not written again.
        return recorder is None or recorder.startswith(SENSOR_PREFIX)

    def _has_claimed(self, job: Job, hevo_ms: int | None, object_ids: frozenset[str]) -> bool:
        owner = self._ledger.owner_of(job.job_id)
        if owner is not None:
            return True  # The sensor's, or of a request that the sensor settles.
        candidates = self._requests_that_may_own(job, hevo_ms)
        if len(candidates) == 1:
            pointer, request = candidates[0]
            if self._owns(request, job, object_ids, hevo_ms):
                self._claimed[pointer.request_id] = replace(pointer, job_id=job.job_id)
                return self._ledger.claim(job.job_id, pointer.request_id)
        return self._ledger.claim(job.job_id, self._me)

    def settle(self, job: Job, sentence: str, *, uid: str) -> None:
        """Write down, for the request that owned a job, that the sensor has recorded it."""
        request_id = self._ledger.owner_of(job.job_id)
        pointer = self._claimed.get(request_id) if request_id is not None else None
        if pointer is not None:
            self._ledger.settle(
                replace(pointer, job_id=job.job_id), Settlement.OBSERVED, sentence, uid=uid
            )


def _as_sync_request(request: RecordedRequest) -> SyncRequest:
    return SyncRequest(
        request.pipeline_id,
        SyncAction(request.action),
        ResyncMode(request.resync_mode),
        request.object_ids,
    )


class _ReadOnce:
    """A store whose lists are read once, and looked at as often as needed."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._lists: dict[str, Sequence[str]] = {}
        self._running: dict[str, bool] = {}

    def append(self, name: str, entries: Sequence[str]) -> None:
        raise NotImplementedError

    def read(self, name: str) -> Sequence[str]:
        if name not in self._lists:
            self._lists[name] = self._store.read(name)
        return self._lists[name]

    def remove(self, name: str, entry: str) -> None:
        raise NotImplementedError

    def pause(self, seconds: float) -> None:
        raise NotImplementedError

    def is_running(self, run_id: str) -> bool:
        if run_id not in self._running:
            self._running[run_id] = self._store.is_running(run_id)
        return self._running[run_id]

    def has_ended(self, run_id: str) -> bool:
        return self._store.has_ended(run_id)

    def has_succeeded(self, run_id: str, step_key: str) -> bool:
        return self._store.has_succeeded(run_id, step_key)

    def tell(self, step_key: str, sentence: str, content: Mapping[str, Any]) -> None:
        raise NotImplementedError
