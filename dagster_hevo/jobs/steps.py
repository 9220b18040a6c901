"""What can be observed of a request, and what can be done next.

`decide.py` turns the state (`state.py`) and an observation into the next state and an action;
`runner.py` carries the actions out.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.models import Job, JobObject, Pipeline, PipelineObject
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.records import Answer, RecordedRequest

# What is observed


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Something that happened.

    Attributes:
        now: When, in seconds on the runner's clock.
        hevo_ms: Hevo's time then, in epoch milliseconds, as far as its Date headers tell.
        watchers: How many jobs share the request budget.
    """

    now: float = 0.0
    hevo_ms: int | None = None
    watchers: int = 1


@dataclass(frozen=True)
class Began(Observation):
    """The attempt begins; ``earlier`` is the request that it resumes."""

    request_id: str
    earlier: RecordedRequest | None = None


@dataclass(frozen=True)
class PipelineRead(Observation):
    """The pipeline as it is."""

    pipeline: Pipeline


@dataclass(frozen=True)
class JobsRead(Observation):
    """The pipeline's jobs.

    Attributes:
        jobs: The jobs.
        is_complete: Whether these are all.
        owned_by_others: Those that other requests own.
        contested: Those that may have come of the trigger of another request as well.
    """

    jobs: tuple[Job, ...]
    is_complete: bool = True
    owned_by_others: frozenset[str] = frozenset()
    contested: frozenset[str] = frozenset()


@dataclass(frozen=True)
class JobRead(Observation):
    """One job as it is."""

    job: Job


@dataclass(frozen=True)
class JobMissing(Observation):
    """Hevo does not know the job (404)."""

    job_id: str


@dataclass(frozen=True)
class ObjectsRead(Observation):
    """What a job lists of its objects; nothing where Hevo knows nothing of them."""

    job_id: str
    objects: tuple[JobObject, ...]


@dataclass(frozen=True)
class PipelineObjectsRead(Observation):
    """The objects that the pipeline has now, the inactive ones too."""

    objects: tuple[PipelineObject, ...]


@dataclass(frozen=True)
class TurnAnswered(Observation):
    """Whether it is this run's turn to trigger the pipeline.

    Attributes:
        ahead: The request of another run that is starting a job; None: it is our turn, and where
            that was requested, the ledger has the baseline.
    """

    ahead: str | None = None


@dataclass(frozen=True)
class TriggerAnswered(Observation):
    """What Hevo answered to the trigger.

    Attributes:
        answer: What it means.
        error: What it said, where it did not accept.
        is_unknown_refusal: Whether it refused for a reason that is not a running job, or that is
            not understood.
    """

    answer: Answer
    error: HevoError | None = None
    is_unknown_refusal: bool = False


@dataclass(frozen=True)
class TriggerWithdrawn(Observation):
    """The ledger knows that no job came of the trigger."""


@dataclass(frozen=True)
class ClaimAnswered(Observation):
    """Whether our request owns the job that it claimed."""

    job_id: str
    is_owner: bool


@dataclass(frozen=True)
class ReadFailed(Observation):
    """A read brought no usable answer.

    Attributes:
        error: Why.
        is_transient: Whether waiting may heal it.
    """

    error: HevoError
    is_transient: bool


@dataclass(frozen=True)
class CancelAnswered(Observation):
    """What came of cancelling our job; ``error`` where Hevo did not take it."""

    error: HevoError | None = None


@dataclass(frozen=True)
class Interrupted(Observation):
    """The run was terminated, by Dagster, the keyboard or the system."""


# What is done


@dataclass(frozen=True)
class ReadPipeline:
    """Read the pipeline."""

    what = "the pipeline"


@dataclass(frozen=True)
class ReadJobs:
    """Read the job list; ``all_pages``: to its end, whatever the first page shows."""

    all_pages: bool = False
    what = "the pipeline's jobs"


@dataclass(frozen=True)
class ReadJob:
    """Read one job."""

    job_id: str

    @property
    def what(self) -> str:
        """What is read, for people."""
        return f"job {self.job_id}"


@dataclass(frozen=True)
class ReadObjects:
    """Read what a job lists of its objects."""

    job_id: str

    @property
    def what(self) -> str:
        """What is read, for people."""
        return f"the objects of job {self.job_id}"


@dataclass(frozen=True)
class ReadPipelineObjects:
    """Read which objects the pipeline has now."""

    what = "the pipeline's objects"


@dataclass(frozen=True)
class WriteBaseline:
    """Check whether it is our turn to trigger; if it is, write the baseline into the ledger.

    Attributes:
        given_up: Requests of other runs that are not waited for any more.
    """

    given_up: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CheckTurn:
    """Check again whether it is our turn: whether no other run is starting a job.

    Attributes:
        given_up: Requests of other runs that are not waited for any more.
    """

    given_up: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SendTrigger:
    """Send the trigger, once, and write its answer into the ledger."""


@dataclass(frozen=True)
class WithdrawTrigger:
    """Write into the ledger that no job came of the trigger: others need not wait for it."""


@dataclass(frozen=True)
class ClaimJob:
    """Claim a job in the ledger."""

    job_id: str
    is_adopted: bool = False
    may_be_cancelled: bool = False


@dataclass(frozen=True)
class CancelJob:
    """Cancel our job."""

    job_id: str


@dataclass(frozen=True)
class StartOver:
    """Settle the request as failed, and resume another one or begin a new one."""


Read = ReadPipeline | ReadJobs | ReadJob | ReadObjects | ReadPipelineObjects
READS = (ReadPipeline, ReadJobs, ReadJob, ReadObjects, ReadPipelineObjects)
Effect = (
    Read
    | WriteBaseline
    | CheckTurn
    | SendTrigger
    | WithdrawTrigger
    | ClaimJob
    | CancelJob
    | StartOver
)


@dataclass(frozen=True)
class Wait:
    """Wait, then do something."""

    seconds: float
    then: Effect


@dataclass(frozen=True)
class Finish:
    """The request is at its end.

    Attributes:
        outcome: What became of the job, where it ended and was read.
        error: Why there is no outcome.
        was_interrupted: Whether the run was terminated.
    """

    outcome: JobOutcome | None = None
    error: HevoError | None = None
    was_interrupted: bool = False


Action = Effect | Wait | Finish
