"""Whose turn it is to trigger a pipeline: two runs that trigger at once could not tell their jobs
apart.

Part of the ledger. Requests that may have sent a trigger and have no job yet are in the list
``starting`` of their pipeline.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dagster_hevo.jobs.ledger_store import SECONDS_UNTIL_SEEN, LedgerStore
from dagster_hevo.jobs.newness import LONGEST_DELAY
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger, RequestPointer
from dagster_hevo.jobs.records import RecordedRequest


@dataclass(frozen=True)
class Turns:
    """Knows which requests of other runs go first.

    Attributes:
        store: Where the ledger's lists are kept.
        ledger: What all runs have written about the pipeline.
        run_id: Our run.
        step_key: Our step.
    """

    store: LedgerStore
    ledger: PipelineLedger
    run_id: str
    step_key: str

    def another_starting(
        self,
        request_id: str,
        *,
        hevo_ms: int | None,
        may_appear_within: float,
        given_up: Collection[str] = (),
    ) -> str | None:
        """The request of another run that is starting a job, or None; see `Ledger`."""
        other = None
        for seconds in SECONDS_UNTIL_SEEN:
            self.store.pause(seconds)
            is_earlier, other = True, None
            for pointer in self.ledger.starting():
                if pointer.request_id == request_id:
                    is_earlier = False
                elif pointer.request_id in given_up:
                    if request_id:
                        self._forget_if_gone(pointer)
                elif self._may_still_get_a_job(pointer, hevo_ms, may_appear_within):
                    other = pointer.request_id
                    break
            if other is None or is_earlier:
                break
        return other

    def _forget_if_gone(self, pointer: RequestPointer) -> None:
        """Take out a request that was waited for in vain, where its run is gone."""
        other = self.ledger.request_of(pointer)
        if other is not None and not self.ledger.is_running(other.run_id):
            self.ledger.set_aside(pointer)

    def _may_still_get_a_job(
        self, pointer: RequestPointer, hevo_ms: int | None, may_appear_within: float
    ) -> bool:
        """Whether the job of a request may yet come; what cannot is taken out of the list."""
        # First: what a run that is gone has written does not change any more.
        is_running = self.ledger.is_running(pointer.run_id)
        other = self.ledger.request_of(pointer)
        if other is None:
            # It has not sent anything. An earlier attempt of our own step never will.
            is_ours = (pointer.run_id, pointer.step_key) == (self.run_id, self.step_key)
            if is_running and not is_ours:
                return True
        elif other.job_id is None and other.settlement is None:
            if self.ledger.is_running(other.run_id):
                return True
            age = _age(other, hevo_ms)
            if age is None:
                return True  # Whoever has waited for it in vain takes it out.
            if age <= LONGEST_DELAY:
                return age <= may_appear_within
            self.ledger.set_aside(pointer)
            return False
        self.ledger.remove_starting(pointer.request_id)
        return False


def _age(other: RecordedRequest, hevo_ms: int | None) -> float | None:
    """How many seconds ago another request was triggered, by Hevo's clock."""
    if other.triggered_ms is None or hevo_ms is None:
        return None
    return (hevo_ms - other.triggered_ms) / 1000
