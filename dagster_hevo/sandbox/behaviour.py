"""The traits of the local Hevo that can be switched: where real answers have surprised clients.

The rest of a scenario is in `scenario.py`. Each trait is carried out where it shows: in `gate.py`
(Date header), `job_list.py`, `answers.py`, `triggers.py`, `layout.py` and `pipelines.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

CONFLICT = "A job is in progress. To sync now you need to cancel the current job"
"""Hevo's own wording of a conflict, in plain text."""


class ScenarioModel(BaseModel):
    """A part of a scenario: frozen, and strict about names so that a misspelt key is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _list_order(value: Any) -> Any:
    """Scenarios written before `job_list_order` say `newest` and `oldest`."""
    return f"{value}_first" if value in ("newest", "oldest") else value


class Behaviour(ScenarioModel):
    """The traits of one pipeline, or of all. Durations are sandbox seconds.

    Traits with `_every` strike every N-th time, 0 being never.

    Attributes:
        date_header: Whether answers carry a Date header, written from the sandbox's clock.
        date_header_skew_seconds: By how much the clock that writes the Date header (a gateway's)
            is ahead of the one that writes `*_ts`; may be negative.
        optional_fields: False leaves out every property that a client can do without, even those
            that Hevo practically always sends.
        empty_answers: Whether the answer to an action has no body.
        job_appears_after: A new job enters the job list between these seconds after its trigger.
        job_list_order: `newest_first`, `oldest_first`, or `shuffled`: neither by time nor by id,
            but the same in every read. `job_order`, `newest` and `oldest` are older spellings.
        job_list_page_entries: The most entries in a page, whatever the request's `limit`.
        job_list_repeats: Whether each page of the job list begins with the last entry of the page
            before; pages of one entry repeat nothing.
        job_list_leaves_out_every: In every N-th read of the job list (a first page and those that
            its cursors lead to) the newest job is missing.
        odd_job_values: Whether the oldest job in the list has a fractional duration, `created_ts`
            as ISO text, no status, negative counts and a property that no version knows. Give the
            pipeline a `history`: its only job is its oldest.
        instant_jobs: Whether jobs are over before they enter the list.
        on_conflict: The answer to a trigger while a job runs: 500, 409, `ignore` (2xx and no job)
            or `accept` (a second job runs beside the first).
        conflict_message: The wording of a 500 or 409.
        conflict_as_text: Whether that is plain text, rather than JSON with `error` and `message`.
        triggers_without_effect_every: Every N-th trigger that would start a job is answered with
            2xx and starts none.
        refusal_status: The HTTP status when the pipeline's status forbids a trigger, or an object
            cannot be resynced.
        restarting_seconds: How long a pipeline is RESTARTING after a resync; 0: not at all.
        transition_seconds: How long ENABLING and DISABLING take.
        child_resync: The answer to a resync of an object that has a parent: `refuse`, or `ignore`
            (2xx, and no job loads it).
        resync_tells_job_id: Whether the answer to an object resync carries the job's id.
        older_type_names: The types of pipeline resyncs, without and with dropped tables. Hevo's
            Airflow provider has known three pairs. False: RESYNC and RESYNC_WITH_DROP_AND_LOAD,
            those of today. True: RESYNC_WITH_EVOLVE and RESYNC_WITH_DROP_AND_LOAD, the ones
            before. `truncate`: TRUNCATE_AND_LOAD for both, the oldest.
        job_objects: When a job lists its objects: `live`, `at_end`, `late` (some seconds after the
            end) or `never`.
        job_objects_late_seconds: The seconds of `late`.
        job_object_fields: `full`, or `short` for name, status and row counts only.
        job_object_ids: `own` (those of the pipeline's objects), `none` (left out) or `other`
            (UUIDs that no pipeline object has).
        job_object_names: `bare`, `qualified` (`schema.table`), `prefixed` (in capitals,
            after a prefix), `hashed` (words that tell nothing) or `none` (left out).
        job_objects_leave_out: The last N objects of a job are counted but never listed.
        job_loads_also: A resync of some objects loads N further active objects of the pipeline.
        job_drops_requested: A resync of some objects leaves out the last N that were requested.
        jobs_end_as: A status that every job ends with, whatever became of its objects.
        cancelled_spelling: CANCELLED or CANCELED.
        deferred_spelling: DEFERRED_WITH_FAILURES or DEFERRED_WITH_FAILURE.
        cancelling_seconds: How long a job is CANCELLING.
        defer_at: Share of the work (0 to 1) after which a job is DEFERRED; a source with
            `calls_per_second` decides that itself.
        defer_seconds: For how long; 0: never.
        deferred_for_ever: Whether a job that is DEFERRED (`defer_at`, whatever the source) stays
            so until somebody cancels or ends it.
        restart_cancelled_historical: Whether the schedule starts a cancelled HISTORICAL job again.
        own_schedule: False: the pipeline's schedule is told, but starts nothing.
        duration_jitter: Share by which durations vary.
    """

    date_header: bool = True
    date_header_skew_seconds: float = 0.0
    optional_fields: bool = True
    empty_answers: bool = True

    job_appears_after: tuple[float, float] = (5.0, 15.0)
    job_list_order: Annotated[
        Literal["newest_first", "oldest_first", "shuffled"], BeforeValidator(_list_order)
    ] = Field(default="newest_first", validation_alias=AliasChoices("job_list_order", "job_order"))
    job_list_page_entries: int | None = Field(default=None, ge=1)
    job_list_repeats: bool = False
    job_list_leaves_out_every: int = Field(default=0, ge=0)
    odd_job_values: bool = False
    instant_jobs: bool = False

    on_conflict: Literal[500, 409, "ignore", "accept"] = 500
    conflict_message: str = CONFLICT
    conflict_as_text: bool = False
    triggers_without_effect_every: int = Field(default=0, ge=0)
    refusal_status: int = Field(default=400, ge=400, le=599)
    restarting_seconds: float = Field(default=5.0, ge=0)
    transition_seconds: float = Field(default=2.0, ge=0)
    child_resync: Literal["refuse", "ignore"] = "refuse"
    resync_tells_job_id: bool = False
    older_type_names: bool | Literal["truncate"] = False

    job_objects: Literal["live", "at_end", "late", "never"] = "live"
    job_objects_late_seconds: float = Field(default=30.0, ge=0)
    job_object_fields: Literal["full", "short"] = "full"
    job_object_ids: Literal["own", "none", "other"] = "own"
    job_object_names: Literal["bare", "qualified", "prefixed", "hashed", "none"] = "bare"
    job_objects_leave_out: int = Field(default=0, ge=0)
    job_loads_also: int = Field(default=0, ge=0)
    job_drops_requested: int = Field(default=0, ge=0)

    jobs_end_as: str | None = None
    cancelled_spelling: Literal["CANCELLED", "CANCELED"] = "CANCELLED"
    deferred_spelling: Literal["DEFERRED_WITH_FAILURES", "DEFERRED_WITH_FAILURE"] = (
        "DEFERRED_WITH_FAILURES"
    )
    cancelling_seconds: float = Field(default=5.0, ge=0)
    defer_at: float = Field(default=0.5, ge=0, le=1)
    defer_seconds: float = Field(default=0.0, ge=0)
    deferred_for_ever: bool = False
    restart_cancelled_historical: bool = True
    own_schedule: bool = True
    duration_jitter: float = Field(default=0.1, ge=0, lt=1)

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
