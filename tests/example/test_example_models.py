"""The models on top of what the local Hevo loads, in runs of the whole graph."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_hevo.sandbox import HevoSandbox
from example_project.warehouse import WarehouseBusyError, until_free

MODELS = ["campaign_reach", "customers", "open_conversations", "support_load"]


def run(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_job_def("everything")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "models.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def made(result: dg.ExecuteInProcessResult) -> list[str]:
    keys = [event.asset_key for event in result.get_asset_materialization_events()]
    return sorted(key.path[-1] for key in keys if key is not None and len(key.path) == 1)


def test_one_run_makes_all_models_and_their_checks_pass(
    hevo: HevoSandbox, definitions: dg.Definitions, tmp_path: Path
):
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(definitions, instance)
    assert result.success
    assert made(result) == MODELS
    checks = [
        check for check in result.get_asset_check_evaluations() if len(check.asset_key.path) == 1
    ]
    assert [check.passed for check in checks] == [True] * 4
    assert rows(tmp_path, "SELECT count(*), count(DISTINCT email) FROM customers") == [(500, 500)]
    in_all_three = "SELECT count(*) FROM customers WHERE sources = 3"
    assert rows(tmp_path, in_all_three) == [(100,)]


def test_an_object_that_fails_skips_only_the_models_that_read_it(
    hevo: HevoSandbox, definitions: dg.Definitions
):
    hevo.set_object(203, "Conversations", outcome="failed")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(definitions, instance)
    assert made(result) == ["campaign_reach", "customers"]
    skipped = {event.step_key for event in result.all_events if event.is_step_skipped}
    assert {"open_conversations", "support_load"} <= skipped


def test_a_model_waits_while_somebody_else_has_the_file(tmp_path: Path):
    tries: list[float] = []

    def open_file() -> None:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise duckdb.IOException("Could not set lock on file")

    waits: list[float] = []
    until_free(open_file, what="file", patience=1, sleep=waits.append)
    assert len(tries) == 4
    assert waits == sorted(waits)


def test_a_file_that_stays_open_elsewhere_is_an_error_that_names_it():
    def open_file() -> None:
        raise duckdb.IOException("Could not set lock on file")

    with pytest.raises(WarehouseBusyError, match=r"warehouse\.duckdb stayed open elsewhere"):
        until_free(open_file, what="warehouse.duckdb", patience=0.5, sleep=lambda _: None)


def test_the_daily_schedule_asks_for_changes_only(definitions: dg.Definitions):
    schedule = definitions.resolve_schedule_def("daily")
    tick = schedule.evaluate_tick(
        dg.build_schedule_context(scheduled_execution_time=None, instance=None)
    )
    asked = [
        op["config"]["action"] for op in (tick.run_requests or [])[0].run_config["ops"].values()
    ]
    assert asked == ["SYNC_NOW"] * 3
