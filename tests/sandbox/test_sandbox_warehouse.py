"""Rows reach the warehouse as the jobs say, and tables can be joined."""

from __future__ import annotations

import subprocess
import sys
import time

import duckdb
import pytest

from dagster_hevo.sandbox import HevoSandbox, Scenario, read_scenario

HEVO_COLUMNS = {
    "__hevo_id",
    "__hevo__ingested_at",
    "__hevo__loaded_at",
    "__hevo__marked_deleted",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "warehouse.duckdb"


def one_object(**entry):
    return Scenario.model_validate(
        {"pipelines": [{"name": "p", "objects": [{"name": "a", "rows": 20, **entry}]}]}
    )


def load(sandbox, job_type="RESYNC"):
    sandbox.start_scheduled_job(101, type=job_type)
    return sandbox.finish_jobs()[0]


def test_a_job_loads_its_rows_with_hevos_columns(start, path):
    sandbox, _ = start(one_object(), warehouse=path)
    job = load(sandbox)
    rows = sandbox.warehouse_rows("p.a")
    assert len(rows) == job.events_loaded == 20
    assert rows[0].keys() == {"id", "name", "created_at", "updated_at"} | HEVO_COLUMNS
    assert len({row["__hevo_id"] for row in rows}) == 20


def test_failed_events_are_missing_from_the_table(start, path):
    sandbox, _ = start(one_object(outcome="failed_events", failed_events=3), warehouse=path)
    job = load(sandbox)
    assert (job.events_loaded, job.events_failed) == (17, 3)
    assert len(sandbox.warehouse_rows("a")) == 17


def test_a_failed_object_loads_nothing(start, path):
    sandbox, _ = start(one_object(outcome="failed"), warehouse=path)
    load(sandbox)
    assert sandbox.warehouse_rows("a") == []


def test_a_second_load_merges_by_primary_key(start, path):
    sandbox, _ = start(one_object(), warehouse=path)
    load(sandbox)
    load(sandbox)
    assert sorted(row["id"] for row in sandbox.warehouse_rows("a")) == list(range(1, 21))


def test_an_appending_object_keeps_every_load(start, path):
    sandbox, _ = start(one_object(load_mode="APPEND"), warehouse=path)
    load(sandbox)
    load(sandbox)
    assert len(sandbox.warehouse_rows("a")) == 40


def test_an_incremental_job_brings_changes_and_new_rows(start, path):
    sandbox, _ = start(one_object(changed_rows=4, new_rows=2), warehouse=path)
    load(sandbox)
    before = {row["id"]: row for row in sandbox.warehouse_rows("a")}
    sandbox.advance(60)
    job = load(sandbox, "INCREMENTAL")
    after = {row["id"]: row for row in sandbox.warehouse_rows("a")}
    assert job.events_loaded == 6
    assert sorted(after.keys() - before.keys()) == [21, 22]
    assert sum(after[key] != before[key] for key in before) == 4


def test_dropping_forgets_rows_that_the_source_no_longer_has(start, path):
    sandbox, _ = start(one_object(), warehouse=path)
    load(sandbox)
    sandbox.set_object(101, "a", rows=5)
    load(sandbox, "RESYNC")
    merged = len(sandbox.warehouse_rows("a"))
    load(sandbox, "RESYNC_WITH_DROP_AND_LOAD")
    assert (merged, len(sandbox.warehouse_rows("a"))) == (20, 5)


def test_a_new_field_evolves_the_table(start, path):
    sandbox, _ = start(one_object(fields=["id"]), warehouse=path)
    load(sandbox)
    sandbox.set_object(101, "a", fields=["id", "email"])
    load(sandbox)
    assert sandbox.warehouse_rows("a")[0]["email"].endswith("@example.com")


def test_a_job_is_not_complete_before_its_rows_are_written(path):
    with HevoSandbox(
        Scenario.simple(objects=5, job_appears_after=(0, 0)), speed=600, warehouse=path
    ) as sandbox:
        sandbox.start_scheduled_job(101, type="RESYNC")
        deadline = time.monotonic() + 20
        while sandbox.jobs(101)[0].finished is None and time.monotonic() < deadline:
            time.sleep(0.01)
        with duckdb.connect(str(path), read_only=True) as warehouse:
            tables = warehouse.execute("SHOW ALL TABLES").fetchall()
    assert len(tables) == 5


def test_a_reader_elsewhere_delays_the_load_and_breaks_nothing(path):
    reading = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True);"
        "print(1, flush=True); time.sleep(0.6)"
    )
    with HevoSandbox(one_object(), speed=0, warehouse=path) as sandbox:
        load(sandbox)
        reader = subprocess.Popen(
            [sys.executable, "-c", reading, str(path)], stdout=subprocess.PIPE
        )
        assert reader.stdout is not None
        reader.stdout.readline()
        assert load(sandbox).status == "COMPLETED"
        reader.wait()
        reader.stdout.close()
        assert sandbox.write_failures == ()


def test_the_same_seed_makes_the_same_rows(start, tmp_path):
    tables = []
    for name in ("one", "two"):
        sandbox, _ = start(read_scenario(), warehouse=tmp_path / f"{name}.duckdb")
        load(sandbox)
        rows = sandbox.warehouse_rows("shop.orders")
        tables.append([(row["id"], row["customer_id"], row["amount"]) for row in rows])
    assert tables[0] == tables[1]


def test_references_join_and_the_same_person_has_one_address(start, path):
    sandbox, _ = start(read_scenario(), warehouse=path)
    for pipeline_id in (101, 102):
        sandbox.start_scheduled_job(pipeline_id, type="RESYNC")
    sandbox.finish_jobs()
    with duckdb.connect(str(path), read_only=True) as warehouse:
        orphans = warehouse.execute(
            "SELECT count(*) FROM shop.orders o ANTI JOIN shop.customers c ON o.customer_id = c.id"
        ).fetchone()
        shared = warehouse.execute(
            "SELECT count(*) FROM shop.customers JOIN helpdesk.requesters USING (email)"
        ).fetchone()
    assert orphans == (0,)
    assert shared == (30,)


def test_without_a_warehouse_jobs_load_nowhere(start):
    sandbox, _ = start(one_object())
    assert load(sandbox).events_loaded == 20
    with pytest.raises(RuntimeError, match="warehouse"):
        sandbox.warehouse_rows("a")
