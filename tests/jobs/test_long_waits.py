"""What a run reads while it waits, and what it waits for."""

from __future__ import annotations

import pytest

from dagster_hevo.api.errors import HevoJobError, HevoJobNotFoundError
from dagster_hevo.jobs.request import SyncAction
from dagster_hevo.sandbox import FaultKind

SYNC_NOW = SyncAction.SYNC_NOW
INCREMENTAL = "INCREMENTAL"


def list_reads(world) -> int:
    return world.requests("GET", "*/jobs")


def test_a_job_that_lists_its_objects_at_its_end_does_not_cost_the_whole_list_at_each_read(
    make_world,
):
    world = make_world(seconds=1800, history=[{"count": 1500, "seconds": 50}], job_objects="at_end")
    outcome = world.runner("a").run()
    assert world.results(outcome) == {"a": "LOADED"}
    assert list_reads(world) < 120


def test_beside_a_foreign_job_one_page_of_the_list_is_read(make_world):
    world = make_world(on_conflict="ignore", seconds=1800, history=[{"count": 1500, "seconds": 50}])
    world.job_between(type=INCREMENTAL)
    outcome = world.runner().run()
    assert set(world.results(outcome).values()) == {"LOADED"}
    assert world.triggers() == ["ignored", "accepted"]
    assert list_reads(world) < 200


@pytest.mark.parametrize("seconds", [30, 200, 600])
def test_an_outage_while_a_candidate_is_examined_is_waited_for(make_world, seconds):
    world = make_world(seconds=5)
    world.fault(FaultKind.STATUS_BEFORE, "*/jobs/*/objects", "GET")
    world.outage(14.6, 14.6 + seconds)
    outcome = world.runner("a").run()
    assert world.results(outcome) == {"a": "LOADED"}
    assert world.triggers() == ["accepted"]


def test_objects_of_a_candidate_that_can_never_be_read_are_given_up(make_world):
    world = make_world(seconds=5)
    world.fault(FaultKind.STATUS_BEFORE, "*/jobs/*/objects", "GET", times=None)
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner("a", outage_timeout=300.0).run()
    assert world.time.monotonic() < 900
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("has_head_start", [True, False])
def test_a_deferred_job_does_not_block_when_newer_jobs_have_run(make_world, has_head_start):
    world = make_world(on_conflict="accept")
    sandbox = world.sandbox
    sandbox.set_behaviour(101, deferred_for_ever=True, defer_at=0.01)
    sandbox.start_scheduled_job(101, type=INCREMENTAL)
    sandbox.advance(30)
    sandbox.set_behaviour(101, deferred_for_ever=False)
    if has_head_start:
        sandbox.start_scheduled_job(101, type=INCREMENTAL)
        sandbox.advance(900)
    began = world.time.monotonic()
    for number in range(1, 9):
        world.time.at(
            began + 900 * number, lambda: sandbox.start_scheduled_job(101, type=INCREMENTAL)
        )
    outcome = world.runner().run()
    assert set(world.results(outcome).values()) == {"LOADED"}
    assert world.time.monotonic() - began < 2_000


@pytest.mark.parametrize("refusals", [0, 2])
def test_refusals_do_not_count_as_lost_triggers(make_world, refusals):
    world = make_world(on_conflict=409)
    for _ in range(refusals):
        world.job_between(type=INCREMENTAL)
    world.before_trigger(lambda: world.fault_on_trigger(FaultKind.CUT_BEFORE))
    outcome = world.runner("a").run()
    assert world.results(outcome) == {"a": "LOADED"}


# Jobs that look like ours


def test_a_job_of_the_schedule_that_hevo_skipped_is_not_taken_for_our_sync(make_world):
    schedule = {"sync_type": "SCHEDULED", "frequency_minutes": 60}
    world = make_world(schedule=schedule, job_appears_after=(12, 12), on_conflict="accept")
    sandbox = world.sandbox

    def tick() -> None:
        sandbox.set_behaviour(101, job_appears_after=(5, 5))
        job = sandbox.start_scheduled_job(101, type=INCREMENTAL, listed_at_once=False)
        sandbox.end_job(job.job_id, "SKIPPED")

    world.time.at(4, tick)
    outcome = world.runner(action=SYNC_NOW).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize(("names", "kind"), [((), "RESYNC"), (("a",), "HISTORICAL")])
def test_the_clock_of_listed_jobs_tells_that_a_job_was_made_before_the_baseline(
    make_world, names, kind
):
    world = make_world(on_conflict="ignore", job_appears_after=(15, 15), seconds=120)
    ids = world.ids(*names) if names else None
    world.sandbox.start_scheduled_job(
        101, type=kind, object_ids=ids, requested_by="user", listed_at_once=False
    )
    world.sandbox.advance(12)
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner(*names).run()


@pytest.mark.parametrize(("lead", "skew"), [(1.5, 0), (10, -30)])
def test_a_job_that_may_be_older_than_the_trigger_is_not_cancelled(make_world, lead, skew):
    world = make_world(
        on_conflict="ignore",
        job_appears_after=(12, 12),
        seconds=300,
        date_header_skew_seconds=skew,
    )
    world.sandbox.start_scheduled_job(
        101, type="HISTORICAL", object_ids=world.ids("a"), requested_by="user", listed_at_once=False
    )
    world.sandbox.advance(lead)
    with pytest.raises(HevoJobError):
        world.runner("a", poll_timeout=60.0).run()
    assert world.cancels == 0
