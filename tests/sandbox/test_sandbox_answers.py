"""Answers carry what Hevo practically always sends, and a PATCH is refused what no list knows."""

from __future__ import annotations

import pytest

from dagster_hevo.sandbox import Scenario

PIPELINE = "/pipelines/101"
SYNC = f"{PIPELINE}/actions/sync-now"
COUNTS = ("events_ingested", "events_loaded", "events_failed")
COUNTED_OBJECTS = ("objects_success", "objects_queued", "objects_skipped", "objects_failed")
TIMES = ("created_ts", "updated_ts", "duration", "min_latency", "max_latency", "mean_latency")


def one_pipeline(**pipeline):
    return Scenario.model_validate({"pipelines": [{"name": "Shop", "objects": ["a"], **pipeline}]})


def test_a_pipeline_carries_what_hevo_practically_always_sends(start):
    _, hevo = start(one_pipeline())
    (pipeline,) = hevo.listed("/pipelines")
    assert pipeline["destination_prefix"] == "shop"
    assert pipeline["schedule"] == {"sync_type": "ON_DEMAND"}
    assert pipeline["source_schema_status"]["status"] == "SYNCED"
    assert pipeline["failure_handling_policy"] == {
        "object_failure_level": "LENIENT",
        "object_failure_threshold": 0,
    }
    assert "@" in pipeline["created_by_email"]
    assert "@" in pipeline["updated_by_email"]
    threshold = pipeline["failure_handling_policy"]["object_failure_threshold"]
    assert {type(threshold), type(pipeline["created_ts"])} == {int}


@pytest.mark.parametrize("seconds", [5, 60], ids=["running", "finished"])
def test_a_job_carries_counts_and_times_as_whole_numbers(start, seconds):
    sandbox, hevo = start()
    sandbox.start_scheduled_job(101)
    sandbox.advance(seconds + 0.0371)
    (job,) = hevo.listed(f"{PIPELINE}/jobs")
    numbers = {name: type(job[name]) for name in (*COUNTS, *COUNTED_OBJECTS, *TIMES)}
    assert set(numbers.values()) == {int}
    assert job["min_latency"] < job["mean_latency"] < job["max_latency"]


@pytest.mark.parametrize(("query", "entries"), [("", 10), ("?limit=100", 100), ("?limit=500", 100)])
def test_a_page_of_the_job_list_has_10_entries_or_up_to_100(start, query, entries):
    _, hevo = start(one_pipeline(history=[{"count": 120}]))
    page = hevo.get(f"{PIPELINE}/jobs{query}").json()
    assert page.keys() == {"data", "has_more", "next_cursor"}
    assert (len(page["data"]), page["has_more"]) == (entries, True)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"load_mode": "UPSERT"}, "load_mode"),
        ({"replication_type": "ALL"}, "replication_type"),
        ({"schema_evolution": "allow_all"}, "schema_evolution"),
        ({"schedule": {"sync_type": "HOURLY"}}, "schedule.sync_type"),
        ({"schedule": {"frequency_minutes": 0}}, "schedule.frequency_minutes"),
        (
            {"failure_handling_policy": {"object_failure_threshold": "many"}},
            "failure_handling_policy.object_failure_threshold",
        ),
    ],
)
def test_a_patch_with_a_value_that_does_not_exist_is_400_and_changes_nothing(start, body, name):
    _, hevo = start(one_pipeline())
    before = hevo.get(PIPELINE).json()
    answer = hevo.send("PATCH", PIPELINE, json={"name": "Renamed", **body})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{name}: ")
    assert hevo.get(PIPELINE).json() == before


@pytest.mark.parametrize(
    "change",
    [
        {"load_mode": "APPEND"},
        {"replication_type": "INCREMENTAL_ONLY"},
        {"schema_evolution": "BLOCK_ALL"},
        {"destination_prefix": "raw"},
    ],
)
def test_a_patch_changes_what_it_names(start, change):
    _, hevo = start(one_pipeline())
    before = hevo.get(PIPELINE).json()
    answered = hevo.send("PATCH", PIPELINE, json={**change, "not_known": 1}).json()
    changed = {name for name in answered if answered[name] != before[name]}
    assert changed <= {*change, "updated_ts"}
    assert {name: hevo.get(PIPELINE).json()[name] for name in change} == change


def test_a_patch_of_one_part_leaves_the_other_parts(start):
    _, hevo = start(one_pipeline(schedule={"sync_type": "SCHEDULED", "frequency_minutes": 60}))
    policy = {"object_failure_threshold": 30}
    body = {"failure_handling_policy": policy, "schedule": {"frequency_minutes": 15}}
    pipeline = hevo.send("PATCH", PIPELINE, json=body).json()
    assert pipeline["failure_handling_policy"] == {"object_failure_level": "LENIENT", **policy}
    assert pipeline["schedule"] == {"sync_type": "SCHEDULED", "frequency_minutes": 15}


def test_a_patched_failure_policy_decides_the_next_job(start):
    sandbox, hevo = start(one_pipeline(objects=["a", {"name": "b", "outcome": "failed"}]))
    policy = {"object_failure_level": "STRICT"}
    hevo.send("PATCH", PIPELINE, json={"failure_handling_policy": policy})
    sandbox.start_scheduled_job(101)
    assert sandbox.finish_jobs()[0].status == "FAILED"


def test_a_latency_alert_is_switched_by_patch(start):
    _, hevo = start(one_pipeline())
    alerts = [
        hevo.send("PATCH", PIPELINE, json={"latency_alert": alert}).json()["latency_alert"]
        for alert in ({"enabled": True, "threshold_minutes": 30}, {"enabled": False})
    ]
    assert alerts == [{"enabled": True, "threshold_minutes": 30}, {"enabled": False}]


def test_a_renamed_pipeline_keeps_its_schema_and_its_source(start):
    _, hevo = start(one_pipeline())
    before = hevo.get(PIPELINE).json()["source"]
    hevo.send("PATCH", PIPELINE, json={"name": "Renamed"})
    (entry,) = hevo.listed(f"{PIPELINE}/objects")
    assert entry["destination_namespace"]["k1"] == "shop"
    assert hevo.get(PIPELINE).json()["source"] == before


def test_a_sync_can_be_answered_with_hevos_own_words(start):
    _, hevo = start(Scenario.simple(objects=1, empty_answers=False))
    assert hevo.post(SYNC).json() == {
        "message": "Sync triggered successfully",
        "pipeline_id": 101,
    }
