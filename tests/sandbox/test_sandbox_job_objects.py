"""What a job tells of its objects, and what it really loads: `jobs()` is the truth of it."""

from __future__ import annotations

from uuid import UUID

import pytest

from dagster_hevo.sandbox import Fault, Scenario

PIPELINE = "/pipelines/101"
RESYNC_OBJECTS = f"{PIPELINE}/objects/actions/resync"


def simple(objects=4, **behaviour):
    return Scenario.simple(objects=objects, duration_jitter=0, **behaviour)


def run(sandbox):
    sandbox.start_scheduled_job(101, type="RESYNC")
    return sandbox.finish_jobs()[0].job_id


def told(hevo, job_id):
    return hevo.listed(f"{PIPELINE}/jobs/{job_id}/objects")


def resync(sandbox, hevo, *names):
    wanted = sandbox.object_ids(101, *names)
    assert hevo.post(RESYNC_OBJECTS, {"object_ids": wanted}).status_code == 204
    sandbox.advance(60)
    (job,) = sandbox.jobs(101)
    return job


def test_a_jobs_objects_have_the_ids_of_the_pipelines_objects(start):
    sandbox, hevo = start(simple())
    ids = {entry["object_id"] for entry in told(hevo, run(sandbox))}
    assert ids == set(sandbox.object_ids(101))


def test_a_jobs_objects_can_have_no_ids(start):
    sandbox, hevo = start(simple(job_object_ids="none"))
    entries = told(hevo, run(sandbox))
    assert len(entries) == 4
    assert not any("object_id" in entry for entry in entries)


def test_a_jobs_objects_can_have_ids_that_no_object_of_the_pipeline_has(start):
    sandbox, hevo = start(simple(job_object_ids="other"))
    first, second = ([each["object_id"] for each in told(hevo, run(sandbox))] for _ in range(2))
    assert first == second
    assert len({UUID(object_id) for object_id in first}) == 4
    assert not set(first) & set(sandbox.object_ids(101))


@pytest.mark.parametrize(
    ("names", "expected"), [("bare", "table_01"), ("qualified", "shop_1.table_01"), ("none", None)]
)
def test_a_jobs_objects_are_named_as_told(start, names, expected):
    sandbox, hevo = start(simple(1, job_object_names=names))
    (entry,) = told(hevo, run(sandbox))
    assert entry.get("object_name") == expected
    assert ("object_name" in entry) is (names != "none")


def test_a_jobs_objects_can_tell_nothing_but_status_and_counts(start):
    sandbox, hevo = start(simple(1, job_object_names="none", job_object_fields="short"))
    (entry,) = told(hevo, run(sandbox))
    assert entry == {"status": "COMPLETED", "rows_processed": 100, "rows_failed": 0}


@pytest.mark.parametrize(("left_out", "listed"), [(1, 3), (3, 1), (9, 0)])
def test_the_last_objects_of_a_job_can_be_counted_but_never_listed(start, left_out, listed):
    sandbox, hevo = start(simple(job_objects_leave_out=left_out))
    job_id = run(sandbox)
    sandbox.advance(3600)
    names = [entry["object_name"] for entry in told(hevo, job_id)]
    assert names == ["table_01", "table_02", "table_03", "table_04"][:listed]
    job = hevo.get(f"{PIPELINE}/jobs/{job_id}").json()
    assert (job["objects_success"], job["events_loaded"]) == (4, 400)
    assert len(sandbox.jobs(101)[0].object_ids) == 4


def test_a_resync_of_some_objects_can_load_further_ones(start):
    sandbox, hevo = start(simple(job_loads_also=2))
    sandbox.set_object(101, "table_02", status="INACTIVE")
    job = resync(sandbox, hevo, "table_01")
    names = [entry["object_name"] for entry in told(hevo, job.job_id)]
    assert names == ["table_01", "table_03", "table_04"]
    assert hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()["objects_success"] == 3
    assert job.object_ids == sandbox.object_ids(101, *names)


@pytest.mark.parametrize(("dropped", "kept"), [(1, ["table_01", "table_02"]), (3, [])])
def test_a_resync_of_some_objects_can_drop_requested_ones_silently(start, dropped, kept):
    sandbox, hevo = start(simple(job_drops_requested=dropped))
    job = resync(sandbox, hevo, "table_01", "table_02", "table_03")
    assert [entry["object_name"] for entry in told(hevo, job.job_id)] == kept
    assert hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()["objects_success"] == len(kept)
    assert job.status == "COMPLETED"
    assert job.object_ids == tuple(sandbox.object_ids(101, *kept) if kept else ())


def test_a_dropped_object_is_not_loaded_as_a_further_one(start):
    sandbox, hevo = start(simple(job_drops_requested=1, job_loads_also=9))
    job = resync(sandbox, hevo, "table_01", "table_02")
    assert job.object_ids == sandbox.object_ids(101, "table_01", "table_03", "table_04")


def test_a_dropped_parent_drops_its_children(start):
    objects = ["alone", "parent", {"name": "child", "parent": "parent"}]
    scenario = Scenario.model_validate(
        {"pipelines": [{"name": "p", "objects": objects}], "behaviour": {"job_drops_requested": 1}}
    )
    sandbox, hevo = start(scenario)
    job = resync(sandbox, hevo, "alone", "parent")
    assert job.object_ids == sandbox.object_ids(101, "alone")


@pytest.mark.parametrize("trait", [{"job_loads_also": 2}, {"job_drops_requested": 2}])
def test_a_resync_of_the_pipeline_loads_all_active_objects_all_the_same(start, trait):
    sandbox, hevo = start(simple(**trait))
    hevo.post(f"{PIPELINE}/actions/resync")
    assert sandbox.finish_jobs()[0].object_ids == sandbox.object_ids(101)


def test_the_truth_of_a_job_is_who_requested_it_and_what_it_loaded(start, tmp_path):
    scenario = simple(job_loads_also=1, job_drops_requested=1, restarting_seconds=0)
    sandbox, hevo = start(scenario, warehouse=tmp_path / "warehouse.duckdb")
    sandbox.set_object(101, "table_03", outcome="failed")
    requested = sandbox.object_ids(101, "table_01", "table_02")
    hevo.post(RESYNC_OBJECTS, {"object_ids": requested})
    sandbox.finish_jobs()
    sandbox.start_scheduled_job(101, requested_by="user")
    first, second = sandbox.jobs(101)
    assert (first.requested_by, second.requested_by) == ("api", "user")
    assert first.object_ids == sandbox.object_ids(101, "table_01", "table_03")
    assert first.loaded_object_ids == sandbox.object_ids(101, "table_01")
    assert (len(second.object_ids), second.loaded_object_ids) == (4, ())
    tables = ("table_01", "table_02", "table_03")
    assert [len(sandbox.warehouse_rows(name)) for name in tables] == [100, 0, 0]


def test_a_page_of_a_jobs_objects_can_be_truncated_and_read_again(start):
    sandbox, hevo = start(simple(job_object_ids="other"))
    job_id = run(sandbox)
    sandbox.faults.add(Fault("cut_json", path="*/objects", times=1))
    halved = hevo.get(f"{PIPELINE}/jobs/{job_id}/objects").text
    whole = hevo.get(f"{PIPELINE}/jobs/{job_id}/objects").text
    assert whole.startswith(halved)
    assert len(halved) == len(whole) // 2
