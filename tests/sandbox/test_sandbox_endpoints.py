"""Every endpoint of the local Hevo answers in the shapes that the client's models read."""

from __future__ import annotations

import time

import pytest
import requests

from dagster_hevo.api.models import Job, JobObject, Pipeline, PipelineObject
from dagster_hevo.sandbox import HevoSandbox, SandboxPortError, Scenario, serve

PIPELINE = "/pipelines/101"


def test_pipelines_are_read_by_the_models(start):
    _, hevo = start()
    pipeline = Pipeline.model_validate(hevo.get(PIPELINE).json())
    assert (pipeline.id, pipeline.name, str(pipeline.status)) == (101, "Shop 1", "INITIALIZED")
    assert pipeline.destination.destination_type == "DUCKDB"


def test_source_settings_hold_a_password_to_look_for(start):
    _, hevo = start()
    assert "not-a-real-password" in hevo.get(PIPELINE).json()["source"]["config"]["password"]


def test_only_a_single_object_comes_with_its_fields(start):
    _, hevo = start()
    listed = hevo.listed(f"{PIPELINE}/objects")
    single = hevo.get(f"{PIPELINE}/objects/{listed[0]['object_id']}").json()
    assert "fields" not in listed[0]
    fields = PipelineObject.model_validate(single).fields
    assert fields is not None
    assert len(fields) == listed[0]["field_count"]
    assert [field.destination_name for field in fields if field.primary_key] == ["id"]


def test_pages_follow_cursors_to_the_end(start):
    _, hevo = start(objects=7)
    seen, cursor = [], ""
    while True:
        page = hevo.get(f"{PIPELINE}/objects?limit=3&cursor={cursor}").json()
        seen += [entry["object_id"] for entry in page["data"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert page["next_cursor"] is None
    assert len(seen) == len(set(seen)) == 7


def test_a_job_that_starts_between_two_pages_repeats_nothing(start):
    sandbox, hevo = start()
    for _ in range(4):
        sandbox.start_scheduled_job(101)
        sandbox.advance(60)
    first = hevo.get(f"{PIPELINE}/jobs?limit=2").json()
    sandbox.start_scheduled_job(101)
    second = hevo.get(f"{PIPELINE}/jobs?limit=2&cursor={first['next_cursor']}").json()
    ids = [job["job_id"] for job in first["data"] + second["data"]]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=nonsense"])
def test_a_page_that_cannot_be_is_refused(start, query):
    _, hevo = start()
    answer = hevo.get(f"{PIPELINE}/objects?{query}")
    assert answer.status_code == 400
    assert "message" in answer.json()


@pytest.mark.parametrize(
    "path",
    [
        "/pipelines/999",
        "/pipelines/abc",
        "/pipelines/101/jobs/none",
        "/pipelines/101/jobs/none/objects",
        "/pipelines/101/objects/none",
        "/nothing",
    ],
)
def test_unknown_things_are_404_with_a_message(start, path):
    _, hevo = start()
    answer = hevo.get(path)
    assert answer.status_code == 404
    assert "message" in answer.json()


def test_wrong_keys_are_401_and_reach_nothing(start):
    sandbox, _ = start()
    url = f"{sandbox.url}/api/v1/pipelines/101/actions/sync-now"
    for auth in [None, (sandbox.api_key, "wrong"), ("nobody", sandbox.api_secret)]:
        assert requests.post(url, auth=auth, timeout=5).status_code == 401
    assert sandbox.triggers() == []


def test_a_member_is_refused_with_hevos_message(start):
    sandbox, _ = start()
    answer = requests.get(
        f"{sandbox.url}/api/v1/pipelines",
        auth=(sandbox.member_key, sandbox.api_secret),
        timeout=5,
    )
    assert answer.status_code == 403
    assert answer.json()["message"] == ("account members are not permitted to perform this action")


def test_past_its_limit_a_user_is_told_when_to_come_back(start):
    _, hevo = start(requests_per_minute=3)
    codes = [hevo.get("/pipelines").status_code for _ in range(4)]
    refused = hevo.get("/pipelines")
    assert codes == [200, 200, 200, 429]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_moving_sandbox_time_does_not_refill_the_limit(start):
    sandbox, hevo = start(requests_per_minute=1)
    hevo.get("/pipelines")
    sandbox.advance(3600)
    assert hevo.get("/pipelines").status_code == 429


def test_a_limit_that_follows_speed_is_refilled_by_sandbox_time(start):
    scenario = Scenario.model_validate(
        {"account": {"requests_per_minute": 1, "limit_follows_speed": True}}
    )
    sandbox, hevo = start(scenario)
    hevo.get("/pipelines")
    sandbox.advance(61)
    assert hevo.get("/pipelines").status_code == 200


def test_a_pipeline_is_changed_by_patch(start):
    _, hevo = start()
    body = {"name": "Renamed", "schedule": {"sync_type": "SCHEDULED", "frequency_minutes": 60}}
    hevo.send("PATCH", PIPELINE, json=body)
    pipeline = hevo.get(PIPELINE).json()
    assert pipeline["name"] == "Renamed"
    assert pipeline["schedule"] == {"sync_type": "SCHEDULED", "frequency_minutes": 60}


def test_source_settings_are_changed_by_patch(start):
    _, hevo = start()
    hevo.send("PATCH", f"{PIPELINE}/sources", json={"config": {"host": "elsewhere"}})
    config = hevo.get(PIPELINE).json()["source"]["config"]
    assert config["host"] == "elsewhere"
    assert config["user"] == "hevo_reader"


def test_a_schema_refresh_brings_hidden_objects_to_light(start):
    scenario = Scenario.model_validate(
        {
            "pipelines": [
                {"name": "p", "objects": ["old", {"name": "new", "hidden_until_refresh": True}]}
            ]
        }
    )
    _, hevo = start(scenario)
    before = len(hevo.listed(f"{PIPELINE}/objects"))
    hevo.post(f"{PIPELINE}/objects/actions/refresh-schema", {})
    assert (before, len(hevo.listed(f"{PIPELINE}/objects"))) == (1, 2)


def test_disabling_passes_through_disabling_and_enabling_comes_back(start):
    sandbox, hevo = start()
    hevo.post(f"{PIPELINE}/actions/disable", {"cancel_active_jobs": False})
    seen = [sandbox.pipeline_status(101)]
    sandbox.advance(5)
    seen.append(sandbox.pipeline_status(101))
    hevo.post(f"{PIPELINE}/actions/enable")
    sandbox.advance(5)
    seen.append(sandbox.pipeline_status(101))
    assert seen == ["DISABLING", "DISABLED", "INITIALIZED"]


def test_a_job_and_its_objects_are_read_by_the_models(start):
    sandbox, hevo = start()
    job_id = sandbox.start_scheduled_job(101).job_id
    sandbox.advance(100)
    job = Job.model_validate(hevo.get(f"{PIPELINE}/jobs/{job_id}").json())
    objects = [
        JobObject.model_validate(entry)
        for entry in hevo.listed(f"{PIPELINE}/jobs/{job_id}/objects")
    ]
    assert job.is_terminal
    assert job.objects_success == len(objects) == 3
    assert job.events_loaded == sum(entry.loaded_events or 0 for entry in objects)


def test_requests_share_one_kept_alive_connection(start):
    sandbox, hevo = start()
    for _ in range(3):
        hevo.get("/pipelines")
    assert len({seen.connection for seen in sandbox.requests}) == 1


def test_requests_are_seen_with_body_status_and_user(start):
    sandbox, hevo = start()
    hevo.post(f"{PIPELINE}/actions/resync", {"resync_mode": "DROP_AND_LOAD"})
    (seen,) = sandbox.requests_to("*/actions/resync", "POST")
    assert seen.body == {"resync_mode": "DROP_AND_LOAD"}
    assert (seen.status, seen.user, seen.fault) == (204, sandbox.api_key, None)
    assert sandbox.api_secret not in repr(sandbox.requests)


def test_the_servers_clock_may_differ_from_this_machines(start):
    sandbox, hevo = start(clock_offset=-3600)
    sandbox.start_scheduled_job(101)
    told = hevo.listed(f"{PIPELINE}/jobs")[0]["created_ts"] / 1000
    assert told == pytest.approx(time.time() - 3600, abs=30)


def test_a_port_in_use_is_an_error_that_names_it(start):
    sandbox, _ = start()
    with pytest.raises(SandboxPortError, match=str(sandbox.port)):
        serve(port=sandbox.port)


def test_starting_is_quick():
    began = time.monotonic()
    with HevoSandbox(Scenario.simple(pipelines=20, objects=50)):
        took = time.monotonic() - began
    assert took < 2.0
