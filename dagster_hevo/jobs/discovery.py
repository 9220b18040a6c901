"""Finding the job that came of our asking among a pipeline's jobs, and calling it ours.

The decision is `finding.py`'s; here the lists are read, doubtful jobs are looked into, and claims
are written and held against those of other runs. Asking is `trigger.py`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster_hevo.api.errors import HevoError, HevoJobTimeoutError, HevoNotFoundError
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.finding import Finding, Inspection, find_new_job
from dagster_hevo.jobs.job_list import JobsSeen, read_newest_jobs
from dagster_hevo.jobs.ledger import Entry, Ledger, Mark, Note, NoteKind
from dagster_hevo.jobs.outcome import ObjectIndex
from dagster_hevo.jobs.patience import Patience
from dagster_hevo.jobs.plan import SyncPlan
from dagster_hevo.jobs.schedule import History
from dagster_hevo.jobs.settings import Clock, JobSettings

if TYPE_CHECKING:
    from dagster_hevo.api.client import HevoClient

# The first looks after a termination fall within the five seconds that a job has to be cancelled
# in; the later ones are for a job that shows up late.
LOOKS_WHEN_INTERRUPTED = (0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0)


@dataclass(frozen=True)
class StartedJob:
    """The job that carries out a wish.

    Attributes:
        job: The job as last seen; it may be over already.
        history: How long earlier jobs of its kind took.
        is_adopted: Whether somebody else had started it.
    """

    job: Job
    history: History
    is_adopted: bool = False


@dataclass
class JobFinder:
    """Knows which jobs were there before, and finds ours among those that are there now.

    Args:
        client: Asks Hevo.
        plan: What is wished for.
        ledger: Remembers the mark and the claim.
        index: The pipeline's objects, to tell jobs apart by what is in them.
        settings: How patiently to read.
        clock: Tells the time and waits.
        log: Where findings are told.
        deadline: When to give up, on the clock; None for never.

    Attributes:
        mark: The jobs that were there before Hevo was asked.
        effect_is_possible: Whether a job may come of an asking since that mark. While it may not,
            every new job is somebody else's.
        is_undecided: Whether the last look left a job of which it is not certain whose it is.
        is_overdue: Whether the job must have shown up by now, had the asking brought one about.
    """

    client: HevoClient
    plan: SyncPlan
    ledger: Ledger
    index: ObjectIndex
    settings: JobSettings
    clock: Clock
    log: logging.Logger
    deadline: float | None
    mark: Mark | None = None
    effect_is_possible: bool = False
    is_undecided: bool = False
    is_overdue: bool = False
    _is_noted: bool = False
    _foreign: set[str] = field(default_factory=set[str])
    _inspections: dict[str, Inspection] = field(default_factory=dict[str, Inspection])

    def __post_init__(self) -> None:
        self.patience = Patience(
            self.clock,
            self.log,
            interval=self.settings.poll_interval,
            tolerance=self.settings.outage_tolerance,
        )

    def read_jobs(self) -> JobsSeen:
        """The pipeline's newest jobs, or an error at once."""
        return read_newest_jobs(self.client, self.plan.pipeline_id)

    def read_jobs_patiently(self) -> JobsSeen:
        """The pipeline's newest jobs, through an outage of the API."""
        seen = self.patience.read("the pipeline's jobs", self.read_jobs, until=self.deadline)
        if seen is None:
            raise HevoJobTimeoutError(
                f"poll_timeout ran out while reading the jobs of pipeline {self.plan.pipeline_id}."
            )
        return seen

    def remember(self, mark: Mark) -> None:
        """Write down which jobs are there, unless that is what was written last."""
        if mark == self.mark and self._is_noted:
            return
        self.mark, self._is_noted = mark, True
        self.ledger.write(
            Note(NoteKind.MARKED, self.plan.key, self.plan.pipeline_id, mark=mark),
            f"About to ask Hevo to {self.plan}; it has {len(mark.job_ids)} recent jobs.",
        )

    def take_over(self, entry: Entry) -> None:
        """Begin where an earlier attempt ended that may have asked and saw no job."""
        if entry.mark is not None:
            self.remember(entry.mark)
            self.effect_is_possible = True
            for job_id in sorted(entry.not_ours):
                self._note_not_ours(job_id)

    def note_refusal(self) -> None:
        """Write down that nothing can come of the asking, so that a retry looks for nothing."""
        self._is_noted = False
        self.ledger.write(
            Note(NoteKind.REFUSED, self.plan.key, self.plan.pipeline_id),
            f"Hevo refused to {self.plan}: nothing comes of this asking.",
        )

    def come_since_mark(self, seen: JobsSeen) -> tuple[Job, ...]:
        """The jobs that are there now and were not before, the oldest first."""
        return () if self.mark is None else self.mark.new_among(seen.jobs)

    def set_aside(self, job: Job) -> None:
        """Never call this job ours, nor let a retry do so."""
        if self.effect_is_possible and self.mark is not None and self.mark.is_new(job):
            self._note_not_ours(job.job_id)
        self._foreign.add(job.job_id)

    def _note_not_ours(self, job_id: str) -> None:
        self._foreign.add(job_id)
        self.ledger.write(
            Note(NoteKind.RELEASED, self.plan.key, self.plan.pipeline_id, job_id=job_id),
            f"Job {job_id} did not come of asking Hevo to {self.plan}.",
        )

    def is_set_aside(self, job: Job) -> bool:
        """Whether this job is known not to be ours."""
        return job.job_id in self._foreign

    def claim_found(self, seen: JobsSeen) -> StartedJob | None:
        """Claim the job that came of our asking, if it is among these and certain enough."""
        self.is_undecided = False
        if self.mark is None or not self.effect_is_possible:
            return None
        while self.come_since_mark(seen):
            claims = self.ledger.claims_of_others(self.plan.pipeline_id)
            taken = {claim.job_id for claim in claims}
            finding = self._judge(self.mark, seen, taken)
            self._foreign |= {job.job_id for job in finding.foreign} - taken
            if finding.ours is None:
                self.is_undecided = bool(finding.to_inspect)
                return None
            started = self.claim(finding.ours, seen.jobs, is_adopted=False)
            if started is not None:
                return started
        return None

    def _judge(self, mark: Mark, seen: JobsSeen, taken: set[str]) -> Finding:
        excluded = self._foreign | taken
        finding = find_new_job(
            self.plan, mark, seen.jobs, excluded=excluded, inspections=self._inspections
        )
        if finding.ours is not None or not finding.to_inspect:
            return finding
        for job in finding.to_inspect:
            before = self._inspections.get(job.job_id, Inspection())
            self._inspections[job.job_id] = before.after(self._objects_in(job))
        return find_new_job(
            self.plan, mark, seen.jobs, excluded=excluded, inspections=self._inspections
        )

    def _objects_in(self, job: Job) -> frozenset[str]:
        try:
            mentioned = self.patience.read(
                f"the objects of job {job.job_id}",
                lambda: list(self.client.get_job_objects(self.plan.pipeline_id, job.job_id)),
                until=self.deadline,
            )
        except HevoNotFoundError:
            return frozenset()
        return self.index.ids_in(mentioned or ())

    def claim(self, job: Job, earlier: tuple[Job, ...], *, is_adopted: bool) -> StartedJob | None:
        """Call a job ours, unless another run called it its own before us."""
        plan = self.plan
        whose = "somebody else's" if is_adopted else "ours"
        kind = f" ({job.type})" if job.type is not None else ""
        claim = self.ledger.write(
            Note(
                NoteKind.CLAIMED,
                plan.key,
                plan.pipeline_id,
                job_id=job.job_id,
                is_adopted=is_adopted,
            ),
            f"Job {job.job_id}{kind} of pipeline {plan.pipeline_id} is {whose}: {job.status}.",
        )
        if not is_adopted and claim is not None:
            for other in self.ledger.claims_of_others(plan.pipeline_id):
                if other.job_id == job.job_id and other.stands_before(claim):
                    self._foreign.add(job.job_id)
                    self.ledger.write(
                        Note(NoteKind.RELEASED, plan.key, plan.pipeline_id, job_id=job.job_id),
                        f"Job {job.job_id} belongs to run {other.run_id}, which called it its own "
                        "first; looking for another.",
                    )
                    return None
        self.log.info(f"Found job {job.job_id}{kind} of pipeline {plan.pipeline_id}: {job.status}.")
        others = [item for item in earlier if item.job_id != job.job_id]
        return StartedJob(job, History.of(others, job.type), is_adopted)

    def find_after_interrupt(self) -> Job | None:
        """The job that came of our asking, looked for in the seconds that a termination leaves.

        It is going to be cancelled: one that another run calls its own is left alone.
        """
        if not self.effect_is_possible or self.mark is None:
            return None
        self.patience = Patience(self.clock, self.log, interval=0.0, tolerance=0.0)
        for pause in LOOKS_WHEN_INTERRUPTED[: 1 if self.is_overdue else None]:
            self.clock.sleep(pause)
            try:
                seen = self.read_jobs()
                if not self.come_since_mark(seen):
                    continue
                claims = self.ledger.claims_of_others(self.plan.pipeline_id)
                finding = self._judge(self.mark, seen, {claim.job_id for claim in claims})
            except HevoError:
                continue
            if finding.ours is not None:
                return finding.ours
        return None
