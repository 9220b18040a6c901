"""The job that came of a trigger is told from foreign ones by its objects and its type."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.jobs.request import SyncAction


@pytest.mark.parametrize("listed", ["live", "at_end", "late"])
def test_an_object_resync_is_found_whenever_it_lists_its_objects(make_world, listed):
    world = make_world(job_objects=listed)
    outcome = world.runner("a", "b").run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.results(outcome) == {"a": "LOADED", "b": "LOADED"}


@pytest.mark.parametrize("also", [1, 2])
@pytest.mark.parametrize("listed", ["live", "at_end"])
def test_a_job_with_more_objects_than_requested_is_one_load_and_is_recorded(
    make_world, also, listed
):
    world = make_world(objects=5, job_loads_also=also, job_objects=listed)
    outcome = world.materialize("a", "b")
    assert world.triggered_jobs() == [outcome.job.job_id]
    results = world.results(outcome)
    assert (results["a"], results["b"]) == ("LOADED", "LOADED")
    assert len(results) == 2 + also


@pytest.mark.parametrize("names", [("a", "b"), ()])
@pytest.mark.parametrize(
    "spelling",
    [
        {"job_object_ids": "other"},
        {"job_object_ids": "none"},
        {"job_object_ids": "other", "job_object_names": "qualified"},
        {"job_object_ids": "none", "job_object_names": "qualified"},
        {"job_object_names": "none"},
        {"job_object_fields": "short"},
        {"job_object_fields": "short", "job_object_names": "qualified"},
    ],
)
def test_objects_under_other_ids_or_qualified_names_are_recognised(make_world, spelling, names):
    world = make_world(**spelling)
    outcome = world.materialize(*names)
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.results(outcome) == dict.fromkeys(names or ("a", "b", "c"), "LOADED")
    assert outcome.objects.keys() == world.ids(*names)


def test_objects_that_are_listed_by_ids_alone_that_nobody_knows_prove_nothing(make_world):
    world = make_world(job_object_ids="other", job_object_names="none", job_object_fields="short")
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner("a").run()
    assert world.triggers() == ["accepted"]


def test_a_job_whose_list_of_objects_grows_is_one_load(make_world):
    # One object is listed at first, the others come while it runs.
    world = make_world(seconds=120)
    world.sandbox.set_behaviour(job_objects_leave_out=2)
    world.time.at(60, lambda: world.sandbox.set_behaviour(job_objects_leave_out=1))
    world.time.at(100, lambda: world.sandbox.set_behaviour(job_objects_leave_out=0))
    outcome = world.materialize("a", "b", "c")
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert set(world.results(outcome).values()) == {"LOADED"}


def test_an_object_resync_whose_list_grows_is_waited_for(make_world):
    world = make_world(objects=4, seconds=120)
    world.sandbox.set_behaviour(job_objects_leave_out=1)
    world.time.at(200, lambda: world.sandbox.set_behaviour(job_objects_leave_out=0))
    outcome = world.materialize("a", "b")
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.results(outcome) == {"a": "LOADED", "b": "LOADED"}


# Foreign jobs that came in between


def test_a_scheduled_job_between_baseline_and_trigger_is_not_taken_for_a_resync(make_world):
    world = make_world()
    world.job_between(has_ended=True, type="INCREMENTAL")
    outcome = world.runner().run()
    assert len(world.jobs("schedule")) == 1
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("listed", ["live", "at_end", "late"])
def test_a_foreign_resync_of_other_objects_is_told_apart_by_its_objects(make_world, listed):
    world = make_world(job_objects=listed, job_objects_late_seconds=1)
    world.job_between(has_ended=True, type="HISTORICAL", object_ids=world.ids("b", "c"))
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_of_a_job_with_more_objects_and_one_with_just_the_requested_the_latter_is_ours(make_world):
    world = make_world(job_appears_after=(0, 0))
    world.job_between(has_ended=True, type="HISTORICAL", object_ids=world.ids("a", "b"))
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_a_foreign_resync_of_some_objects_is_not_taken_for_one_of_the_pipeline(make_world):
    world = make_world()
    world.job_between(has_ended=True, type="HISTORICAL", object_ids=world.ids("a"))
    outcome = world.runner().run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_a_foreign_resync_of_the_pipeline_is_not_taken_for_one_of_an_object(make_world):
    world = make_world()
    world.job_between(has_ended=True, type="RESYNC")
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("objects", [("a",), ("a", "b")])
def test_a_sync_now_does_not_take_a_foreign_historical_job(make_world, objects):
    world = make_world()
    world.job_between(has_ended=True, type="HISTORICAL", object_ids=world.ids(*objects))
    outcome = world.runner(action=SyncAction.SYNC_NOW).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert str(outcome.job.type) == "INCREMENTAL"
