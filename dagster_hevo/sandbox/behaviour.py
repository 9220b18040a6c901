"""How the local Hevo behaves where clients have been surprised; each point can be switched.

The rest of a scenario is in `scenario.py`. What each switch does is done in `pipelines.py`,
`jobs.py` and `answers.py`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ScenarioModel(BaseModel):
    """A part of a scenario: frozen, and strict about names so that a misspelt key is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Behaviour(ScenarioModel):
    """How Hevo behaves where clients have been surprised. Durations in sandbox seconds.

    Attributes:
        job_appears_after: A new job enters the job list between these seconds after its trigger.
        instant_jobs: Jobs are over before they enter the list.
        on_conflict: The answer to a trigger while a job runs: 500, 409, or `ignore` (2xx, no job).
        restarting_seconds: How long a pipeline is RESTARTING after a resync; 0: not at all.
        refusal_status: The HTTP status when the pipeline's status forbids a trigger, or an object
            cannot be resynced.
        child_resync: The answer to a resync of an object that has a parent: `refuse`, or `ignore`
            (2xx, and no job loads it).
        older_type_names: Name pipeline resyncs RESYNC_WITH_EVOLVE and TRUNCATE_AND_LOAD.
        cancelled_spelling: CANCELLED or CANCELED.
        deferred_spelling: DEFERRED_WITH_FAILURES or DEFERRED_WITH_FAILURE.
        cancelling_seconds: How long a job is CANCELLING.
        defer_at: Share of the work (0 to 1) after which a job is DEFERRED; a source with
            `calls_per_second` decides that itself.
        defer_seconds: For how long; 0: never.
        restart_cancelled_historical: Whether the schedule starts a cancelled HISTORICAL job again.
        job_order: Order of the job list; `shuffled` is neither by time nor by id, but stable.
        job_objects: When a job tells of its objects: `live`, `at_end`, `late` (some seconds after
            the end) or `never`.
        job_objects_late_seconds: The seconds of `late`.
        job_object_fields: `full`, or `short` for name, status and row counts only.
        resync_tells_job_id: Whether the answer to an object resync carries the job's id.
        empty_answers: Whether the answer to an action has no body.
        optional_fields: False leaves out every optional property.
        jobs_end_as: A status that every job ends with, whatever became of its objects.
        transition_seconds: How long ENABLING and DISABLING take.
        duration_jitter: Share by which durations vary.
        own_schedule: False: the pipeline's schedule is told, but starts nothing.
    """

    job_appears_after: tuple[float, float] = (5.0, 15.0)
    instant_jobs: bool = False
    on_conflict: Literal[500, 409, "ignore"] = 500
    restarting_seconds: float = Field(default=5.0, ge=0)
    refusal_status: int = Field(default=400, ge=400, le=599)
    child_resync: Literal["refuse", "ignore"] = "refuse"
    older_type_names: bool = False
    cancelled_spelling: Literal["CANCELLED", "CANCELED"] = "CANCELLED"
    deferred_spelling: Literal["DEFERRED_WITH_FAILURES", "DEFERRED_WITH_FAILURE"] = (
        "DEFERRED_WITH_FAILURES"
    )
    cancelling_seconds: float = Field(default=5.0, ge=0)
    defer_at: float = Field(default=0.5, ge=0, le=1)
    defer_seconds: float = Field(default=0.0, ge=0)
    restart_cancelled_historical: bool = True
    job_order: Literal["newest", "oldest", "shuffled"] = "newest"
    job_objects: Literal["live", "at_end", "late", "never"] = "live"
    job_objects_late_seconds: float = Field(default=30.0, ge=0)
    job_object_fields: Literal["full", "short"] = "full"
    resync_tells_job_id: bool = False
    empty_answers: bool = True
    optional_fields: bool = True
    jobs_end_as: str | None = None
    transition_seconds: float = Field(default=2.0, ge=0)
    duration_jitter: float = Field(default=0.1, ge=0, lt=1)
    own_schedule: bool = True

    @model_validator(mode="after")
    def _earliest_before_latest(self) -> Behaviour:
        earliest, latest = self.job_appears_after
        if not 0 <= earliest <= latest:
            raise ValueError("job_appears_after must be two seconds, the earlier first")
        return self

    def overridden(self, other: Behaviour) -> Behaviour:
        """This behaviour with everything that ``other`` states explicitly."""
        stated = {name: getattr(other, name) for name in other.model_fields_set}
        return self.model_copy(update=stated)
