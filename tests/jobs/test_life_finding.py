"""The job that came of our asking is found, whatever Hevo's list of jobs looks like."""

from __future__ import annotations

import pytest

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.api.errors import HevoJobNotFoundError, HevoPipelineStateError
from dagster_hevo.jobs.outcome import ObjectResult
from dagster_hevo.jobs.plan import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind

WAIT, FAIL = IfJobRunning.WAIT, IfJobRunning.FAIL
ALL_STATUSES = [
    "INITIALIZING",
    "INITIALIZE_FAILED",
    "ENABLING",
    "ENABLE_FAILED",
    "DISABLING",
    "DISABLED",
    "DISABLE_FAILED",
    "DELETING",
    "DELETED",
    "DELETE_FAILED",
    "RESTART_FAILED",
]


@pytest.mark.parametrize("seconds", [0, 15, 55])
def test_a_job_is_found_however_late_it_appears(world, seconds):
    life = world(job_appears_after=(seconds, seconds))
    outcome = life.life().carry_out()
    assert outcome.job.job_id == life.asked_jobs()[0].job_id
    assert life.triggers() == ["accepted"]


def test_a_job_that_is_over_before_it_is_first_seen_is_found(world):
    life = world(instant_jobs=True)
    outcome = life.life("a").carry_out()
    assert outcome.job.job_id == life.asked_jobs()[0].job_id
    assert outcome.objects[life.sandbox.object_ids(101, "a")[0]].result is ObjectResult.LOADED


@pytest.mark.parametrize(
    ("action", "mode", "older"),
    [
        (SyncAction.SYNC_NOW, ResyncMode.EVOLVE_AND_MERGE, False),
        (SyncAction.RESYNC, ResyncMode.EVOLVE_AND_MERGE, False),
        (SyncAction.RESYNC, ResyncMode.EVOLVE_AND_MERGE, True),
        (SyncAction.RESYNC, ResyncMode.DROP_AND_LOAD, False),
        (SyncAction.RESYNC, ResyncMode.DROP_AND_LOAD, True),
    ],
)
def test_every_way_of_asking_finds_its_job(world, action, mode, older):
    life = world(older_type_names=older)
    outcome = life.life(action=action, resync_mode=mode).carry_out()
    assert outcome.completion.has_loaded
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


@pytest.mark.parametrize(
    ("order", "page_size"),
    [("newest", 7), ("newest", 100), ("oldest", 7), ("oldest", 100), ("shuffled", 1)],
)
def test_the_order_of_the_list_and_the_size_of_its_pages_change_nothing(world, order, page_size):
    past = {"count": 25, "seconds": 50}
    life = world(job_order=order, history=[past])
    outcome = life.life(client=life.client(page_size=page_size)).carry_out()
    assert outcome.job.job_id == life.asked_jobs()[0].job_id
    assert life.triggers() == ["accepted"]


@pytest.mark.parametrize("order", ["newest", "oldest", "shuffled"])
def test_hundreds_of_old_jobs_hide_nothing(world, order):
    life = world(job_order=order, history=[{"count": 350, "seconds": 50}])
    outcome = life.life("b").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_of_hundreds_of_jobs_listed_newest_first_one_page_is_enough(world):
    life = world(history=[{"count": 350, "seconds": 50}])
    life.life().carry_out()
    pages = life.sandbox.requests_to("*/jobs", "GET")
    assert all("cursor" not in page.query for page in pages)


def test_jobs_without_times_are_found(world):
    life = world(history=[{"count": 12}])
    life.fault(FaultKind.MISSING_FIELDS, "*/jobs*", times=None)
    outcome = life.life().carry_out()
    assert outcome.job.job_id == life.asked_jobs()[0].job_id


@pytest.mark.parametrize("hours", [-9, 9])
def test_a_server_whose_clock_is_hours_off_changes_nothing(world, hours):
    life = world(clock_offset=hours * 3600.0, history=[{"count": 120}])
    outcome = life.life("a", "c").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    assert outcome.completion.has_loaded


def test_properties_that_no_version_knows_change_nothing(world):
    life = world()
    life.fault(FaultKind.UNKNOWN_FIELDS, times=None)
    assert life.life().carry_out().completion.has_loaded


# Somebody else's job that came in between


def start_between_look_and_asking(life, **job):
    """Let a job of somebody else's come and go after our look at the list, before we ask."""

    def come_and_go():
        life.sandbox.start_scheduled_job(101, **job)
        life.sandbox.finish_jobs(101)

    life.when_marked(come_and_go)


def test_a_scheduled_job_between_look_and_asking_is_not_taken_for_a_resync(world):
    life = world()
    start_between_look_and_asking(life, type="INCREMENTAL")
    outcome = life.life().carry_out()
    assert len(life.jobs("schedule")) == 1
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


@pytest.mark.parametrize("told", ["live", "at_end", "late"])
def test_somebodys_resync_of_other_objects_is_told_apart_by_its_objects(world, told):
    life = world(job_objects=told, job_objects_late_seconds=1)
    start_between_look_and_asking(
        life, type="HISTORICAL", object_ids=life.sandbox.object_ids(101, "b", "c")
    )
    outcome = life.life("a").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_somebodys_resync_of_more_objects_is_told_apart_by_its_objects(world):
    life = world()
    start_between_look_and_asking(
        life, type="HISTORICAL", object_ids=life.sandbox.object_ids(101, "a", "b")
    )
    outcome = life.life("a").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_somebodys_resync_of_some_objects_is_not_taken_for_one_of_the_pipeline(world):
    life = world()
    start_between_look_and_asking(
        life, type="HISTORICAL", object_ids=life.sandbox.object_ids(101, "a")
    )
    outcome = life.life().carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


@pytest.mark.parametrize("told", ["live", "at_end", "late", "never"])
def test_an_object_resync_is_found_whenever_it_tells_of_its_objects(world, told):
    life = world(job_objects=told)
    outcome = life.life("a", "b").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    assert all(item.result.is_fresh for item in outcome.objects.values())
    assert set(outcome.objects) == set(life.sandbox.object_ids(101, "a", "b"))


def test_an_object_resync_is_found_though_it_tells_of_a_part_of_its_objects(world):
    life = world(objects=["a", {"name": "b", "mentioned": False}, "c"])
    outcome = life.life("a", "b").carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]
    b = life.sandbox.object_ids(101, "b")[0]
    assert outcome.objects[b].result is ObjectResult.NOT_MENTIONED


def test_objects_that_a_job_names_but_does_not_number_are_recognised(world):
    life = world(job_object_fields="short")
    outcome = life.life("a", "b").carry_out()
    assert set(outcome.objects) == set(life.sandbox.object_ids(101, "a", "b"))


# The pipeline's state


@pytest.mark.parametrize("status", ALL_STATUSES)
def test_a_pipeline_that_starts_no_job_fails_at_once_and_says_what_to_do(world, status):
    life = world(status=status)
    with pytest.raises(HevoPipelineStateError, match="What to do") as raised:
        life.life().carry_out()
    assert raised.value.status == status
    assert life.time.monotonic() == 0
    assert life.triggers() == []


@pytest.mark.parametrize("status", ["INITIALIZED", "ENABLED"])
def test_a_pipeline_that_runs_is_asked(world, status):
    assert world(status=status).life().carry_out().completion.has_loaded


def test_a_state_that_is_not_known_is_left_to_hevo(world):
    life = world()
    life.fault(FaultKind.UNKNOWN_VALUES, "*/pipelines/101")
    assert life.life().carry_out().completion.has_loaded


def test_a_restarting_pipeline_is_waited_for(world):
    life = world(status="RESTARTING")
    life.time.at(300, lambda: life.sandbox.set_pipeline_status(101, "INITIALIZED"))
    outcome = life.life().carry_out()
    assert outcome.completion.has_loaded
    assert life.triggers() == ["accepted"]
    assert life.sandbox.triggers(101)[0].at - life.sandbox.jobs(101)[0].created == 0


def test_a_pipeline_that_restarts_after_the_asking_is_waited_for(world):
    life = world(restarting_seconds=200, job_appears_after=(210, 210))
    outcome = life.life().carry_out()
    assert outcome.completion.has_loaded
    assert life.triggers() == ["accepted"]


@pytest.mark.parametrize("refusal_status", [400, 409, 422, 500])
def test_a_pipeline_that_begins_to_restart_before_the_asking_is_asked_again(world, refusal_status):
    life = world(refusal_status=refusal_status)
    life.when_marked(lambda: life.sandbox.set_pipeline_status(101, "RESTARTING"))
    life.time.at(30, lambda: life.sandbox.set_pipeline_status(101, "INITIALIZED"))
    assert life.life().carry_out().completion.has_loaded
    assert life.triggers() == ["refused", "accepted"]


@pytest.mark.parametrize(
    ("refusal_status", "if_job_running"),
    [(400, WAIT), (409, WAIT), (500, WAIT), (400, FAIL), (409, FAIL), (500, FAIL)],
)
def test_a_pipeline_disabled_before_the_asking_is_named_as_what_it_is(
    world, refusal_status, if_job_running
):
    life = world(refusal_status=refusal_status)
    life.when_marked(lambda: life.sandbox.set_pipeline_status(101, "DISABLED"))
    with pytest.raises(HevoPipelineStateError, match="DISABLED"):
        life.life(if_job_running=if_job_running).carry_out()


# Requests


def test_accepted_and_no_job_ever_is_an_error_that_says_what_to_do(world):
    life = world(job_appears_after=(500, 500))
    with pytest.raises(HevoJobNotFoundError, match="job_discovery_timeout"):
        life.life().carry_out()
    assert life.triggers() == ["accepted"]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_an_ordinary_life_spends_few_requests(world, names):
    life = world(job_appears_after=(15, 15))
    life.life(*names).carry_out()
    looks = life.requests("GET", "*/jobs/*") - life.requests("GET", "*/jobs/*/objects")
    assert life.requests("GET", "*/pipelines/101") == 1
    assert life.requests("GET", "*/jobs") <= 1 + 4
    assert life.requests("POST", "*") == 1
    assert life.requests("GET", "*/jobs/*/objects") <= 1 + (1 if names else 0)
    assert looks <= 6
