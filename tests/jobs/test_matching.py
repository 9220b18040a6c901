"""The evidence that a job is the result of a request: on plain values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.enums import JobStatus, JobType
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.matching import (
    Coverage,
    Evidence,
    Fit,
    best_match,
    coverage_of,
    fit_by_objects,
    fit_by_type,
)
from dagster_hevo.jobs.newness import CLOCK_TOLERANCE_MS, Baseline, Newness, made_at, newness_of
from dagster_hevo.jobs.request import SyncAction, SyncRequest, make_request

FEW = settings(max_examples=100, deadline=None)

OBJECTS = ("a", "b", "c")
NOW = 1_700_000_000_000
SECOND = 1000
TYPES = [*JobType.__members__, "SOMETHING_NEW", None]


def job(job_id: str = "j", type: str | None = "RESYNC", status: str = "IN_PROGRESS", **more) -> Job:
    return Job.model_validate({"job_id": job_id, "type": type, "status": status, **more})


def resync(*wanted: str) -> SyncRequest:
    return make_request(1, wanted or OBJECTS, OBJECTS)


SYNC = make_request(1, OBJECTS, OBJECTS, action=SyncAction.SYNC_NOW)


# The baseline


def test_the_baseline_keeps_the_jobs_that_could_be_mistaken_for_new_ones():
    jobs = [job("new", created_ts=NOW - SECOND), job("old", created_ts=NOW - 3600 * SECOND)]
    baseline = Baseline.of([*jobs, job("untimed")], NOW)
    assert baseline.job_ids == {"new", "untimed"}
    assert baseline.not_before_ms == NOW - SECOND


def test_the_baseline_of_an_empty_list_knows_hevos_time():
    assert Baseline.of([], NOW).begins_ms == NOW


def test_without_a_date_header_the_baseline_keeps_every_listed_job():
    jobs = [job("x", created_ts=NOW), job("y", created_ts=NOW - 3600 * SECOND)]
    baseline = Baseline.of(jobs, None)
    assert baseline.job_ids == {"x", "y"}
    assert baseline.begins_ms is None


def test_without_a_date_header_what_is_older_than_the_pages_that_were_read_is_old():
    jobs = [job("x", created_ts=NOW), job("y", created_ts=NOW - 60 * SECOND)]
    baseline = Baseline.of(jobs, None, is_complete=False)
    older = job("older", created_ts=NOW - 61 * SECOND)
    assert newness_of(older, baseline, until_ms=None, now_ms=None) is Newness.OLD


def test_a_job_dated_far_ahead_does_not_make_every_job_to_come_old():
    far = job("far", created_ts=NOW + 10 * 365 * 24 * 3600 * SECOND)
    for hevo_ms in (NOW, None):
        baseline = Baseline.of([far, job("x", created_ts=NOW - 60 * SECOND)], hevo_ms)
        ours = job("ours", created_ts=NOW + SECOND)
        found = newness_of(ours, baseline, until_ms=None, now_ms=hevo_ms)
        assert found is not Newness.OLD
        assert newness_of(far, baseline, until_ms=None, now_ms=hevo_ms) is Newness.OLD


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"created_ts": NOW}, NOW),
        ({"updated_ts": NOW, "duration": 5000}, NOW - 5000),
        ({"updated_ts": NOW}, None),
        ({}, None),
        ({"created_ts": NOW + 2 * CLOCK_TOLERANCE_MS}, None),
        ({"created_ts": "nonsense"}, None),
        ({"created_ts": -5}, None),
    ],
)
def test_when_a_job_was_made_is_what_it_says_unless_that_is_nonsense(times, expected):
    assert made_at(job(**times), NOW) == expected


# Whether a job is new

HEVO = Baseline(frozenset({"listed"}), not_before_ms=NOW - 300 * SECOND, hevo_ms=NOW)
BLIND = Baseline(frozenset({"listed"}), not_before_ms=NOW - 300 * SECOND, hevo_ms=None)
EMPTY = Baseline(frozenset(), hevo_ms=None)
UNTIL = NOW + 60 * SECOND


@pytest.mark.parametrize(
    ("baseline", "job_id", "seconds", "expected"),
    [
        (HEVO, "listed", 5, Newness.OLD),
        (HEVO, "new", 5, Newness.AFTER),
        (HEVO, "new", 0, Newness.AFTER),
        (HEVO, "new", -1, Newness.AFTER),
        (HEVO, "new", -40, Newness.NEAR),
        (HEVO, "new", -61, Newness.OLD),
        (HEVO, "new", -400, Newness.OLD),
        (HEVO, "new", 60, Newness.AFTER),
        (HEVO, "new", 100, Newness.AFTER),
        (HEVO, "new", 121, Newness.LATE),
        (HEVO, "new", 24 * 3600, Newness.TOO_LATE),
        (HEVO, "new", None, Newness.UNTIMED),
        (BLIND, "listed", 5, Newness.OLD),
        (BLIND, "new", 5, Newness.UNTIMED),
        (BLIND, "new", -301, Newness.OLD),
        (EMPTY, "new", 5, Newness.UNTIMED),
        (EMPTY, "new", None, Newness.UNTIMED),
    ],
)
def test_a_job_is_new_by_hevos_clock(baseline, job_id, seconds, expected):
    made = {} if seconds is None else {"created_ts": NOW + seconds * SECOND}
    later = NOW + 48 * 3600 * SECOND
    assert newness_of(job(job_id, **made), baseline, until_ms=UNTIL, now_ms=later) is expected


@FEW
@given(st.integers(-600, 600), st.integers(-59, 59))
def test_a_job_of_the_triggers_time_is_never_old_however_the_date_header_is_skewed(at, skew):
    baseline = Baseline(frozenset(), hevo_ms=NOW + skew * SECOND)
    made = job(created_ts=NOW + at * SECOND)
    found = newness_of(
        made, baseline, until_ms=UNTIL + skew * SECOND, now_ms=NOW + (700 + skew) * SECOND
    )
    if 0 <= at <= 60:
        assert found in {Newness.AFTER, Newness.NEAR}
    if at < -120:
        assert found is Newness.OLD
    if at > 180:
        assert found is Newness.LATE


# Whether its kind and objects fit


@pytest.mark.parametrize(
    ("request_", "type", "expected"),
    [
        (resync(), "RESYNC", Fit.EXACT),
        (resync(), "RESYNC_WITH_DROP_AND_LOAD", Fit.OPEN),
        (resync(), "RESYNC_WITH_EVOLVE", Fit.EXACT),
        (resync(), "TRUNCATE_AND_LOAD", Fit.EXACT),
        (resync(), "HISTORICAL", Fit.OPEN),
        (resync(), "INCREMENTAL", Fit.NO),
        (resync(), "REFRESHER", Fit.NO),
        (resync(), "SOMETHING_NEW", Fit.OPEN),
        (resync(), None, Fit.OPEN),
        (resync("a"), "HISTORICAL", Fit.OPEN),
        (resync("a"), "RESYNC", Fit.OPEN),
        (resync("a"), "INCREMENTAL", Fit.NO),
        (resync("a"), "REFRESHER", Fit.NO),
        (resync("a"), None, Fit.OPEN),
        (SYNC, "INCREMENTAL", Fit.EXACT),
        (SYNC, "HISTORICAL", Fit.OPEN),
        (SYNC, "RESYNC", Fit.NO),
        (SYNC, "TRUNCATE_AND_LOAD", Fit.NO),
        (SYNC, "SOMETHING_NEW", Fit.OPEN),
        (SYNC, None, Fit.OPEN),
    ],
)
def test_what_the_type_alone_says(request_: SyncRequest, type: str | None, expected: Fit):
    assert fit_by_type(request_, job(type=type)) is expected


@pytest.mark.parametrize(
    ("request_", "objects", "expected"),
    [
        (resync("a", "b"), "ab", Coverage.EXACT),
        (resync("a", "b"), "abc", Coverage.SUPERSET),
        (resync("a", "b"), "abz", Coverage.SUPERSET),
        (resync("a", "b"), "a", Coverage.PART),
        (resync("a", "b"), "ac", Coverage.DIFFERENT),
        (resync("a", "b"), "c", Coverage.DIFFERENT),
        (resync("a", "b"), "", Coverage.UNKNOWN),
        (resync(), "abc", Coverage.EXACT),
        (resync(), "abcd", Coverage.SUPERSET),
        (resync(), "ab", Coverage.PART),
    ],
)
def test_how_the_objects_of_a_job_compare_with_the_requested_ones(request_, objects, expected):
    assert coverage_of(request_, frozenset(objects)) is expected


def test_children_that_come_with_their_parent_are_no_surplus():
    parents = {"one": "parent", "two": "parent"}
    request_ = make_request(1, ["one"], ["parent", "one", "two", "other"], restarted_with=parents)
    assert coverage_of(request_, frozenset({"parent", "one", "two"})) is Coverage.EXACT
    assert coverage_of(request_, frozenset({"parent", "one", "other"})) is Coverage.SUPERSET


@pytest.mark.parametrize(
    ("request_", "type", "objects", "is_final", "expected"),
    [
        (resync("a", "b"), "HISTORICAL", "ab", False, Fit.EXACT),
        (resync("a", "b"), "HISTORICAL", "abc", False, Fit.SUPERSET),
        (resync("a", "b"), "HISTORICAL", "a", True, Fit.OPEN),
        (resync("a", "b"), "HISTORICAL", "", True, Fit.OPEN),
        (resync("a", "b"), "HISTORICAL", "c", False, Fit.OPEN),
        (resync("a", "b"), "HISTORICAL", "c", True, Fit.NO),
        (resync("a", "b"), "RESYNC", "abc", False, Fit.NO),
        (resync("a", "b"), "RESYNC", "abd", False, Fit.OPEN),
        (resync("a", "b"), None, "ab", False, Fit.EXACT),
        (resync("a", "b"), "SOMETHING_NEW", "ab", False, Fit.EXACT),
        (resync(), "HISTORICAL", "abc", False, Fit.EXACT),
        (resync(), "HISTORICAL", "ab", True, Fit.OPEN),
        (SYNC, "HISTORICAL", "abc", True, Fit.OPEN),
        (SYNC, "HISTORICAL", "a", False, Fit.OPEN),
    ],
)
def test_what_type_and_objects_say_together(request_, type, objects, is_final, expected):
    found = fit_by_objects(request_, job(type=type), frozenset(objects), is_final=is_final)
    assert found is expected


def test_a_job_whose_entries_may_mean_a_requested_object_is_not_foreign():
    fit = fit_by_objects(
        resync("a"),
        job(type="HISTORICAL"),
        frozenset("c"),
        unclear_ids=frozenset("a"),
        is_final=True,
    )
    assert fit is Fit.OPEN


# What the evidence says together


@pytest.mark.parametrize(
    ("newness", "more", "expected"),
    [
        (Newness.AFTER, {}, True),
        (Newness.AFTER, {"fit": Fit.SUPERSET}, True),
        (Newness.AFTER, {"fit": Fit.OPEN}, False),
        (Newness.AFTER, {"fit": Fit.NO}, False),
        (Newness.AFTER, {"is_claimed": True}, False),
        (Newness.OLD, {"lists_without": 3, "waited": True}, False),
        (Newness.LATE, {"lists_without": 3, "waited": True}, False),
        (Newness.NEAR, {}, False),
        (Newness.NEAR, {"lists_without": 1, "waited": True}, True),
        (Newness.NEAR, {"lists_without": 1, "waited": True, "answer_is_unclear": True}, False),
        (Newness.UNTIMED, {}, False),
        (Newness.UNTIMED, {"waited": True}, False),
        (Newness.UNTIMED, {"lists_without": 1, "waited": True}, False),
        (Newness.UNTIMED, {"lists_without": 2, "waited": True}, True),
        (Newness.UNTIMED, {"lists_without": 1, "baseline_reads": 2, "waited": True}, True),
        (Newness.UNTIMED, {"baseline_reads": 3, "waited": True}, False),
    ],
)
def test_a_job_is_ours_on_complete_evidence_alone(newness, more, expected):
    evidence = Evidence(job(), newness, **{"fit": Fit.EXACT, **more})
    assert evidence.is_ours is expected


@pytest.mark.parametrize(
    ("newness", "fit", "more", "expected"),
    [
        (Newness.AFTER, Fit.EXACT, {}, True),
        (Newness.AFTER, Fit.EXACT, {"is_surely_after": False}, False),
        (Newness.AFTER, Fit.SUPERSET, {}, False),
        (Newness.NEAR, Fit.EXACT, {"lists_without": 1, "waited": True}, False),
        (Newness.UNTIMED, Fit.EXACT, {"lists_without": 1, "waited": True}, False),
        (Newness.AFTER, Fit.EXACT, {"answer_is_unclear": True}, False),
        (Newness.AFTER, Fit.EXACT, {"is_claimed": True}, False),
        (Newness.AFTER, Fit.OPEN, {}, False),
    ],
)
def test_a_job_may_be_cancelled_where_nobody_else_can_have_started_it(newness, fit, more, expected):
    evidence = Evidence(job(), newness, fit, **{"is_surely_after": True, **more})
    assert evidence.may_be_cancelled is expected


def ours(job_id: str, at: int = 0, fit: Fit = Fit.EXACT, newness: Newness = Newness.AFTER):
    return Evidence(job(job_id, created_ts=NOW + at), newness, fit, lists_without=1, waited=True)


def chosen(*found: Evidence, triggered_ms: int | None = NOW) -> str | None:
    match = best_match(found, triggered_ms)
    return match and match.job.job_id


def test_no_job_is_chosen_where_none_is_ours():
    assert chosen(ours("x", fit=Fit.OPEN), ours("y", newness=Newness.OLD)) is None


def test_a_job_of_just_the_requested_objects_goes_before_one_of_more():
    assert chosen(ours("more", fit=Fit.SUPERSET), ours("exact", at=5 * SECOND)) == "exact"


def test_of_two_that_cannot_be_told_apart_the_one_nearest_to_the_trigger_is_ours():
    assert chosen(ours("late", at=30 * SECOND), ours("near", at=SECOND)) == "near"


IDS = st.sampled_from([f"j{number}" for number in range(8)])
EVIDENCE = st.lists(
    st.builds(
        Evidence,
        st.builds(
            job, IDS, st.sampled_from(TYPES), created_ts=st.none() | st.integers(NOW, NOW + 20)
        ),
        st.sampled_from(Newness),
        st.sampled_from(Fit),
        lists_without=st.integers(0, 3),
        is_claimed=st.booleans(),
        answer_is_unclear=st.booleans(),
        waited=st.booleans(),
    ),
    unique_by=lambda item: item.job.job_id,
    max_size=8,
)


@FEW
@given(EVIDENCE, st.randoms(use_true_random=False))
def test_the_order_of_the_list_decides_nothing(found, random):
    other = list(found)
    random.shuffle(other)
    assert chosen(*found) == chosen(*other)


@FEW
@given(EVIDENCE)
def test_what_is_chosen_is_new_unclaimed_and_fits(found):
    match = best_match(found, NOW)
    if match is not None:
        assert match.newness not in {Newness.OLD, Newness.LATE}
        assert match.fit in {Fit.EXACT, Fit.SUPERSET}
        assert not match.is_claimed


@FEW
@given(
    st.sampled_from([resync(), resync("a"), resync("a", "b"), SYNC]),
    st.sampled_from(TYPES),
    st.frozensets(st.sampled_from("abcd")),
    st.booleans(),
    st.sampled_from([*JobStatus.__members__]),
)
def test_the_status_of_a_job_does_not_decide_whose_it_is(request_, type, objects, final, status):
    first, second = job(type=type), job(type=type, status=status)
    assert fit_by_type(request_, first) is fit_by_type(request_, second)
    fits = [fit_by_objects(request_, each, objects, is_final=final) for each in (first, second)]
    assert fits[0] is fits[1]


@FEW
@given(
    st.sampled_from([resync(), resync("a"), resync("a", "b")]),
    st.sampled_from(TYPES),
    st.frozensets(st.sampled_from("abcd")),
    st.booleans(),
)
def test_a_job_without_a_requested_object_never_fits_by_its_objects(request_, type, objects, final):
    fit = fit_by_objects(request_, job(type=type), objects, is_final=final)
    if not objects >= request_.required_ids:
        assert fit in {Fit.OPEN, Fit.NO}
