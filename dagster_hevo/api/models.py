"""What Hevo answers, as typed values: read once at the edge of the client and never changed.

Every property except ids and a pipeline's name is optional. One that cannot be read counts as left
out (`lenient.py`), unknown properties are ignored, and unknown words are kept (`enums.py`).
`source.config` can hold passwords: it is never shown or serialised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dagster_hevo.api.enums import (
    JobObjectStatus,
    JobStatus,
    JobType,
    LoadMode,
    ObjectStatus,
    PipelineStatus,
    ReplicationStatus,
    ReplicationType,
    SchemaEvolution,
    SyncType,
)
from dagster_hevo.api.lenient import (
    Count,
    Id,
    MaybeCount,
    MaybeFlag,
    MaybeId,
    MaybeMeasure,
    MaybeText,
    MaybeTime,
    Name,
    PipelineId,
    ReadOtherwise,
    constant,
)

T = TypeVar("T")

_UNKNOWN = "UNKNOWN"
_OR_NONE = constant(None)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        entries: What could be read of the page's entries, in Hevo's order.
        has_more: Whether Hevo says that another page follows, and how to get it.
        next_cursor: What to request that page with; opaque. None where there is none.
    """

    entries: tuple[T, ...]
    has_more: bool
    next_cursor: str | None = None


class HevoModel(BaseModel):
    """A value read from Hevo: frozen, and deaf to properties that it does not know."""

    # Built when first used: a code location that loads from its state needs few of them.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Namespace(HevoModel):
    """Where an object lives: Hevo numbers the levels from the inside out.

    Attributes:
        k0: The object or table.
        k1: The schema, where there is one.
        k2: The database, where there is one.
    """

    k0: MaybeText = None
    k1: MaybeText = None
    k2: MaybeText = None

    @property
    def path(self) -> tuple[str, ...]:
        """The levels from the outside in, without those that are not there."""
        return tuple(level for level in (self.k2, self.k1, self.k0) if level)


class Source(HevoModel):
    """Where a pipeline reads from. ``config`` may hold passwords and is never shown."""

    name: MaybeText = None
    connector_id: MaybeId = None
    source_type: MaybeText = None
    config: Annotated[dict[str, Any] | None, _OR_NONE] = Field(
        default=None, repr=False, exclude=True
    )


class Destination(HevoModel):
    """Where a pipeline loads to."""

    id: MaybeCount = None
    name: MaybeText = None
    connector_id: MaybeId = None
    destination_type: MaybeText = None
    status: MaybeText = None


class Schedule(HevoModel):
    """When Hevo runs a pipeline by itself; ``frequency_minutes`` in minutes."""

    sync_type: Annotated[SyncType | None, _OR_NONE] = None
    frequency_minutes: MaybeCount = None


class FailureHandlingPolicy(HevoModel):
    """How many failing objects make a job fail."""

    object_failure_level: MaybeText = None
    object_failure_threshold: MaybeMeasure = None


class SourceSchemaStatus(HevoModel):
    """When Hevo last read the source's schema; ``refreshed_ts`` in epoch milliseconds."""

    status: MaybeText = None
    refreshed_ts: MaybeTime = None


class LatencyAlert(HevoModel):
    """Whether Hevo itself warns of a late pipeline."""

    enabled: MaybeFlag = None
    threshold_minutes: MaybeCount = None


class Pipeline(HevoModel):
    """A Hevo pipeline: one source copied into one destination."""

    id: PipelineId
    name: Name
    status: Annotated[PipelineStatus, constant(PipelineStatus(_UNKNOWN))] = PipelineStatus(_UNKNOWN)
    source: Annotated[Source, constant(Source())] = Source()
    destination: Annotated[Destination, constant(Destination())] = Destination()
    destination_prefix: MaybeText = None
    replication_type: Annotated[ReplicationType | None, _OR_NONE] = None
    load_mode: Annotated[LoadMode | None, _OR_NONE] = None
    schema_evolution: Annotated[SchemaEvolution | None, _OR_NONE] = None
    schedule: Annotated[Schedule | None, _OR_NONE] = None
    failure_handling_policy: Annotated[FailureHandlingPolicy | None, _OR_NONE] = None
    source_schema_status: Annotated[SourceSchemaStatus | None, _OR_NONE] = None
    latency_alert: Annotated[LatencyAlert | None, _OR_NONE] = None
    created_by_email: MaybeText = Field(default=None, repr=False)
    updated_by_email: MaybeText = Field(default=None, repr=False)
    created_ts: MaybeTime = None
    updated_ts: MaybeTime = None


class ObjectField(HevoModel):
    """One column of an object, at both ends."""

    source_name: MaybeText = None
    source_type: MaybeText = None
    destination_name: MaybeText = None
    destination_type: MaybeText = None
    status: MaybeText = None
    primary_key: Annotated[bool, constant(False)] = False


def _readable_fields(value: object) -> tuple[ObjectField, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    columns = cast("list[object]", value)
    return tuple(ObjectField.model_validate(each) for each in columns if isinstance(each, Mapping))


class PipelineObject(HevoModel):
    """A table, collection or report that a pipeline copies.

    ``fields``, ``object_name``, ``destination_table_name`` and ``load_mode`` come with the answer
    for a single object only.
    """

    object_id: Id
    source_namespace: Annotated[Namespace, constant(Namespace())] = Namespace()
    destination_namespace: Annotated[Namespace, constant(Namespace())] = Namespace()
    field_count: MaybeCount = None
    status: Annotated[ObjectStatus | None, _OR_NONE] = None
    replication_status: Annotated[ReplicationStatus | None, _OR_NONE] = None
    object_name: MaybeText = None
    destination_table_name: MaybeText = None
    load_mode: Annotated[LoadMode | None, _OR_NONE] = None
    fields: Annotated[tuple[ObjectField, ...] | None, ReadOtherwise(_readable_fields)] = None

    @property
    def is_replicated(self) -> bool:
        """Whether Hevo replicates it: only such objects become assets.

        One that is RESETTING is about to be loaded again.
        """
        return self.status in {ObjectStatus.ACTIVE, ObjectStatus.RESETTING}

    @property
    def name(self) -> str:
        """The name by which people know it: its own, else its table's, else its id."""
        return (
            self.object_name
            or self.source_namespace.k0
            or self.destination_namespace.k0
            or self.destination_table_name
            or self.object_id
        )


class Job(HevoModel):
    """One run of a pipeline, or of some of its objects.

    Times are epoch milliseconds by Hevo's clock; ``duration`` and latencies are milliseconds.
    """

    job_id: Id
    type: Annotated[JobType | None, _OR_NONE] = None
    status: Annotated[JobStatus, constant(JobStatus(_UNKNOWN))] = JobStatus(_UNKNOWN)
    created_ts: MaybeTime = None
    updated_ts: MaybeTime = None
    events_ingested: Count = 0
    events_loaded: Count = 0
    events_failed: Count = 0
    objects_success: Count = 0
    objects_queued: Count = 0
    objects_skipped: Count = 0
    objects_failed: Count = 0
    duration: MaybeCount = None
    min_latency: MaybeMeasure = None
    max_latency: MaybeMeasure = None
    mean_latency: MaybeMeasure = None
    billable_events: MaybeCount = None
    non_billable_events: MaybeCount = None

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over and will not change any more."""
        return self.status.is_terminal

    @property
    def objects_done(self) -> int:
        """How many of its objects the job is through with, well or not."""
        return self.objects_success + self.objects_skipped + self.objects_failed

    @property
    def objects_total(self) -> int:
        """How many objects the job has, as far as it says."""
        return self.objects_done + self.objects_queued


class JobObject(HevoModel):
    """What one job did with one object. Hevo documents none of it: every property is optional."""

    @model_validator(mode="before")
    @classmethod
    def _what_is_no_object_says_nothing(cls, answer: object) -> object:
        return cast("object", answer) if isinstance(answer, Mapping | cls) else {}

    object_id: MaybeId = None
    object_name: MaybeText = None
    source_namespace: Annotated[Namespace | None, _OR_NONE] = None
    status: Annotated[JobObjectStatus | None, _OR_NONE] = None
    rows_processed: MaybeCount = None
    rows_failed: MaybeCount = None
    events_ingested: MaybeCount = None
    events_loaded: MaybeCount = None
    events_failed: MaybeCount = None

    @property
    def failed_events(self) -> int:
        """Events that did not reach the table, under either of the names seen for them."""
        return self.events_failed or self.rows_failed or 0

    @property
    def loaded_events(self) -> int | None:
        """Events that reached the table, under either of the names seen for them."""
        return self.events_loaded if self.events_loaded is not None else self.rows_processed
