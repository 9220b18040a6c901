"""What comes of a trigger: a conflict in any wording, a second job, nothing at all."""

from __future__ import annotations

import pytest
import requests

from dagster_hevo.sandbox import Fault, Scenario

PIPELINE = "/pipelines/101"
RESYNC = f"{PIPELINE}/actions/resync"
SYNC = f"{PIPELINE}/actions/sync-now"
RESYNC_OBJECTS = f"{PIPELINE}/objects/actions/resync"
CONFLICT = "A job is in progress. To sync now you need to cancel the current job"


def simple(objects=3, **behaviour):
    return Scenario.simple(
        objects=objects, **{"duration_jitter": 0, "restarting_seconds": 0, **behaviour}
    )


def results(sandbox):
    return [trigger.result for trigger in sandbox.triggers(101)]


@pytest.mark.parametrize(("status", "error"), [(500, "Internal Server Error"), (409, "Conflict")])
def test_a_trigger_while_a_job_runs_is_refused_with_error_and_message(start, status, error):
    sandbox, hevo = start(simple(on_conflict=status))
    hevo.post(SYNC)
    answer = hevo.post(SYNC)
    assert answer.status_code == status
    assert answer.json() == {"error": error, "message": CONFLICT}
    assert results(sandbox) == ["accepted", "conflict"]
    assert len(sandbox.jobs(101)) == 1


@pytest.mark.parametrize("message", [CONFLICT, "Job already running"])
def test_a_conflict_can_be_plain_text_in_any_words(start, message):
    _, hevo = start(simple(on_conflict=409, conflict_message=message, conflict_as_text=True))
    hevo.post(SYNC)
    answer = hevo.post(SYNC)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert (answer.status_code, answer.text) == (409, message)


def test_a_conflict_in_other_words_is_json_unless_told_otherwise(start):
    _, hevo = start(simple(conflict_message="A job is already in progress for this pipeline"))
    hevo.post(SYNC)
    message = hevo.post(SYNC).json()["message"]
    assert message == "A job is already in progress for this pipeline"


def test_a_trigger_while_a_job_runs_can_be_a_silent_no_op(start):
    sandbox, hevo = start(simple(on_conflict="ignore"))
    hevo.post(SYNC)
    assert hevo.post(SYNC).status_code == 204
    assert results(sandbox) == ["accepted", "ignored"]
    assert len(sandbox.jobs(101)) == 1


def test_a_second_job_can_run_beside_the_first(start):
    sandbox, hevo = start(simple(on_conflict="accept", job_appears_after=(0, 0)))
    hevo.post(RESYNC)
    sandbox.advance(5)
    assert hevo.post(SYNC).status_code == 204
    both = [(job["type"], job["status"]) for job in hevo.listed(f"{PIPELINE}/jobs")]
    sandbox.advance(8)
    statuses = [job.status for job in sandbox.jobs(101)]
    sandbox.advance(8)
    assert both == [("INCREMENTAL", "IN_PROGRESS"), ("RESYNC", "IN_PROGRESS")]
    assert statuses == ["COMPLETED", "IN_PROGRESS"]
    assert [job.status for job in sandbox.jobs(101)] == ["COMPLETED", "COMPLETED"]
    assert results(sandbox) == ["accepted", "accepted"]
    assert [trigger.job_id for trigger in sandbox.triggers(101)] == [
        job.job_id for job in sandbox.jobs(101)
    ]


def test_a_job_writes_its_rows_while_an_older_one_still_runs(start, tmp_path):
    scenario = simple(objects=2, on_conflict="accept")
    sandbox, hevo = start(scenario, warehouse=tmp_path / "warehouse.duckdb")
    sandbox.set_object(101, "table_01", seconds=600)
    for name in ("table_01", "table_02"):
        hevo.post(RESYNC_OBJECTS, {"object_ids": sandbox.object_ids(101, name)})
    sandbox.advance(5)
    during = [job.status for job in sandbox.jobs(101)]
    rows = [len(sandbox.warehouse_rows(name)) for name in ("table_01", "table_02")]
    sandbox.advance(600)
    assert (during, rows) == (["IN_PROGRESS", "COMPLETED"], [0, 100])
    assert len(sandbox.warehouse_rows("table_01")) == 100


def test_one_of_several_running_jobs_is_cancelled_by_its_id(start):
    sandbox, hevo = start(simple(on_conflict="accept", job_appears_after=(0, 0)))
    for _ in range(3):
        hevo.post(SYNC)
    hevo.post(f"{PIPELINE}/jobs/{sandbox.jobs(101)[1].job_id}/actions/cancel")
    sandbox.advance(60)
    assert [job.status for job in sandbox.jobs(101)] == ["COMPLETED", "CANCELLED", "COMPLETED"]


def test_disabling_cancels_all_running_jobs(start):
    sandbox, hevo = start(simple(on_conflict="accept"))
    for _ in range(2):
        hevo.post(SYNC)
    hevo.post(f"{PIPELINE}/actions/disable", {"cancel_active_jobs": True})
    sandbox.advance(60)
    assert [job.status for job in sandbox.jobs(101)] == ["CANCELLED", "CANCELLED"]


def test_finishing_and_ending_reach_each_of_several_running_jobs(start):
    sandbox, _ = start(simple(on_conflict="accept"))
    first, *_ = (sandbox.start_scheduled_job(101) for _ in range(3))
    sandbox.end_job(first.job_id, "SKIPPED")
    assert [job.status for job in sandbox.finish_jobs()] == ["COMPLETED", "COMPLETED"]
    assert [job.status for job in sandbox.jobs(101)] == ["SKIPPED", "COMPLETED", "COMPLETED"]


@pytest.mark.parametrize("steps", [(9000,), (3700, 5300)], ids=["in one step", "in two"])
def test_hevos_own_schedule_starts_no_job_while_any_job_runs(start, steps):
    scenario = Scenario.model_validate(
        {
            "behaviour": {"on_conflict": "accept", "duration_jitter": 0},
            "pipelines": [
                {
                    "name": "p",
                    "objects": ["a"],
                    "job_seconds": {"RESYNC": 4000, "INCREMENTAL": 10},
                    "schedule": {"sync_type": "SCHEDULED", "frequency_minutes": 60},
                }
            ],
        }
    )
    sandbox, _ = start(scenario)
    sandbox.start_scheduled_job(101, type="RESYNC", requested_by="user")
    sandbox.start_scheduled_job(101, requested_by="user")
    for seconds in steps:
        sandbox.advance(seconds)
    jobs = sandbox.jobs(101)
    assert [job.requested_by for job in jobs] == ["user", "user", "schedule"]
    assert jobs[-1].created - jobs[0].created == pytest.approx(7200, abs=1)


def test_a_job_beside_another_is_an_error_where_hevo_refuses_it(start):
    sandbox, _ = start(simple())
    job = sandbox.start_scheduled_job(101)
    with pytest.raises(RuntimeError, match=job.job_id):
        sandbox.start_scheduled_job(101)


def test_every_second_trigger_can_start_nothing(start):
    sandbox, hevo = start(simple(triggers_without_effect_every=2))
    codes = []
    for path in (SYNC, RESYNC, RESYNC, SYNC):
        codes.append(hevo.post(path).status_code)
        sandbox.finish_jobs()
    assert codes == [204] * 4
    assert results(sandbox) == ["accepted", "ignored", "accepted", "ignored"]
    assert [job.type for job in sandbox.jobs(101)] == ["INCREMENTAL", "RESYNC"]


def test_a_trigger_without_effect_does_not_restart_the_pipeline(start):
    sandbox, hevo = start(simple(triggers_without_effect_every=1, restarting_seconds=30))
    hevo.post(RESYNC)
    sandbox.advance(1)
    assert (sandbox.pipeline_status(101), sandbox.jobs(101)) == ("INITIALIZED", [])


def test_refused_triggers_do_not_count_as_without_effect(start):
    sandbox, hevo = start(simple(triggers_without_effect_every=2))
    hevo.post(SYNC)
    hevo.post(SYNC)
    sandbox.finish_jobs()
    hevo.post(SYNC)
    assert results(sandbox) == ["accepted", "conflict", "ignored"]


@pytest.mark.parametrize(
    ("older", "body", "expected"),
    [
        (False, {"resync_mode": "EVOLVE_AND_MERGE"}, "RESYNC"),
        (False, {"resync_mode": "DROP_AND_LOAD"}, "RESYNC_WITH_DROP_AND_LOAD"),
        (False, {"drop_and_load": True}, "RESYNC_WITH_DROP_AND_LOAD"),
        (False, None, "RESYNC"),
        (True, {"resync_mode": "EVOLVE_AND_MERGE"}, "RESYNC_WITH_EVOLVE"),
        (True, {"resync_mode": "DROP_AND_LOAD"}, "RESYNC_WITH_DROP_AND_LOAD"),
        ("truncate", {"drop_and_load": False}, "TRUNCATE_AND_LOAD"),
        ("truncate", {"drop_and_load": True}, "TRUNCATE_AND_LOAD"),
    ],
)
def test_a_pipeline_resync_makes_a_job_of_its_type(start, older, body, expected):
    sandbox, hevo = start(simple(older_type_names=older))
    hevo.post(RESYNC, body)
    assert sandbox.jobs(101)[0].type == expected


def test_a_resync_mode_that_does_not_exist_is_refused(start):
    sandbox, hevo = start(simple())
    assert hevo.post(RESYNC, {"resync_mode": "TRUNCATE"}).status_code == 400
    assert sandbox.triggers(101) == []


@pytest.mark.parametrize("behaviour", [{"on_conflict": "accept"}, {"conflict_as_text": True}])
@pytest.mark.parametrize(("kind", "counted"), [("cut_before", 1), ("cut_after", 2)])
def test_an_answer_to_a_trigger_beside_a_job_can_be_cut(start, behaviour, kind, counted):
    sandbox, hevo = start(simple(**behaviour))
    hevo.post(SYNC)
    sandbox.faults.add(Fault(kind, times=1))
    with pytest.raises(requests.ConnectionError):
        hevo.post(SYNC)
    assert len(sandbox.triggers(101)) == counted


def test_a_conflict_in_plain_text_can_be_garbled(start):
    sandbox, hevo = start(simple(conflict_as_text=True))
    hevo.post(SYNC)
    sandbox.faults.add(Fault("cut_json", times=1), Fault("html", times=1))
    halved, page = hevo.post(SYNC), hevo.post(SYNC)
    assert CONFLICT.startswith(halved.text)
    assert halved.text != CONFLICT
    assert "<html>" in page.text
