"""The local Hevo's jobs behave as Hevo's do, where clients have been surprised."""

from __future__ import annotations

import pytest

from dagster_hevo.sandbox import HistoryScenario, ObjectScenario, PipelineScenario, Scenario

PIPELINE = "/pipelines/101"
RESYNC = f"{PIPELINE}/actions/resync"
SYNC = f"{PIPELINE}/actions/sync-now"
RESYNC_OBJECTS = f"{PIPELINE}/objects/actions/resync"


def simple(objects=3, **behaviour):
    return Scenario.simple(objects=objects, duration_jitter=0, **behaviour)


def one_pipeline(**pipeline):
    return Scenario.model_validate(
        {"behaviour": {"duration_jitter": 0}, "pipelines": [{"name": "p", **pipeline}]}
    )


def test_a_new_job_enters_the_list_seconds_after_its_trigger(start):
    sandbox, hevo = start(simple(job_appears_after=(5, 15)))
    hevo.post(SYNC)
    job_id = sandbox.jobs(101)[0].job_id
    sandbox.advance(4.9)
    early = hevo.listed(f"{PIPELINE}/jobs")
    early_status = hevo.get(f"{PIPELINE}/jobs/{job_id}").status_code
    sandbox.advance(10.2)
    assert (early, early_status) == ([], 404)
    assert [job["job_id"] for job in hevo.listed(f"{PIPELINE}/jobs")] == [job_id]


def test_an_instant_job_is_over_when_first_seen(start):
    sandbox, hevo = start(simple(instant_jobs=True))
    hevo.post(SYNC)
    sandbox.advance(16)
    job = hevo.listed(f"{PIPELINE}/jobs")[0]
    assert (job["status"], job["duration"]) == ("COMPLETED", 0)


def test_a_resync_restarts_the_pipeline_and_is_refused_meanwhile(start):
    sandbox, hevo = start(simple(restarting_seconds=30, instant_jobs=True))
    hevo.post(RESYNC)
    during = (sandbox.pipeline_status(101), hevo.post(RESYNC).status_code)
    sandbox.advance(31)
    assert during == ("RESTARTING", 400)
    assert sandbox.pipeline_status(101) == "INITIALIZED"
    assert hevo.post(RESYNC).status_code == 204


def test_a_disabled_pipeline_refuses_triggers_and_its_own_schedule(start):
    sandbox, hevo = start(
        one_pipeline(
            status="DISABLED",
            objects=["a"],
            schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60},
        )
    )
    assert hevo.post(SYNC).status_code == 400
    sandbox.advance(4 * 3600)
    assert sandbox.jobs(101) == []


def test_an_object_resync_makes_a_historical_job_of_just_those_objects(start):
    sandbox, hevo = start()
    wanted = sandbox.object_ids(101, "table_01", "table_03")
    hevo.post(RESYNC_OBJECTS, {"object_ids": wanted, "drop_and_load": False})
    (job,) = sandbox.jobs(101)
    assert (job.type, job.object_ids, job.requested_by) == ("HISTORICAL", wanted, "api")


@pytest.mark.parametrize("object_ids", [[], ["nothing"]])
def test_an_object_resync_of_nothing_is_refused(start, object_ids):
    sandbox, hevo = start()
    assert hevo.post(RESYNC_OBJECTS, {"object_ids": object_ids}).status_code == 400
    assert sandbox.jobs(101) == []


def test_progress_grows_while_a_job_runs(start):
    sandbox, hevo = start(simple(objects=4))
    job_id = sandbox.start_scheduled_job(101, type="RESYNC").job_id
    seen = []
    for _ in range(5):
        job = hevo.get(f"{PIPELINE}/jobs/{job_id}").json()
        seen.append((job["objects_success"], job["objects_queued"], job["events_ingested"]))
        sandbox.advance(4)
    assert seen == [(0, 4, 0), (1, 3, 100), (2, 2, 200), (3, 1, 300), (4, 0, 400)]


def test_cancelling_goes_through_cancelling_to_cancelled(start):
    sandbox, hevo = start(simple(cancelling_seconds=10))
    job_id = sandbox.start_scheduled_job(101, type="HISTORICAL").job_id
    sandbox.advance(5)
    assert hevo.post(f"{PIPELINE}/jobs/{job_id}/actions/cancel").status_code == 204
    during = hevo.get(f"{PIPELINE}/jobs/{job_id}").json()["status"]
    sandbox.advance(11)
    after = hevo.get(f"{PIPELINE}/jobs/{job_id}").json()["status"]
    objects = [entry["status"] for entry in hevo.listed(f"{PIPELINE}/jobs/{job_id}/objects")]
    assert (during, after) == ("CANCELLING", "CANCELLED")
    assert objects == ["COMPLETED", "CANCELLED", "CANCELLED"]


def test_a_finished_job_cannot_be_cancelled(start):
    sandbox, hevo = start()
    sandbox.start_scheduled_job(101)
    (job,) = sandbox.finish_jobs()
    assert hevo.post(f"{PIPELINE}/jobs/{job.job_id}/actions/cancel").status_code == 400


def test_the_other_spelling_of_cancelled(start):
    sandbox, hevo = start(simple(cancelled_spelling="CANCELED", cancelling_seconds=0))
    job = sandbox.start_scheduled_job(101)
    sandbox.cancel_job(job.job_id)
    assert hevo.listed(f"{PIPELINE}/jobs")[0]["status"] == "CANCELED"


def test_the_other_spelling_of_deferred_with_failures(start):
    sandbox, hevo = start(
        simple(jobs_end_as="DEFERRED_WITH_FAILURES", deferred_spelling="DEFERRED_WITH_FAILURE")
    )
    sandbox.start_scheduled_job(101)
    sandbox.advance(60)
    assert hevo.listed(f"{PIPELINE}/jobs")[0]["status"] == "DEFERRED_WITH_FAILURE"


def test_a_cancelled_historical_job_is_started_again_by_the_schedule(start):
    sandbox, _ = start(
        one_pipeline(
            objects=["a", "b"], schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60}
        )
    )
    wanted = sandbox.object_ids(101, "b")
    job = sandbox.start_scheduled_job(101, type="HISTORICAL", object_ids=wanted)
    sandbox.cancel_job(job.job_id)
    sandbox.advance(3601)
    again = sandbox.jobs(101)[-1]
    assert (again.type, again.object_ids, again.requested_by) == ("HISTORICAL", wanted, "schedule")


def test_hevos_own_schedule_starts_incremental_jobs(start):
    sandbox, hevo = start(
        one_pipeline(objects=["a"], schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60})
    )
    sandbox.advance(3 * 3600 + 60)
    jobs = sandbox.jobs(101)
    assert [job.type for job in jobs] == ["INCREMENTAL"] * 3
    assert {job.requested_by for job in jobs} == {"schedule"}
    assert len(hevo.listed(f"{PIPELINE}/jobs")) == 3


def test_a_deferred_job_goes_on_after_a_while(start):
    sandbox, hevo = start(simple(objects=2, defer_at=0.5, defer_seconds=100))
    job_id = sandbox.start_scheduled_job(101).job_id
    statuses = []
    for seconds in (3, 2, 100, 5):
        sandbox.advance(seconds)
        statuses.append(hevo.get(f"{PIPELINE}/jobs/{job_id}").json()["status"])
    assert statuses == ["IN_PROGRESS", "DEFERRED", "IN_PROGRESS", "COMPLETED"]


@pytest.mark.parametrize("source", [{}, {"calls_per_second": 1000}])
@pytest.mark.parametrize("defer_at", [0, 0.5, 1])
def test_a_job_can_be_deferred_for_ever(start, source, defer_at):
    behaviour = {"deferred_for_ever": True, "defer_at": defer_at}
    sandbox, hevo = start(one_pipeline(objects=["a", "b"], source=source, behaviour=behaviour))
    job_id = sandbox.start_scheduled_job(101, type="RESYNC").job_id
    sandbox.advance(30 * 86400)
    job = hevo.get(f"{PIPELINE}/jobs/{job_id}").json()
    assert (job["status"], job["events_ingested"]) == ("DEFERRED", round(200 * defer_at))
    assert job["duration"] == 30 * 86400 * 1000


@pytest.mark.parametrize("trait", [{}, {"instant_jobs": True}])
def test_a_job_deferred_for_ever_can_be_cancelled_or_finished(start, trait):
    sandbox, hevo = start(simple(deferred_for_ever=True, **trait))
    cancelled, finished = [], []
    for ended in (cancelled, finished):
        job_id = sandbox.start_scheduled_job(101).job_id
        sandbox.advance(3600)
        if ended is cancelled:
            hevo.post(f"{PIPELINE}/jobs/{job_id}/actions/cancel")
            sandbox.advance(60)
        sandbox.finish_jobs()
        ended.append(hevo.get(f"{PIPELINE}/jobs/{job_id}").json()["status"])
    assert (cancelled, finished) == (["CANCELLED"], ["COMPLETED"])


@pytest.mark.parametrize(
    ("level", "threshold", "failing", "expected"),
    [
        ("LENIENT", None, 1, "COMPLETED_WITH_FAILURES"),
        ("STRICT", None, 1, "FAILED"),
        ("MODERATE", 50, 1, "COMPLETED_WITH_FAILURES"),
        ("MODERATE", 50, 3, "FAILED"),
        ("STRICT", None, 0, "COMPLETED"),
    ],
)
def test_the_failure_policy_decides_what_failed_objects_mean(
    start, level, threshold, failing, expected
):
    objects = [
        {"name": f"o{place}", "outcome": "failed" if place < failing else "completed"}
        for place in range(4)
    ]
    policy = {"object_failure_level": level, "object_failure_threshold": threshold}
    sandbox, _ = start(one_pipeline(objects=objects, failure_policy=policy))
    sandbox.start_scheduled_job(101)
    assert sandbox.finish_jobs()[0].status == expected


@pytest.mark.parametrize(
    ("outcome", "status", "counted"),
    [
        ("failed_events", "COMPLETED_WITH_FAILURES", "objects_success"),
        ("failed", "FAILED", "objects_failed"),
        ("skipped", "SKIPPED", "objects_skipped"),
        ("blocked", "BLOCKED", "objects_failed"),
        ("inaccessible", "INACCESSIBLE", "objects_failed"),
    ],
)
def test_an_objects_outcome_shows_in_the_job_and_its_objects(start, outcome, status, counted):
    sandbox, hevo = start(one_pipeline(objects=[{"name": "a", "outcome": outcome}]))
    job_id = sandbox.start_scheduled_job(101).job_id
    sandbox.advance(60)
    assert hevo.listed(f"{PIPELINE}/jobs/{job_id}/objects")[0]["status"] == status
    assert hevo.get(f"{PIPELINE}/jobs/{job_id}").json()[counted] == 1


def test_an_outcome_can_strike_once_and_be_changed_while_running(start):
    sandbox, _ = start(
        one_pipeline(objects=[{"name": "a", "outcome": "failed_events", "outcome_times": 1}])
    )
    failed = []
    for _ in range(2):
        sandbox.start_scheduled_job(101, type="RESYNC")
        failed.append(sandbox.finish_jobs()[0].events_failed)
    sandbox.set_object(101, "a", outcome="failed_events", failed_events=7, outcome_times=None)
    sandbox.start_scheduled_job(101, type="RESYNC")
    failed.append(sandbox.finish_jobs()[0].events_failed)
    assert failed == [1, 0, 7]


def test_an_object_can_be_left_out_of_the_jobs_objects(start):
    sandbox, hevo = start(one_pipeline(objects=["a", {"name": "b", "mentioned": False}]))
    job_id = sandbox.start_scheduled_job(101).job_id
    sandbox.advance(60)
    told = hevo.listed(f"{PIPELINE}/jobs/{job_id}/objects")
    assert [entry["object_name"] for entry in told] == ["a"]
    assert hevo.get(f"{PIPELINE}/jobs/{job_id}").json()["objects_success"] == 2


@pytest.mark.parametrize(
    ("when", "told"),
    [("live", [2, 2, 2]), ("at_end", [0, 2, 2]), ("late", [0, 0, 2]), ("never", [0, 0, 0])],
)
def test_a_jobs_objects_can_be_told_late_or_never(start, when, told):
    sandbox, hevo = start(simple(objects=2, job_objects=when, job_objects_late_seconds=30))
    job_id = sandbox.start_scheduled_job(101).job_id
    seen = []
    for seconds in (1, 8, 60):
        sandbox.advance(seconds)
        seen.append(len(hevo.listed(f"{PIPELINE}/jobs/{job_id}/objects")))
    assert seen == told


def test_a_history_comes_with_durations(start):
    history = (HistoryScenario(type="RESYNC", seconds=240), HistoryScenario(count=3))
    scenario = Scenario(
        pipelines=(
            PipelineScenario(name="p", objects=(ObjectScenario(name="a"),), history=history),
        )
    )
    _, hevo = start(scenario)
    jobs = hevo.listed(f"{PIPELINE}/jobs")
    assert [job["duration"] for job in jobs if job["type"] == "RESYNC"] == [240_000]
    assert {job["status"] for job in jobs} == {"COMPLETED"}


def test_thousands_of_past_jobs_are_cheap(start):
    scenario = one_pipeline(objects=["a", "b"], history=[{"count": 5000, "every_minutes": 5}])
    _, hevo = start(scenario)
    answer = hevo.get(f"{PIPELINE}/jobs?limit=100")
    assert len(answer.json()["data"]) == 100
    assert answer.elapsed.total_seconds() < 1.0


def test_finishing_jobs_ends_them_without_moving_time(start):
    sandbox, hevo = start()
    hevo.post(SYNC)
    before = sandbox.now()
    sandbox.finish_jobs()
    assert hevo.listed(f"{PIPELINE}/jobs")[0]["status"] == "COMPLETED"
    assert sandbox.now() == before


def test_a_job_can_be_ended_with_any_status(start):
    sandbox, hevo = start()
    job = sandbox.start_scheduled_job(101)
    sandbox.end_job(job.job_id, "SKIPPED")
    assert hevo.listed(f"{PIPELINE}/jobs")[0]["status"] == "SKIPPED"


def test_disabling_with_active_jobs_cancels_them(start):
    sandbox, hevo = start()
    sandbox.start_scheduled_job(101)
    hevo.post(f"{PIPELINE}/actions/disable", {"cancel_active_jobs": True})
    sandbox.advance(10)
    assert sandbox.jobs(101)[0].status == "CANCELLED"


def test_an_hours_job_takes_a_second_at_3600(start):
    scenario = one_pipeline(objects=["a"], job_seconds=3600)
    sandbox, _ = start(scenario)
    sandbox.start_scheduled_job(101)
    sandbox.advance(3599)
    before = sandbox.jobs(101)[0].finished
    sandbox.advance(2)
    job = sandbox.jobs(101)[0]
    assert before is None
    assert job.finished == pytest.approx(job.created + 3600)
