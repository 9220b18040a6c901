"""The job that came of a trigger is found, whatever Hevo's job list looks like."""

from __future__ import annotations

import pytest

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.jobs.outcome import ObjectResult
from dagster_hevo.jobs.request import IfJobRunning, SyncAction
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
        world.runner(run="second", reexecutes="run").run()
    assert world.book.claimed("run") + world.book.claimed("second") == []


# Which objects a job has


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


# A job that is only a candidate


def test_a_job_that_never_lists_its_objects_is_a_candidate_that_is_waited_for(make_world):
    world = make_world(job_objects="never", seconds=100)
    with pytest.raises(HevoJobNotFoundError, match="Candidates") as raised:
        world.runner("a", "b").run()
    assert str(world.triggered_jobs()[0]) in str(raised.value)
    assert not raised.value.can_retry
    assert world.jobs()[0].status == "COMPLETED"
    assert world.triggers() == ["accepted"]
    assert world.cancels == 0


def test_a_job_without_some_of_the_requested_objects_is_a_candidate(make_world):
    world = make_world(job_drops_requested=1)
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner("a", "b").run()
    assert world.triggers() == ["accepted"]
    assert world.book.claimed() == []


def test_a_candidate_is_never_recorded_by_a_retry_nor_triggered_over(make_world):
    world = make_world(job_objects="never")
    for run, parent in [("run", None), ("second", "run"), ("third", "second")]:
        with pytest.raises(HevoJobNotFoundError, match="Candidates"):
            world.runner("a", run=run, reexecutes=parent).run()
    assert world.triggers() == ["accepted"]


def test_a_candidate_that_failed_lets_a_retry_trigger_again(make_world):
    world = make_world(job_objects="never", jobs_end_as="FAILED")
    with pytest.raises(HevoJobNotFoundError):
        world.runner("a").run()
    world.sandbox.set_behaviour(job_objects="live", jobs_end_as="COMPLETED")
    outcome = world.runner("a", run="second", reexecutes="run").run()
    assert world.triggered_jobs()[1] == outcome.job.job_id


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
    outcome = world.runner(action=SYNC_NOW).run()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert str(outcome.job.type) == "INCREMENTAL"


# Not proven ours is not proven foreign


def ends_with_one_trigger_and_candidates(world, *names, **given):
    with pytest.raises(HevoJobNotFoundError, match="Candidates"):
        world.runner(*names, **given).run()
    assert world.triggers() == ["accepted"]
    assert world.cancels == 0


@pytest.mark.parametrize("setting", [IfJobRunning.WAIT, IfJobRunning.FAIL])
@pytest.mark.parametrize("words", ["prefixed", "hashed"])
def test_words_for_objects_that_nobody_knows_are_no_reason_for_a_second_trigger(
    make_world, words, setting
):
    world = make_world(job_object_fields="short", job_object_names=words)
    ends_with_one_trigger_and_candidates(world, "a", if_job_running=setting)


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize("skew", [90, 300])
def test_a_clock_that_is_minutes_off_is_no_reason_for_a_second_trigger(make_world, names, skew):
    world = make_world(date_header_skew_seconds=skew, history=[{"minutes_ago": 9}])
    ends_with_one_trigger_and_candidates(world, *names)


def test_an_old_job_without_a_status_is_no_reason_to_wait_or_to_trigger_again(make_world):
    world = make_world(
        odd_job_values=True, triggers_without_effect_every=1, history=[{"minutes_ago": 900}]
    )
    with pytest.raises(HevoJobNotFoundError, match="not triggered again"):
        world.runner("a").run()
    assert world.requests("POST", "*/actions/*") == 1
    assert world.time.monotonic() < 120


def test_an_old_deferred_job_is_no_reason_to_wait_or_to_trigger_again(make_world):
    past = [{"status": "DEFERRED", "minutes_ago": 300}, {"minutes_ago": 60}]
    world = make_world(triggers_without_effect_every=1, history=past)
    with pytest.raises(HevoJobNotFoundError, match="not triggered again"):
        world.runner("a").run()
    assert world.requests("POST", "*/actions/*") == 1
    assert world.time.monotonic() < 120


def test_a_foreign_resync_of_the_other_mode_is_not_taken_nor_cancelled(make_world):
    world = make_world(on_conflict="ignore", seconds=100)
    world.job_between(type="RESYNC_WITH_DROP_AND_LOAD")
    with pytest.raises(HevoJobNotFoundError, match="RESYNC_WITH_DROP_AND_LOAD"):
        world.runner().run()
    assert world.cancels == 0


@pytest.mark.parametrize("status", [500, 403])
def test_a_candidate_whose_objects_cannot_be_read_does_not_end_the_search(make_world, status):
    world = make_world(on_conflict="accept", seconds=20)
    world.job_between(type="HISTORICAL", object_ids=world.ids("b"), has_ended=True)

    def spoil():
        (foreign,) = world.jobs()
        world.fault(
            FaultKind.STATUS_BEFORE, f"*/jobs/{foreign.job_id}/objects", times=None, status=status
        )

    world.before_trigger(spoil)
    outcome = world.runner("a").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


# Accepted, and no job


def test_an_accepted_trigger_without_a_job_is_an_error_that_says_what_to_do(make_world):
    world = make_world(job_appears_after=(500, 500))
    with pytest.raises(HevoJobNotFoundError, match="job_discovery_timeout"):
        world.runner().run()
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize("names", [(), ("a",)])
def test_an_accepted_trigger_without_effect_fails_and_is_never_sent_again(make_world, names):
    world = make_world(triggers_without_effect_every=1)
    for run, parent in [("run", None), ("second", "run")]:
        with pytest.raises(HevoJobNotFoundError, match="not triggered again"):
            world.runner(*names, run=run, reexecutes=parent).run()
    assert world.requests("POST", "*/actions/*") == 1
    assert world.jobs() == []


@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_job_listed_later_than_the_discovery_timeout_is_found_by_the_retry(make_world, names):
    world = make_world(job_appears_after=(100, 100), seconds=120)
    with pytest.raises(HevoJobNotFoundError):
        world.runner(*names).run()
    outcome = world.materialize(*names, run="second", reexecutes="run")
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert set(world.results(outcome).values()) == {"LOADED"}


@pytest.mark.parametrize("pause", [0, 3600, 48 * 3600])
def test_a_late_job_is_found_however_much_later_the_retry_comes(make_world, pause):
    world = make_world(job_appears_after=(100, 100))
    with pytest.raises(HevoJobNotFoundError):
        world.runner().run()
    world.time.sleep(pause)
    outcome = world.runner(run="second", reexecutes="run").run()
    assert world.triggered_jobs() == [outcome.job.job_id]


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
