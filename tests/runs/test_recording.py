"""A pipeline of thirty objects: exactly its objects, with the right counts, through one job."""

from __future__ import annotations

from typing import Any

import pytest
from shop_runs import failure_of, materialized, quick_scenario, told

from dagster_hevo.sandbox import HistoryScenario, Scenario

ALL = [f"table_{place:02d}" for place in range(1, 31)]

BEHAVIOURS: dict[str, dict[str, Any]] = {
    "a job that shows up late": {"job_appears_after": (0.6, 0.8)},
    "a job that shows up at once": {"job_appears_after": (0, 0)},
    "a job that is over before it is seen": {"instant_jobs": True},
    "a pipeline that restarts for long": {"restarting_seconds": 0.8},
    "a pipeline that does not restart": {"restarting_seconds": 0},
    "older names of types": {"older_type_names": True},
    "the oldest job first": {"job_order": "oldest"},
    "jobs in no order": {"job_order": "shuffled"},
    "objects told at the end": {"job_objects": "at_end"},
    "objects told late": {"job_objects": "late", "job_objects_late_seconds": 0.3},
    "objects never told": {"job_objects": "never"},
    "objects told by name": {"job_object_fields": "short"},
    "answers with a body": {"empty_answers": False},
    "nothing optional": {"optional_fields": False},
    "a job that is deferred": {"defer_seconds": 0.4},
    "other spellings": {
        "cancelled_spelling": "CANCELED",
        "deferred_spelling": "DEFERRED_WITH_FAILURE",
    },
}


def exactly_thirty(result, shop, *, counts: bool = True) -> None:
    assert result.success
    (job,) = shop.jobs
    recorded = materialized(result)
    assert sorted(recorded) == ALL
    assert {told(item.metadata, "job_id") for item in recorded.values()} == {job.job_id}
    if counts:
        assert {told(item.metadata, "events_loaded") for item in recorded.values()} == {100}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_a_pipeline_records_exactly_its_objects_through_one_job(shop, behaviour):
    place = shop(objects=30, **behaviour)
    result = place.run(assets=place.assets(include_checks=False))
    told_nothing = behaviour.get("job_objects") in ("never", "late")
    exactly_thirty(result, place, counts=not told_nothing)


def test_a_sandbox_at_default_settings_records_exactly_its_objects(shop):
    place = shop(Scenario.simple(1, 30), sandbox={"speed": 100})
    exactly_thirty(place.run(), place)


@pytest.mark.parametrize(
    ("on_conflict", "job_order"), [(500, "newest"), (409, "shuffled"), ("ignore", "oldest")]
)
def test_a_job_of_somebody_else_is_waited_for(shop, on_conflict, job_order):
    place = shop(objects=30, on_conflict=on_conflict, job_order=job_order)
    other = place.sandbox.start_scheduled_job(101)
    exactly_thirty(place.run(assets=place.assets(include_checks=False)), place)
    (ours,) = place.jobs
    ended = next(job for job in place.sandbox.jobs(101) if job.job_id == other.job_id)
    assert ended.finished <= ours.created


@pytest.mark.parametrize("on_conflict", [500, 409, "ignore"])
def test_a_job_that_is_not_listed_yet_is_waited_for(shop, on_conflict):
    place = shop(objects=30, on_conflict=on_conflict, job_appears_after=(0.2, 0.3))
    place.sandbox.start_scheduled_job(101, listed_at_once=False)
    exactly_thirty(place.run(assets=place.assets(include_checks=False)), place)


def test_an_account_with_a_long_history_finds_its_job(shop):
    scenario = quick_scenario(objects=30)
    past = HistoryScenario(type="RESYNC", count=230, every_minutes=1, seconds=0.3)
    pipeline = scenario.pipelines[0].model_copy(update={"history": (past,)})
    place = shop(scenario.model_copy(update={"pipelines": (pipeline,)}))
    exactly_thirty(place.run(assets=place.assets(include_checks=False)), place)


@pytest.mark.parametrize("page_size", [1, 7, 30])
def test_lists_of_any_page_size_are_read_to_the_end(shop, page_size):
    place = shop(objects=30, settings={"page_size": page_size})
    exactly_thirty(place.run(assets=place.assets(include_checks=False)), place)


def test_a_server_clock_that_is_an_hour_off_changes_nothing(shop):
    place = shop(objects=30, sandbox={"clock_offset": -3600.0})
    place.sandbox.start_scheduled_job(101)
    exactly_thirty(place.run(assets=place.assets(include_checks=False)), place)


def test_three_of_thirty_resync_exactly_those_three(shop):
    place = shop(objects=30)
    result = place.run(4, 11, 30)
    assert result.success
    assert sorted(materialized(result)) == ["table_04", "table_11", "table_30"]
    (job,) = place.jobs
    assert job.type == "HISTORICAL"
    assert set(job.object_ids) == place.object_ids(4, 11, 30)
    (request,) = place.sandbox.requests_to("*/objects/actions/resync", "POST")
    assert request.body["object_ids"] == sorted(place.object_ids(4, 11, 30))


@pytest.mark.parametrize("tells_id", [True, False])
@pytest.mark.parametrize("objects_listed", ["live", "late"])
def test_a_part_is_found_whenever_its_job_lists_its_objects(shop, tells_id, objects_listed):
    place = shop(objects=5, job_objects=objects_listed, resync_tells_job_id=tells_id)
    result = place.run(1, 2)
    assert sorted(materialized(result)) == ["table_01", "table_02"]
    assert len(place.jobs) == 1


def test_a_part_whose_job_never_lists_its_objects_is_not_called_fresh(shop):
    place = shop(objects=5, job_objects="never", settings={"job_objects_timeout": 1.0})
    result = place.run(1, 2)
    assert not result.success
    assert not materialized(result)
    (job,) = place.jobs
    assert job.job_id in failure_of(result).description


def test_sync_now_syncs_the_pipeline_and_records_objects_that_were_not_selected(shop):
    place = shop(objects=6)
    result = place.run(1, 2, config={"action": "SYNC_NOW"})
    assert result.success
    (job,) = place.jobs
    assert job.type == "INCREMENTAL"
    assert sorted(materialized(result)) == ALL[:6]
    assert _step_outputs(result) == ["shop_1__table_01", "shop_1__table_02"]


def test_sync_now_of_everything_records_each_object_once(shop):
    place = shop(objects=6)
    result = place.run(config={"action": "SYNC_NOW"})
    assert sorted(materialized(result)) == ALL[:6]


@pytest.mark.parametrize(
    ("mode", "job_type"),
    [("EVOLVE_AND_MERGE", "RESYNC"), ("DROP_AND_LOAD", "RESYNC_WITH_DROP_AND_LOAD")],
)
def test_the_resync_mode_reaches_hevo(shop, mode, job_type):
    place = shop()
    assert place.run(config={"resync_mode": mode}).success
    assert place.jobs[0].type == job_type
    assert place.sandbox.triggers(101)[0].drop_and_load is (mode == "DROP_AND_LOAD")


def _step_outputs(result) -> list[str]:
    """The outputs of steps: what was selected, and not merely recorded beside it."""
    outputs = [event for event in result.all_events if event.is_successful_output]
    names = (event.step_output_data.output_name for event in outputs)
    return sorted(name for name in names if not name.endswith("_hevo_job"))
