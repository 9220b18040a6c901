"""What a run loaded, read from three places that must agree: the source, Dagster, and DuckDB.

Reading and judging are apart, so that the judgement can be tested with plain values. `demo.py`
prints what comes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from dagster_hevo.sandbox import Scenario

HEVO_CHECK = "hevo_job"


@dataclass(frozen=True)
class SourceObject:
    """An object as its source has it.

    Attributes:
        pipeline: Its pipeline's name.
        table: Its table, `schema.table`.
        rows: Rows at the source.
        failing: How many of them do not get through.
    """

    pipeline: str
    table: str
    rows: int
    failing: int

    @property
    def loaded(self) -> int:
        """How many rows must arrive."""
        return self.rows - self.failing


@dataclass(frozen=True)
class RecordedObject:
    """An object as Dagster recorded it; None for what it has no record of."""

    events_loaded: int | None = None
    events_failed: int | None = None
    job_status: str | None = None
    check_passed: bool | None = None
    check_severity: str | None = None


@dataclass(frozen=True)
class ObjectReport:
    """One object, as seen from all three places.

    Attributes:
        source: What was to be loaded.
        recorded: What Dagster says of it.
        rows: How many rows its table has; None if there is no such table.
    """

    source: SourceObject
    recorded: RecordedObject
    rows: int | None

    def problems(self) -> Iterator[str]:
        """Where the three do not agree; nothing if all is well."""
        source, recorded = self.source, self.recorded
        if recorded.events_loaded is None:
            yield f"{source.table}: Dagster has no materialization of it from this run"
        elif recorded.events_loaded != source.loaded:
            yield (
                f"{source.table}: Dagster recorded {recorded.events_loaded} events loaded, not "
                f"{source.loaded}"
            )
        if recorded.events_failed not in (None, source.failing):
            yield (
                f"{source.table}: Dagster recorded {recorded.events_failed} events failed, not "
                f"{source.failing}"
            )
        if self.rows is None:
            yield f"{source.table}: there is no such table in DuckDB"
        elif self.rows != source.loaded:
            yield f"{source.table}: {self.rows} rows in DuckDB, not {source.loaded}"
        if recorded.check_passed is None:
            yield f"{source.table}: its check was not evaluated"
        elif recorded.check_passed == bool(source.failing):
            verdict = "passed" if recorded.check_passed else "did not pass"
            yield f"{source.table}: its check {verdict}, with {source.failing} events failing"


def problems_of(reports: Sequence[ObjectReport], scenario: Scenario) -> list[str]:
    """All that is not as it must be.

    Args:
        reports: One an object.
        scenario: What the local Hevo started with. A pipeline with failing events must have ended
            COMPLETED_WITH_FAILURES, any other COMPLETED.
    """
    found = [problem for report in reports for problem in report.problems()]
    for pipeline in scenario.pipelines:
        own = [report for report in reports if report.source.pipeline == pipeline.name]
        failing = any(report.source.failing for report in own)
        wanted = "COMPLETED_WITH_FAILURES" if failing else "COMPLETED"
        seen = {report.recorded.job_status for report in own} - {None}
        if seen != {wanted}:
            ended = ", ".join(sorted(str(status) for status in seen)) or "nothing"
            found.append(f"{pipeline.name}: its job ended {ended}, not {wanted}")
    return found


def objects_of(scenario: Scenario) -> list[SourceObject]:
    """All objects of a scenario."""
    return [
        SourceObject(
            pipeline.name,
            f"{pipeline.schema_in_warehouse}.{entry.table_name}",
            entry.rows,
            min(entry.rows, entry.failed_events) if entry.outcome == "failed_events" else 0,
        )
        for pipeline in scenario.pipelines
        for entry in pipeline.objects
    ]


def recorded_in(instance: dg.DagsterInstance, run_id: str) -> dict[str, RecordedObject]:
    """What a run's events say of each Hevo object, by its table."""
    materialized: dict[str, Mapping[str, dg.MetadataValue[Any]]] = {}
    checked: dict[str, dg.AssetCheckEvaluation] = {}
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.get_dagster_event()
        if event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            materialized[".".join(materialization.asset_key.path)] = materialization.metadata
        else:
            evaluation = event.asset_check_evaluation_data
            if evaluation.check_name == HEVO_CHECK:
                checked[".".join(evaluation.asset_key.path)] = evaluation
    return {
        table: _recorded(materialized.get(table, {}), checked.get(table))
        for table in materialized.keys() | checked.keys()
    }


def _recorded(
    metadata: Mapping[str, dg.MetadataValue[Any]], check: dg.AssetCheckEvaluation | None
) -> RecordedObject:
    def value(name: str) -> Any:
        entry = metadata.get(f"dagster-hevo/{name}")
        return None if entry is None else entry.value

    return RecordedObject(
        events_loaded=value("events_loaded"),
        events_failed=value("events_failed"),
        job_status=value("job_status"),
        check_passed=None if check is None else check.passed,
        check_severity=None if check is None else check.severity.value,
    )


def rows_in(warehouse: Path, tables: Iterable[str]) -> dict[str, int]:
    """The number of rows of each of these tables that is there."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        present = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
        ).fetchall()
        counts: dict[str, int] = {}
        for table in {row[0] for row in present} & set(tables):
            schema, name = table.split(".")
            row = connection.execute(f'SELECT count(*) FROM "{schema}"."{name}"').fetchone()
            counts[table] = int(row[0]) if row else 0
    return counts


def first_rows(models: Path, table: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of a model's columns and its first rows."""
    with duckdb.connect(str(models), read_only=True) as connection:
        result = connection.execute(f'SELECT * FROM "{table}" LIMIT {limit}')
        names = [column[0] for column in result.description or ()]
        return names, result.fetchall()
