"""What the local Hevo holds: pipelines, objects, fields, durations, history, faults.

A scenario is made in code or read from a YAML file (`scenario_file.py`) and never changes; what
becomes of it while it runs is in `account.py`. How it behaves is in `behaviour.py`, how rows are
made of fields in `rows.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from dagster_hevo.sandbox.behaviour import Behaviour, ScenarioModel
from dagster_hevo.sandbox.faults import Fault

Outcome = Literal[
    "completed", "failed_events", "failed", "skipped", "blocked", "inaccessible", "inconsistent"
]
FieldType = Literal[
    "INTEGER", "DECIMAL", "DOUBLE", "BOOLEAN", "VARCHAR", "TIMESTAMP", "DATE", "JSON"
]


def table_name(name: str) -> str:
    """A name as a table's: lower case, words joined by underscores."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


class FieldScenario(ScenarioModel):
    """A column of an object, and how its values are made.

    Attributes:
        type: Guessed from the name when left out.
        values: Take one of these.
        references: The object (its table name) whose key this column holds.
        sequential: Go through `values` or `references` in order, not at random.
        prefix: Put before a key's number: `cnv_` makes `cnv_1`.
        minimum: Smallest number.
        maximum: Largest number.
        nulls: Share of rows without a value, 0 to 1.
        changes: Whether a later load of the same row may bring another value.
    """

    name: str
    type: FieldType | None = None
    primary_key: bool = False
    values: tuple[str | int | float | bool, ...] | None = Field(default=None, min_length=1)
    references: str | None = None
    sequential: bool = False
    prefix: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    nulls: float = Field(default=0.0, ge=0, le=1)
    changes: bool = False


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


_USUAL_FIELDS = (
    FieldScenario(name="id", primary_key=True),
    FieldScenario(name="name"),
    FieldScenario(name="created_at"),
    FieldScenario(name="updated_at"),
)


class ObjectScenario(ScenarioModel):
    """A table of a source.

    Attributes:
        table: Destination table; by default made of the name.
        id: By default made of the pipeline's id and the object's place.
        parent: The name of the object that it is a child of: Hevo skips and restarts it only
            together with that one.
        mode: What an incremental job does with it: `full_load` brings all rows again in place of
            the old ones, `incremental` (also when left out) only what changed.
        rows: Rows at the source at the start.
        changed_rows: Rows that changed when an incremental job comes; default a twentieth.
        new_rows: Rows that are new when an incremental job comes.
        seconds: How long a job works on it; by default the pipeline's `seconds_per_object`.
        outcome: What becomes of it in a job.
        failed_events: With the outcome `failed_events`: how many events fail.
        outcome_times: In how many jobs `outcome` strikes before all is well; none: for ever.
        outcome_every: In every how many-th job it strikes.
        mentioned: Whether a job's objects list it.
        hidden_until_refresh: Whether only a schema refresh brings it to light.
        person_offset: Row 1 is about person 1 plus this: the same person has the same e-mail
            address, name and phone number in all tables of all pipelines.
    """

    name: str
    table: str | None = None
    id: str | None = None
    status: str = "ACTIVE"
    replication_status: str | None = None
    load_mode: Literal["APPEND", "MERGE"] = "MERGE"
    parent: str | None = None
    mode: Literal["full_load", "incremental"] | None = None
    rows: int = Field(default=100, ge=0)
    changed_rows: int | None = Field(default=None, ge=0)
    new_rows: int = Field(default=0, ge=0)
    seconds: float | None = Field(default=None, ge=0)
    outcome: Outcome = "completed"
    failed_events: int = Field(default=1, ge=0)
    outcome_times: int | None = Field(default=None, ge=0)
    outcome_every: int = Field(default=1, ge=1)
    mentioned: bool = True
    hidden_until_refresh: bool = False
    person_offset: int = Field(default=0, ge=0)
    fields: tuple[Annotated[FieldScenario, BeforeValidator(_named)], ...] = _USUAL_FIELDS

    @property
    def table_name(self) -> str:
        """Its destination table."""
        return self.table or table_name(self.name)

    @property
    def key_fields(self) -> tuple[FieldScenario, ...]:
        """The fields of its primary key: those marked so, else the one named `id`."""
        marked = tuple(field for field in self.fields if field.primary_key)
        return marked or tuple(field for field in self.fields if field.name == "id")

    @property
    def rows_changed(self) -> int:
        """How many existing rows an incremental job brings."""
        if self.changed_rows is not None:
            return min(self.changed_rows, self.rows)
        return min(self.rows, max(1, self.rows // 20))


def check_parent(child: str, parent: str | None, objects: Iterable[ObjectScenario]) -> None:
    """Make sure that an object's parent, if it has one, is one object that has no parent itself.

    Raises:
        ValueError: It is not.
    """
    if parent is None:
        return
    named = [entry for entry in objects if entry.name == parent]
    if len(named) != 1 or parent == child:
        raise ValueError(f"{child} has the parent {parent}, which is no other object's name")
    if named[0].parent is not None:
        raise ValueError(f"{child} has the parent {parent}, which is a child itself")


class ScheduleScenario(ScenarioModel):
    """When Hevo runs the pipeline by itself."""

    sync_type: Literal["ON_DEMAND", "SCHEDULED"] = "ON_DEMAND"
    frequency_minutes: float | None = Field(default=None, gt=0)


class FailurePolicyScenario(ScenarioModel):
    """When a failed object fails its job: at once (STRICT), or past a percentage (MODERATE)."""

    object_failure_level: str = "LENIENT"
    object_failure_threshold: int | None = Field(default=None, ge=0, le=100)

    def fails_job(self, failed: int, total: int) -> bool:
        """Whether so many failed objects out of so many make the job FAILED."""
        if not failed:
            return False
        if self.object_failure_level == "STRICT":
            return True
        return self.object_failure_level == "MODERATE" and (
            failed * 100 > (self.object_failure_threshold or 0) * total
        )


class HistoryScenario(ScenarioModel):
    """Jobs that were over before the sandbox started: ``count`` of them, ``every_minutes``."""

    type: str = "INCREMENTAL"
    status: str = "COMPLETED"
    count: int = Field(default=1, ge=1)
    minutes_ago: float = Field(default=60.0, gt=0)
    every_minutes: float = Field(default=60.0, gt=0)
    seconds: float = Field(default=60.0, ge=0)


class SourceScenario(ScenarioModel):
    """Where a pipeline reads from. The passwords in ``config`` are fakes to look for in logs.

    Attributes:
        calls_per_second: More calls than this for one object make a job DEFERRED for a while
            (`Behaviour.defer_seconds`); none: the source has no such limit.
        rows_per_call: Rows that one call brings.
    """

    name: str | None = None
    connector_id: str | None = None
    source_type: str = "POSTGRES"
    config: dict[str, Any] | None = None
    calls_per_second: int | None = Field(default=None, ge=1)
    rows_per_call: int = Field(default=100, ge=1)


class DestinationScenario(ScenarioModel):
    """Where a pipeline loads to."""

    id: int = 900
    name: str = "Warehouse"
    connector_id: str = "duckdb-1"
    destination_type: str = "DUCKDB"


class PipelineScenario(ScenarioModel):
    """A pipeline and its objects.

    Attributes:
        id: By default 101, 102 and so on.
        schema_name: Destination schema (`k1`), `schema` in YAML; by default made of the name.
        database: Destination database (`k2`), if any.
        seconds_per_object: Sandbox seconds that a job works on an object.
        job_seconds: How long a job takes as a whole, for all types or by type; objects share it.
        destination_prefix: Only told in answers; by default the destination schema.
        behaviour: What differs from the scenario's behaviour.
    """

    name: str
    id: int | None = None
    status: str = "INITIALIZED"
    schema_name: str | None = Field(
        default=None, validation_alias=AliasChoices("schema", "schema_name")
    )
    database: str | None = None
    source: SourceScenario = SourceScenario()
    destination: DestinationScenario = DestinationScenario()
    destination_prefix: str | None = None
    replication_type: str = "HISTORICAL_AND_INCREMENTAL"
    load_mode: Literal["APPEND", "MERGE"] = "MERGE"
    schema_evolution: str = "ALLOW_ALL"
    schedule: ScheduleScenario = ScheduleScenario()
    failure_policy: FailurePolicyScenario = FailurePolicyScenario()
    latency_alert_minutes: int | None = None
    seconds_per_object: float = Field(default=4.0, ge=0)
    job_seconds: float | dict[str, float] | None = None
    behaviour: Behaviour = Behaviour()
    history: tuple[HistoryScenario, ...] = ()
    objects: tuple[Annotated[ObjectScenario, BeforeValidator(_named)], ...] = ()

    @model_validator(mode="after")
    def _consistent_objects(self) -> PipelineScenario:
        tables = [entry.table_name for entry in self.objects]
        twice = sorted({table for table in tables if tables.count(table) > 1})
        if twice:
            raise ValueError(f"two objects load into the same table: {', '.join(twice)}")
        by_table = {entry.table_name: entry for entry in self.objects}
        for entry in self.objects:
            check_parent(entry.name, entry.parent, self.objects)
            for field in entry.fields:
                if field.references is None:
                    continue
                target = by_table.get(field.references)
                if target is None or not target.key_fields:
                    raise ValueError(
                        f"{entry.table_name}.{field.name} references {field.references}, "
                        "which is no object of this pipeline with a primary key"
                    )
        return self

    @property
    def schema_in_warehouse(self) -> str:
        """The destination schema."""
        return self.schema_name or table_name(self.name)

    def seconds_of_job(self, job_type: str) -> float | None:
        """How long a job of this type takes as a whole, if the scenario says so."""
        if isinstance(self.job_seconds, dict):
            return self.job_seconds.get(job_type)
        return self.job_seconds


class UserScenario(ScenarioModel):
    """Somebody with keys of their own; a MEMBER is refused everything with 403."""

    api_key: str
    api_secret: str = Field(repr=False)
    role: Literal["OWNER", "MEMBER"] = "OWNER"


class AccountScenario(ScenarioModel):
    """What holds for the whole account.

    Attributes:
        requests_per_minute: Requests that a user may send in any 60 seconds; 0: no limit.
        limit_follows_speed: Whether those are sandbox seconds rather than real ones.
        page_size: Entries in a page when the request gives no `limit`; the job list has 10.
        clock_offset_seconds: By how much the server's clock differs from the sandbox's.
        users: Users besides the two that every sandbox has.
    """

    requests_per_minute: int = Field(default=100, ge=0)
    limit_follows_speed: bool = False
    page_size: int = Field(default=50, ge=1, le=100)
    clock_offset_seconds: float = 0.0
    users: tuple[UserScenario, ...] = ()


class Scenario(ScenarioModel):
    """Everything a sandbox starts with. ``seed`` decides all that is left to chance."""

    name: str = "unnamed"
    seed: int = 0
    account: AccountScenario = AccountScenario()
    behaviour: Behaviour = Behaviour()
    faults: tuple[Fault, ...] = ()
    pipelines: tuple[PipelineScenario, ...] = ()

    @model_validator(mode="after")
    def _distinct_ids(self) -> Scenario:
        ids = [self.id_of(index) for index in range(len(self.pipelines))]
        if len(set(ids)) != len(ids):
            raise ValueError(f"two pipelines have the same id: {sorted(ids)}")
        return self

    def id_of(self, index: int) -> int:
        """The id of the pipeline at this place."""
        stated = self.pipelines[index].id
        return 101 + index if stated is None else stated

    def changed(self, **behaviour: Any) -> Scenario:
        """This scenario with parts of its behaviour changed, checked like a scenario file."""
        changes = Behaviour.model_validate(behaviour)
        return self.model_copy(update={"behaviour": self.behaviour.overridden(changes)})

    @classmethod
    def simple(
        cls,
        pipelines: int = 1,
        objects: int = 30,
        *,
        rows: int = 100,
        seconds_per_object: float = 4.0,
        seed: int = 0,
        requests_per_minute: int = 100,
        **behaviour: Any,
    ) -> Scenario:
        """So many pipelines of so many plain objects.

        Args:
            pipelines: Their ids are 101, 102 and so on, their schemas `shop_1`, `shop_2`.
            objects: Objects a pipeline; their tables are `table_01`, `table_02` and so on.
            rows: Rows of each object.
            seconds_per_object: Sandbox seconds that a job works on each.
            seed: Decides all that is left to chance.
            requests_per_minute: The user's limit; 0: none.
            behaviour: Fields of `Behaviour`.
        """
        return cls(
            name=f"{pipelines} x {objects}",
            seed=seed,
            account=AccountScenario(requests_per_minute=requests_per_minute),
            behaviour=Behaviour.model_validate(behaviour),
            pipelines=tuple(
                PipelineScenario(
                    name=f"Shop {number}",
                    schema_name=f"shop_{number}",
                    seconds_per_object=seconds_per_object,
                    objects=tuple(
                        ObjectScenario(name=f"table_{place:02d}", rows=rows)
                        for place in range(1, objects + 1)
                    ),
                )
                for number in range(1, pipelines + 1)
            ),
        )
