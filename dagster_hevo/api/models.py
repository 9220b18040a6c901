"""What Hevo answers, as typed values: read once at the edge of the client and never changed.

Every property that Hevo may leave out is optional, unknown properties are ignored, and unknown
words are kept (`enums.py`). `source.config` can hold passwords: it is never shown or serialised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

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


def _text(value: object) -> object:
    """Read an id as text even where Hevo writes a number."""
    return str(value) if isinstance(value, int) else value


def _readable_or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """Read a property of an undocumented shape; what cannot be read counts as left out."""
    try:
        return read(value)
    except ValidationError:
        return None


Id = Annotated[str, BeforeValidator(_text)]


class HevoModel(BaseModel):
    """A value read from Hevo: frozen, and deaf to properties that it does not know."""

    # Built when first used: a code location that loads from its state needs few of them.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, answer: object) -> object:
        if not isinstance(answer, dict):
            return answer
        properties = cast("dict[str, object]", answer)
        if None not in properties.values():
            return properties
        return {name: value for name, value in properties.items() if value is not None}


class Namespace(HevoModel):
    """Where an object lives: Hevo numbers the levels from the inside out.

    Attributes:
        k0: The object or table.
        k1: The schema, where there is one.
        k2: The database, where there is one.
    """

    k0: str | None = None
    k1: str | None = None
    k2: str | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The levels from the outside in, without those that are not there."""
        return tuple(level for level in (self.k2, self.k1, self.k0) if level)


class Source(HevoModel):
    """Where a pipeline reads from. ``config`` may hold passwords and is never shown."""

    name: str | None = None
    connector_id: Id | None = None
    source_type: str | None = None
    config: dict[str, Any] | None = Field(default=None, repr=False, exclude=True)


class Destination(HevoModel):
    """Where a pipeline loads to."""

    id: int | None = None
    name: str | None = None
    connector_id: Id | None = None
    destination_type: str | None = None
    status: str | None = None


class Schedule(HevoModel):
    """When Hevo runs a pipeline by itself; ``frequency_minutes`` in minutes."""

    sync_type: SyncType | None = None
    frequency_minutes: int | None = None


class FailureHandlingPolicy(HevoModel):
    """How many failing objects make a job fail."""

    object_failure_level: str | None = None
    object_failure_threshold: float | None = None


class SourceSchemaStatus(HevoModel):
    """When Hevo last read the source's schema; ``refreshed_ts`` in epoch milliseconds."""

    status: str | None = None
    refreshed_ts: int | None = None


class LatencyAlert(HevoModel):
    """Whether Hevo itself warns of a late pipeline."""

    enabled: bool | None = None
    threshold_minutes: int | None = None


class Pipeline(HevoModel):
    """A Hevo pipeline: one source copied into one destination."""

    id: int
    name: str
    status: PipelineStatus
    source: Source = Source()
    destination: Destination = Destination()
    destination_prefix: str | None = None
    replication_type: ReplicationType | None = None
    load_mode: LoadMode | None = None
    schema_evolution: SchemaEvolution | None = None
    schedule: Schedule | None = None
    failure_handling_policy: FailureHandlingPolicy | None = None
    source_schema_status: SourceSchemaStatus | None = None
    latency_alert: LatencyAlert | None = None
    created_by_email: str | None = Field(default=None, repr=False)
    updated_by_email: str | None = Field(default=None, repr=False)
    created_ts: int | None = None
    updated_ts: int | None = None


class ObjectField(HevoModel):
    """One column of an object, at both ends."""

    source_name: str | None = None
    source_type: str | None = None
    destination_name: str | None = None
    destination_type: str | None = None
    status: str | None = None
    primary_key: bool = False


class PipelineObject(HevoModel):
    """A table, collection or report that a pipeline copies.

    ``fields``, ``object_name``, ``destination_table_name`` and ``load_mode`` come with the answer
    for a single object only.
    """

    object_id: Id
    source_namespace: Namespace = Namespace()
    destination_namespace: Namespace = Namespace()
    field_count: int | None = None
    status: ObjectStatus | None = None
    replication_status: ReplicationStatus | None = None
    object_name: str | None = None
    destination_table_name: str | None = None
    load_mode: LoadMode | None = None
    fields: tuple[ObjectField, ...] | None = None

    @property
    def is_replicated(self) -> bool:
        """Whether Hevo replicates it: only such objects become assets."""
        return self.status is ObjectStatus.ACTIVE

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
    type: JobType | None = None
    status: JobStatus
    created_ts: int | None = None
    updated_ts: int | None = None
    events_ingested: int = 0
    events_loaded: int = 0
    events_failed: int = 0
    objects_success: int = 0
    objects_queued: int = 0
    objects_skipped: int = 0
    objects_failed: int = 0
    duration: int | None = None
    min_latency: float | None = None
    max_latency: float | None = None
    mean_latency: float | None = None
    billable_events: int | None = None
    non_billable_events: int | None = None

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


_LENIENT = WrapValidator(_readable_or_none)


class JobObject(HevoModel):
    """What one job did with one object. Hevo documents none of it: every property is optional."""

    @model_validator(mode="before")
    @classmethod
    def _what_is_no_object_says_nothing(cls, answer: object) -> object:
        return cast("object", answer) if isinstance(answer, Mapping | cls) else {}

    object_id: Annotated[Id | None, _LENIENT] = None
    object_name: Annotated[str | None, _LENIENT] = None
    source_namespace: Annotated[Namespace | None, _LENIENT] = None
    status: Annotated[JobObjectStatus | None, _LENIENT] = None
    rows_processed: Annotated[int | None, _LENIENT] = None
    rows_failed: Annotated[int | None, _LENIENT] = None
    events_ingested: Annotated[int | None, _LENIENT] = None
    events_loaded: Annotated[int | None, _LENIENT] = None
    events_failed: Annotated[int | None, _LENIENT] = None

    @property
    def failed_events(self) -> int:
        """Events that did not reach the table, under either of the names seen for them."""
        return self.events_failed or self.rows_failed or 0

    @property
    def loaded_events(self) -> int | None:
        """Events that reached the table, under either of the names seen for them."""
        return self.events_loaded if self.events_loaded is not None else self.rows_processed
