"""The job that came of a trigger is found, whatever Hevo's job list looks like."""

from __future__ import annotations

import pytest
from ended_runs import REEXECUTION

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.jobs.outcome import ObjectResult
from dagster_hevo.jobs.request import SyncAction
from dagster_hevo.sandbox import FaultKind

SYNC_NOW = SyncAction.SYNC_NOW


@pytest.mark.parametrize("seconds", [0, 15, 55])
def test_a_job_is_found_however_late_it_is_listed(make_world, seconds):
    world = make_world(job_appears_after=(seconds, seconds))
    outcome = world.runner().run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_job_that_is_over_before_it_is_listed_is_found(make_world, names):
    world = make_world(instant_jobs=True)
    outcome = world.runner(*names).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert set(world.results(outcome).values()) == {"LOADED"}


@pytest.mark.parametrize(
    ("action", "mode", "older"),
    [
        (SYNC_NOW, ResyncMode.EVOLVE_AND_MERGE, False),
        *[
            (SyncAction.RESYNC, mode, older)
            for mode in ResyncMode
            for older in (False, True, "truncate")
        ],
    ],
)
def test_every_kind_of_trigger_finds_its_job(make_world, action, mode, older):
    world = make_world(older_type_names=older)
    outcome = world.runner(action=action, resync_mode=mode).run()
    assert outcome.completion.has_loaded
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize(
    ("order", "page_size"),
    [
        ("newest_first", 7),
        ("newest_first", 100),
        ("oldest_first", 7),
        ("oldest_first", 100),
        ("shuffled", 1),
    ],
)
def test_the_order_of_the_list_and_the_size_of_its_pages_change_nothing(
    make_world, order, page_size
):
    past = {"count": 25, "seconds": 50}
    world = make_world(job_list_order=order, history=[past])
    outcome = world.runner(client=world.client(page_size=page_size)).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_hundreds_of_old_jobs_hide_nothing(make_world, order):
    world = make_world(job_list_order=order, history=[{"count": 350, "seconds": 50}])
    outcome = world.runner("b").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("more", [{"job_list_repeats": True}, {"job_list_page_entries": 3}])
def test_pages_that_overlap_or_are_not_full_hide_nothing(make_world, more):
    world = make_world(job_list_order="shuffled", history=[{"count": 25, "seconds": 50}], **more)
    outcome = world.runner("b").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_of_hundreds_of_jobs_listed_newest_first_one_page_is_read(make_world):
    world = make_world(history=[{"count": 350, "seconds": 50}])
    world.runner().run()
    pages = world.sandbox.requests_to("*/jobs", "GET")
    assert all("cursor" not in page.query for page in pages)


def test_a_job_whose_times_are_missing_is_found(make_world):
    world = make_world(history=[{"count": 12}])
    world.fault(FaultKind.MISSING_FIELDS, "*/jobs*", times=None)
    outcome = world.runner().run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_an_old_job_with_odd_values_stops_nothing(make_world):
    world = make_world(odd_job_values=True, history=[{"count": 3, "seconds": 50}])
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert set(world.results(outcome).values()) == {"LOADED"}


def test_properties_that_no_version_knows_change_nothing(make_world):
    world = make_world()
    world.fault(FaultKind.UNKNOWN_FIELDS, times=None)
    assert world.runner().run().completion.has_loaded


def test_answers_without_any_optional_property_are_enough(make_world):
    world = make_world(optional_fields=False)
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


# Hevo's clock


@pytest.mark.parametrize("hours", [-9, 9])
def test_a_server_whose_clock_is_hours_off_changes_nothing(make_world, hours):
    world = make_world(clock_offset=hours * 3600.0, history=[{"count": 120}])
    outcome = world.runner("a", "c").run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert outcome.completion.has_loaded


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize(
    "dates",
    [
        {"date_header_skew_seconds": -40},
        {"date_header_skew_seconds": 40},
        {"date_header": False},
    ],
)
@pytest.mark.parametrize("past", [[], [{"count": 12, "minutes_ago": 5, "every_minutes": 5}]])
def test_a_date_header_that_is_skewed_or_missing_still_finds_the_job(
    make_world, dates, past, names
):
    world = make_world(history=past, **dates)
    outcome = world.runner(*names).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert outcome.completion.has_loaded


@pytest.mark.parametrize("dates", [{}, {"date_header_skew_seconds": 40}, {"date_header": False}])
@pytest.mark.parametrize("order", ["newest_first", "shuffled"])
def test_an_old_job_that_was_missing_from_one_read_of_the_list_is_old(make_world, dates, order):
    # The second read, that of the baseline, does not have the newest old job.
    past = [{"type": "RESYNC", "minutes_ago": 1.2, "seconds": 50}, {"minutes_ago": 3}]
    world = make_world(history=past, job_list_leaves_out_every=2, job_list_order=order, **dates)
    old = {job.job_id for job in world.jobs()}
    next(iter(world.client().list_jobs(101)))
    outcome = world.runner().run()
    assert outcome.job.job_id not in old
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize(("dates", "reads"), [({}, 1), ({"date_header": False}, 2)])
def test_without_a_date_header_the_list_is_read_twice_before_the_trigger(make_world, dates, reads):
    world = make_world(**dates)
    world.runner().run()
    sent = [
        entry.method
        for entry in world.sandbox.requests
        if entry.path.endswith(("/jobs", "/resync"))
    ]
    assert sent[: reads + 1] == ["GET"] * reads + ["POST"]


@pytest.mark.parametrize("every", [2, 3])
def test_a_new_job_that_is_missing_from_some_reads_of_the_list_is_found(make_world, every):
    world = make_world(job_list_leaves_out_every=every)
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


def test_a_job_made_long_after_the_trigger_is_not_its_result(make_world):
    world = make_world(triggers_without_effect_every=1)
    world.time.at(
        200, lambda: world.sandbox.start_scheduled_job(101, type="RESYNC", requested_by="user")
    )
    with pytest.raises(HevoJobNotFoundError):
        world.runner().run()
    world.time.sleep(3600)
    with pytest.raises(HevoJobNotFoundError):
        world.runner(**REEXECUTION).run()
    assert world.book.claimed("run") + world.book.claimed("second") == []


# Requests


@pytest.mark.parametrize("names", [(), ("a",)])
def test_an_ordinary_materialization_sends_few_requests(make_world, names):
    world = make_world(job_appears_after=(15, 15))
    world.runner(*names).run()
    polls = world.requests("GET", "*/jobs/*") - world.requests("GET", "*/jobs/*/objects")
    assert world.requests("GET", "*/pipelines/101") == 1
    assert world.requests("GET", "*/jobs") <= 1 + 4
    assert world.requests("POST", "*") == 1
    assert world.requests("GET", "*/jobs/*/objects") <= 1 + (1 if names else 0)
    assert polls <= 6


def test_a_loaded_object_says_how_many_events_it_got(make_world):
    world = make_world()
    outcome = world.runner("a").run()
    (found,) = outcome.objects.values()
    assert found.result is ObjectResult.LOADED
    assert found.events_loaded == 100
