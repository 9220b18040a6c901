"""What becomes of each object, read from the job over HTTP: fresh means proven."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.jobs.request import SyncAction
from dagster_hevo.sandbox import ObjectScenario

EACH_RESULT = [
    "good",
    {"name": "lossy", "outcome": "failed_events", "failed_events": 2},
    {"name": "broken", "outcome": "failed"},
    {"name": "shut", "outcome": "blocked"},
    {"name": "left", "outcome": "skipped"},
]


@pytest.mark.parametrize("action", list(SyncAction))
def test_each_object_gets_its_own_result(make_world, action):
    world = make_world(objects=EACH_RESULT)
    assert world.results(world.runner(action=action).run()) == {
        "good": "LOADED",
        "lossy": "LOADED_WITH_FAILURES",
        "broken": "FAILED",
        "shut": "FAILED",
        "left": "SKIPPED",
    }


def test_an_object_that_the_complete_list_does_not_have_is_not_fresh(make_world):
    world = make_world()
    world.before_trigger(lambda: world.sandbox.set_object(101, "b", status="INACTIVE"))
    outcome = world.runner().run()
    assert world.results(outcome) == {"a": "LOADED", "b": "NOT_INCLUDED", "c": "LOADED"}
    assert world.triggers() == ["accepted"]


def test_objects_that_are_never_listed_are_fresh_where_the_counts_leave_nothing_else(make_world):
    world = make_world(job_objects="never")
    outcome = world.runner().run()
    assert set(world.results(outcome).values()) == {"LOADED_BY_COUNT"}


def test_an_object_that_is_counted_but_not_listed_is_fresh_by_the_counts(make_world):
    world = make_world(job_objects_leave_out=1)
    outcome = world.runner().run()
    assert world.results(outcome) == {"a": "LOADED", "b": "LOADED", "c": "LOADED_BY_COUNT"}


def test_counts_prove_nothing_where_the_job_may_have_loaded_an_object_that_is_inactive_now(
    make_world,
):
    world = make_world(
        objects=["a", "b", "c", {"name": "d", "status": "inactive"}], job_objects_leave_out=1
    )
    outcome = world.runner().run()
    assert world.results(outcome) == {"a": "LOADED", "b": "LOADED", "c": "NOT_PROVEN"}


def test_objects_that_are_never_listed_are_not_fresh_where_one_of_them_failed(make_world):
    world = make_world(objects=["a", {"name": "b", "outcome": "failed"}], job_objects="never")
    outcome = world.runner().run()
    assert not any(item.result.is_fresh for item in outcome.objects.values())


def test_objects_that_are_never_listed_are_not_fresh_where_one_of_them_was_skipped(make_world):
    world = make_world(objects=["a", {"name": "b", "outcome": "skipped"}], job_objects="never")
    outcome = world.runner().run()
    assert not any(item.result.is_fresh for item in outcome.objects.values())


def test_failed_events_that_no_listed_object_accounts_for_may_be_of_an_unlisted_one(make_world):
    lossy = {"name": "c", "outcome": "failed_events", "failed_events": 2}
    world = make_world(objects=["a", "b", lossy], job_objects_leave_out=1)
    outcome = world.runner().run()
    unlisted = next(item for item in outcome.objects.values() if item.name == "c")
    assert unlisted.has_unexplained_failures
    assert not unlisted.is_good


@pytest.mark.parametrize("names", [(), ("a", "b")])
@pytest.mark.parametrize("seconds", [5, 30, 100])
@pytest.mark.parametrize("other", ["completed", "failed", "skipped"])
def test_objects_that_lag_behind_the_end_of_the_job_are_waited_for(
    make_world, other, seconds, names
):
    objects = ["a", {"name": "b", "outcome": other}, "c"]
    world = make_world(objects=objects, job_objects="late", job_objects_late_seconds=seconds)
    outcome = world.runner(*names).run()
    word = {"completed": "LOADED"}.get(other, other.upper())
    expected = {"a": "LOADED", "b": word, "c": "LOADED"}
    assert world.results(outcome) == {
        name: result for name, result in expected.items() if not names or name in names
    }
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_objects_that_lag_behind_for_too_long_are_waited_for_within_a_bound(make_world):
    world = make_world(
        objects=["a", {"name": "b", "outcome": "skipped"}],
        job_objects="late",
        job_objects_late_seconds=10_000,
    )
    outcome = world.runner(job_objects_timeout=60).run()
    assert world.results(outcome) == {"a": "NOT_PROVEN", "b": "NOT_PROVEN"}
    assert world.time.monotonic() < 150
    assert len(world.told.warnings("still does not agree")) == 1


def test_a_cancelled_job_ends_with_what_it_had_loaded(make_world):
    world = make_world(seconds=100)
    world.time.at(150, lambda: world.sandbox.cancel_job(world.jobs()[0].job_id))
    outcome = world.runner().run()
    assert outcome.job.status.was_cancelled
    assert world.results(outcome) == {"a": "LOADED", "b": "NOT_LOADED", "c": "NOT_LOADED"}


# Names that two objects share

ORDERS_TWICE = [
    {"name": "orders", "id": "eu", "table": "orders_eu"},
    {"name": "orders", "id": "us", "table": "orders_us"},
    "b",
]


def with_bare_names_alone(make_world, status):
    objects = [ORDERS_TWICE[0], {**ORDERS_TWICE[1], "status": status}, "b"]
    return make_world(objects=objects, job_object_ids="other", job_object_fields="short")


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_an_object_whose_bare_name_equals_that_of_another_is_not_it(make_world, status):
    outcome = with_bare_names_alone(make_world, status).runner().run()
    assert not outcome.objects["eu"].result.is_fresh


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_a_job_of_an_object_whose_name_is_shared_is_only_a_candidate(make_world, status):
    world = with_bare_names_alone(make_world, status)
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner("eu").run()
    assert world.triggers() == ["accepted"]


def test_objects_that_share_a_name_are_told_apart_by_their_ids(make_world):
    world = make_world(objects=ORDERS_TWICE)
    outcome = world.runner("eu").run()
    assert {key: str(item.result) for key, item in outcome.objects.items()} == {"eu": "LOADED"}


@pytest.mark.parametrize(("fields", "ids"), [("short", "own"), ("full", "other")])
@pytest.mark.parametrize("action", [SyncAction.RESYNC, SyncAction.SYNC_NOW])
def test_a_table_that_has_taken_the_name_of_another_one_does_not_make_that_fresh(
    make_world, fields, ids, action
):
    world = make_world(objects=["a", "b"], job_object_fields=fields, job_object_ids=ids)

    def replace_a() -> None:
        world.sandbox.set_object(101, "a", status="INACTIVE")
        world.sandbox.add_object(101, ObjectScenario(name="a", table="a_v2"))

    runner = world.runner(action=action)
    replace_a()
    results = world.results(runner.run())
    assert results["b"] == "LOADED"
    assert results["a"] not in {"LOADED", "LOADED_BY_COUNT"}
