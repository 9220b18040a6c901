"""Objects of the local Hevo with a parent, a load mode, or a source that limits calls."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import dagster_hevo
from dagster_hevo.sandbox import ObjectScenario, Scenario, ScenarioError, parse_scenario

PIPELINE = "/pipelines/101"
RESYNC = f"{PIPELINE}/actions/resync"
SYNC = f"{PIPELINE}/actions/sync-now"
RESYNC_OBJECTS = f"{PIPELINE}/objects/actions/resync"

EXAMPLE = Path(__file__).parents[2] / "example_project" / "scenario.yaml"
CATALOG = Path(dagster_hevo.__file__).parent / "catalog"

FAMILY = (
    {"name": "Conversations"},
    {"name": "Comments", "parent": "Conversations"},
    {"name": "Tags"},
    {"name": "Rules", "parent": "Conversations"},
)


def one_pipeline(objects=FAMILY, **pipeline):
    return Scenario.model_validate(
        {
            "behaviour": {"duration_jitter": 0, "restarting_seconds": 0},
            "pipelines": [{"name": "p", "objects": objects, **pipeline}],
        }
    )


def resync(hevo, sandbox, *names):
    return hevo.post(RESYNC_OBJECTS, {"object_ids": sandbox.object_ids(101, *names)})


def told_of(hevo, job):
    return [entry["object_name"] for entry in hevo.listed(f"{PIPELINE}/jobs/{job.job_id}/objects")]


def finished(sandbox):
    (job,) = sandbox.finish_jobs()
    return job


@pytest.mark.parametrize("trigger", [SYNC, RESYNC])
def test_no_job_loads_or_lists_the_children_of_a_skipped_parent(start, tmp_path, trigger):
    sandbox, hevo = start(one_pipeline(), warehouse=tmp_path / "warehouse.duckdb")
    sandbox.set_object(101, "Conversations", status="INACTIVE")
    hevo.post(trigger)
    job = finished(sandbox)
    assert told_of(hevo, job) == ["Tags"]
    assert hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()["objects_success"] == 1
    assert sandbox.warehouse_rows("p.comments") == []


def test_the_children_of_a_skipped_parent_are_still_shown_active(start):
    sandbox, hevo = start(one_pipeline())
    sandbox.set_object(101, "Conversations", status="INACTIVE")
    shown = {
        entry["source_namespace"]["k0"]: entry["status"]
        for entry in hevo.listed(f"{PIPELINE}/objects")
    }
    assert shown == {
        "Conversations": "INACTIVE",
        "Comments": "ACTIVE",
        "Tags": "ACTIVE",
        "Rules": "ACTIVE",
    }


def test_children_are_loaded_again_once_their_parent_is_included(start):
    sandbox, hevo = start(one_pipeline())
    sandbox.set_object(101, "Conversations", status="INACTIVE")
    sandbox.set_object(101, "Conversations", status="ACTIVE")
    hevo.post(SYNC)
    assert len(told_of(hevo, finished(sandbox))) == 4


def test_hevos_own_schedule_leaves_silent_children_out_too(start):
    sandbox, _ = start(one_pipeline(schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60}))
    sandbox.set_object(101, "Conversations", status="INACTIVE")
    sandbox.advance(3700)
    (job,) = sandbox.jobs(101)
    assert job.object_ids == sandbox.object_ids(101, "Tags")


def test_past_jobs_did_not_load_the_children_of_a_parent_that_was_skipped(start):
    skipped = ({"name": "Conversations", "status": "INACTIVE"}, *FAMILY[1:])
    sandbox, hevo = start(one_pipeline(skipped, history=[{"count": 1}]))
    (job,) = sandbox.jobs(101)
    assert told_of(hevo, job) == ["Tags"]


def test_a_cancelled_restart_is_not_taken_up_for_a_parent_skipped_meanwhile(start):
    sandbox, hevo = start(
        one_pipeline(schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60})
    )
    resync(hevo, sandbox, "Conversations")
    sandbox.cancel_job(sandbox.jobs(101)[0].job_id)
    sandbox.set_object(101, "Conversations", status="INACTIVE")
    sandbox.advance(3700)
    job = sandbox.jobs(101)[-1]
    assert (job.type, job.object_ids) == ("INCREMENTAL", sandbox.object_ids(101, "Tags"))


@pytest.mark.parametrize("names", [("Comments",), ("Conversations", "Comments")])
def test_a_resync_that_names_a_child_is_refused(start, names):
    sandbox, hevo = start(one_pipeline())
    answer = resync(hevo, sandbox, *names)
    assert answer.status_code == 400
    assert "(Comments) is a child of Conversations" in answer.json()["message"]
    assert "only be restarted with its parent" in answer.json()["message"]
    assert sandbox.jobs(101) == []
    assert [trigger.result for trigger in sandbox.triggers(101)] == ["refused"]


def test_a_resync_of_a_child_can_be_ignored_silently(start):
    sandbox, hevo = start(one_pipeline(behaviour={"child_resync": "ignore"}))
    answer = resync(hevo, sandbox, "Comments")
    sandbox.advance(60)
    assert answer.status_code == 204
    assert hevo.listed(f"{PIPELINE}/jobs") == []
    assert sandbox.pipeline_status(101) == "INITIALIZED"
    assert [trigger.result for trigger in sandbox.triggers(101)] == ["ignored"]


def test_where_children_are_ignored_the_other_objects_are_resynced(start):
    sandbox, hevo = start(one_pipeline(behaviour={"child_resync": "ignore"}))
    resync(hevo, sandbox, "Comments", "Tags")
    assert told_of(hevo, finished(sandbox)) == ["Tags"]


def test_restarting_a_parent_loads_and_lists_all_its_active_children(start, tmp_path):
    sandbox, hevo = start(one_pipeline(), warehouse=tmp_path / "warehouse.duckdb")
    sandbox.set_object(101, "Rules", status="INACTIVE")
    sandbox.add_object(101, ObjectScenario(name="Shifts", parent="Conversations", rows=3))
    assert resync(hevo, sandbox, "Conversations").status_code == 204
    job = finished(sandbox)
    assert job.type == "HISTORICAL"
    assert told_of(hevo, job) == ["Conversations", "Comments", "Shifts"]
    tables = ("conversations", "comments", "shifts", "rules", "tags")
    assert [len(sandbox.warehouse_rows(table)) for table in tables] == [100, 100, 3, 0, 0]


def test_a_skipped_parent_cannot_be_restarted(start):
    sandbox, hevo = start(one_pipeline())
    sandbox.set_object(101, "Conversations", status="INACTIVE")
    answer = resync(hevo, sandbox, "Conversations")
    assert answer.status_code == 400
    assert "is INACTIVE" in answer.json()["message"]


def modes(**entry):
    return (
        {"name": "full", "mode": "full_load", "rows": 40, "new_rows": 2, **entry},
        {"name": "grows", "mode": "incremental", "rows": 40, "new_rows": 2, "changed_rows": 3},
    )


def counts(hevo, job):
    return {
        entry["object_name"]: entry["events_loaded"]
        for entry in hevo.listed(f"{PIPELINE}/jobs/{job.job_id}/objects")
    }


def test_a_sync_reloads_full_load_objects_and_advances_incremental_ones(start, tmp_path):
    sandbox, hevo = start(one_pipeline(modes()), warehouse=tmp_path / "warehouse.duckdb")
    hevo.post(RESYNC)
    first = counts(hevo, finished(sandbox))
    before = {name: sandbox.warehouse_rows(name) for name in first}
    sandbox.advance(60)
    hevo.post(SYNC)
    second = counts(hevo, finished(sandbox))
    after = {name: sandbox.warehouse_rows(name) for name in first}
    assert first == {"full": 40, "grows": 40}
    assert second == {"full": 42, "grows": 5}
    assert {name: len(rows) for name, rows in after.items()} == {"full": 42, "grows": 42}
    kept = {name: sum(row in before[name] for row in rows) for name, rows in after.items()}
    assert kept == {"full": 0, "grows": 37}


def test_hevos_own_schedule_does_the_same(start):
    sandbox, hevo = start(
        one_pipeline(modes(), schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60})
    )
    sandbox.advance(3700)
    assert counts(hevo, sandbox.jobs(101)[0]) == {"full": 42, "grows": 5}


def test_a_full_load_forgets_rows_that_the_source_no_longer_has(start, tmp_path):
    sandbox, hevo = start(one_pipeline(modes(new_rows=0)), warehouse=tmp_path / "warehouse.duckdb")
    hevo.post(RESYNC)
    sandbox.finish_jobs()
    left = []
    for rows in (5, 0):
        sandbox.set_object(101, "full", rows=rows)
        hevo.post(SYNC)
        sandbox.finish_jobs()
        left.append(len(sandbox.warehouse_rows("full")))
    assert left == [5, 0]


def test_a_resync_loads_all_of_every_object_whatever_its_mode(start):
    sandbox, hevo = start(one_pipeline(modes()))
    hevo.post(SYNC)
    sandbox.finish_jobs()
    hevo.post(RESYNC)
    assert counts(hevo, finished(sandbox)) == {"full": 42, "grows": 42}


def test_a_past_incremental_job_tells_of_full_loads(start):
    sandbox, hevo = start(one_pipeline(modes(), history=[{"count": 1}]))
    assert counts(hevo, sandbox.jobs(101)[0]) == {"full": 40, "grows": 3}


LIMITED = {"source": {"calls_per_second": 5}, "behaviour": {"defer_seconds": 20}}


def statuses(sandbox, hevo, seconds):
    (job,) = sandbox.jobs(101)
    seen = []
    for _ in range(seconds):
        status = hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()["status"]
        if not seen or seen[-1] != status:
            seen.append(status)
        sandbox.advance(1)
    return seen


def test_a_burst_of_calls_beyond_the_sources_limit_defers_the_job_for_a_while(start):
    objects = [{"name": "small", "rows": 500}, {"name": "large", "rows": 1000}, "last"]
    sandbox, hevo = start(one_pipeline(objects, job_seconds=12, **LIMITED))
    job = sandbox.start_scheduled_job(101, type="RESYNC")
    sandbox.advance(7)
    deferred = hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()
    objects = hevo.listed(f"{PIPELINE}/jobs/{job.job_id}/objects")
    sandbox.advance(18)
    still = hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()
    sandbox.advance(8)
    after = hevo.get(f"{PIPELINE}/jobs/{job.job_id}").json()
    # Five calls of a hundred rows of the second object are through.
    assert (deferred["status"], deferred["events_ingested"]) == ("DEFERRED", 1000)
    assert [entry["status"] for entry in objects] == ["COMPLETED", "DEFERRED", "QUEUED"]
    assert (still["status"], still["events_ingested"]) == ("DEFERRED", 1000)
    assert (after["status"], after["duration"]) == ("COMPLETED", 32_000)


def test_every_such_burst_defers_it_again(start):
    objects = [{"name": name, "rows": 800} for name in ("a", "b")]
    sandbox, hevo = start(one_pipeline(objects, job_seconds=40, **LIMITED))
    sandbox.start_scheduled_job(101, type="RESYNC")
    assert statuses(sandbox, hevo, 90) == [
        "IN_PROGRESS",
        "DEFERRED",
        "IN_PROGRESS",
        "DEFERRED",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    (job,) = sandbox.jobs(101)
    assert job.finished == pytest.approx(job.created + 80)


@pytest.mark.parametrize(("rows", "deferred"), [(500, False), (501, True)])
def test_calls_up_to_the_limit_do_not_defer_it(start, rows, deferred):
    sandbox, hevo = start(one_pipeline([{"name": "a", "rows": rows}], job_seconds=12, **LIMITED))
    sandbox.start_scheduled_job(101, type="RESYNC")
    assert ("DEFERRED" in statuses(sandbox, hevo, 40)) is deferred


def test_an_incremental_job_calls_only_for_what_it_brings(start):
    objects = [{"name": "a", "rows": 5000, "mode": "incremental"}]
    sandbox, hevo = start(one_pipeline(objects, job_seconds=12, **LIMITED))
    sandbox.start_scheduled_job(101)
    assert "DEFERRED" not in statuses(sandbox, hevo, 40)


def test_a_deferred_job_can_be_cancelled(start):
    sandbox, hevo = start(one_pipeline([{"name": "a", "rows": 900}], job_seconds=9, **LIMITED))
    job = sandbox.start_scheduled_job(101, type="RESYNC")
    sandbox.advance(10)
    answer = hevo.post(f"{PIPELINE}/jobs/{job.job_id}/actions/cancel")
    sandbox.advance(10)
    assert answer.status_code == 204
    assert sandbox.jobs(101)[0].status == "CANCELLED"


@pytest.mark.parametrize(
    ("objects", "complaint"),
    [
        ("[{name: a, parent: b}]", "a has the parent b, which is no other object's name"),
        ("[{name: a, parent: a}]", "no other object's name"),
        ("[a, {name: b, parent: a}, {name: c, parent: b}]", "which is a child itself"),
        ("[{name: a, mode: sometimes}]", "full_load"),
    ],
)
def test_a_scenario_with_a_family_that_cannot_be_is_refused(objects, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        parse_scenario(f"pipelines: [{{name: p, objects: {objects}}}]")


def test_a_parent_that_does_not_exist_is_refused_while_running_too(start):
    sandbox, _ = start(one_pipeline())
    with pytest.raises(ValueError, match="Nobody"):
        sandbox.add_object(101, ObjectScenario(name="new", parent="Nobody"))
    with pytest.raises(ValueError, match="Nobody"):
        sandbox.set_object(101, "Tags", parent="Nobody")
    assert len(sandbox.object_ids(101)) == 4


@pytest.mark.parametrize(
    ("pipeline_id", "source", "objects"),
    [(201, "activecampaign", 38), (202, "klaviyo_v2", 18), (203, "front", 29)],
)
def test_the_examples_pipelines_are_what_the_catalog_says_of_their_sources(
    start, pipeline_id, source, objects
):
    scenario = parse_scenario(EXAMPLE.read_text(encoding="utf-8"))
    known = yaml.safe_load((CATALOG / f"{source}.yaml").read_text(encoding="utf-8"))
    (pipeline,) = [each for each in scenario.pipelines if each.id == pipeline_id]
    assert {entry.name: (entry.parent, entry.mode) for entry in pipeline.objects} == {
        entry["name"]: (entry.get("parent"), entry.get("mode")) for entry in known["objects"]
    }
    limit = known["source"].get("api", {}).get("calls_per_second")
    assert pipeline.source.calls_per_second == limit
    _, hevo = start(scenario)
    listed = hevo.listed(f"/pipelines/{pipeline_id}/objects?limit=100")
    assert [entry["status"] for entry in listed] == ["ACTIVE"] * objects


@pytest.mark.parametrize("job_type", ["RESYNC", "INCREMENTAL"])
def test_the_examples_jobs_take_two_to_four_seconds_at_speed_60(start, job_type):
    sandbox, _ = start(parse_scenario(EXAMPLE.read_text(encoding="utf-8")))
    for pipeline_id in sandbox.pipeline_ids:
        sandbox.start_scheduled_job(pipeline_id, type=job_type)
    sandbox.advance(300)
    for pipeline_id in sandbox.pipeline_ids:
        job = sandbox.jobs(pipeline_id)[-1]
        assert job.finished is not None
        assert 120 <= job.finished - job.created <= 240
