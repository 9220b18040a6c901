"""What became of each object: the table, every word in both spellings, and arbitrary answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.enums import JobCompletionStatus, JobStatus
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.jobs.outcome import KnownObject, ObjectIndex, ObjectResult, judge_job

FEW = settings(max_examples=50, deadline=None)

INDEX = ObjectIndex(KnownObject(each, f"name_{each}", f"shop.name_{each}") for each in "abc")

LOADED, NOT_LOADED = ObjectResult.LOADED, ObjectResult.NOT_LOADED
WITH_FAILURES, FAILED = ObjectResult.LOADED_WITH_FAILURES, ObjectResult.FAILED
SKIPPED, NOT_MENTIONED = ObjectResult.SKIPPED, ObjectResult.NOT_MENTIONED


def job(status: str = "COMPLETED", **counts: int) -> Job:
    return Job.model_validate({"job_id": "j", "type": "RESYNC", "status": status, **counts})


def said(object_id: str | None = "a", status: str | None = None, **more) -> JobObject:
    return JobObject.model_validate({"object_id": object_id, "status": status, **more})


def result(ended: Job, *mentioned: JobObject, of: str = "a", is_adopted: bool = False):
    outcome = judge_job(1, ended, mentioned, INDEX, asked={of}, is_adopted=is_adopted)
    return outcome.objects[of].result


@pytest.mark.parametrize(
    ("word", "completion"),
    [
        ("COMPLETED", "COMPLETED"),
        ("COMPLETED_WITH_FAILURES", "COMPLETED_WITH_FAILURES"),
        ("FAILED", "FAILED"),
        ("CANCELLED", "FAILED"),
        ("CANCELED", "FAILED"),
        ("SKIPPED", "FAILED"),
        ("DEFERRED_WITH_FAILURES", "FAILED"),
        ("DEFERRED_WITH_FAILURE", "FAILED"),
        ("DEFERRED", "PENDING"),
        ("IN_PROGRESS", "PENDING"),
        ("CANCELLING", "PENDING"),
        ("CANCELING", "PENDING"),
        ("SOMETHING_NEW", "PENDING"),
        ("completed", "COMPLETED"),
    ],
)
def test_every_word_of_a_job_has_a_meaning_in_both_spellings(word: str, completion: str):
    assert judge_job(1, job(word), (), INDEX, asked=()).completion is JobCompletionStatus(
        completion
    )


@pytest.mark.parametrize(
    ("ended", "mentioned", "expected"),
    [
        # The table of what an object says of itself.
        ("COMPLETED", said(status="COMPLETED"), LOADED),
        ("COMPLETED", said(status="COMPLETED", events_failed=3), WITH_FAILURES),
        ("COMPLETED", said(status="COMPLETED", rows_failed=3), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", said(status="COMPLETED_WITH_FAILURES"), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", said(status="COMPLETED_WITH_FAILURE"), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", said(status="FAILED"), FAILED),
        ("COMPLETED_WITH_FAILURES", said(status="BLOCKED"), FAILED),
        ("COMPLETED_WITH_FAILURES", said(status="INACCESSIBLE"), FAILED),
        ("COMPLETED_WITH_FAILURES", said(status="INCONSISTENT"), FAILED),
        ("COMPLETED", said(status="SKIPPED"), SKIPPED),
        ("COMPLETED", said(status="CANCELLED"), NOT_LOADED),
        ("COMPLETED", said(status="CANCELED"), NOT_LOADED),
        ("CANCELLED", said(status="QUEUED"), NOT_LOADED),
        ("CANCELLED", said(status="IN_PROGRESS"), NOT_LOADED),
        ("FAILED", said(status="PENDING"), NOT_LOADED),
        ("DEFERRED_WITH_FAILURES", said(status="DEFERRED"), NOT_LOADED),
        # What was done before the job ended badly is done.
        ("FAILED", said(status="COMPLETED"), LOADED),
        ("CANCELED", said(status="COMPLETED", events_failed=1), WITH_FAILURES),
        # Words that are not known, and none at all: the job as a whole decides.
        ("COMPLETED", said(status="SOMETHING_NEW"), LOADED),
        ("COMPLETED", said(), LOADED),
        ("COMPLETED", said(events_failed=2), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", said(status="SOMETHING_NEW"), NOT_LOADED),
        ("FAILED", said(status="SOMETHING_NEW"), NOT_LOADED),
        ("CANCELLED", said(), NOT_LOADED),
        ("SKIPPED", said(), NOT_LOADED),
    ],
)
def test_what_a_job_says_of_an_object_decides_its_result(ended, mentioned, expected):
    assert result(job(ended), mentioned) is expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (job("COMPLETED"), NOT_MENTIONED),
        (job("COMPLETED_WITH_FAILURES"), NOT_MENTIONED),
        (job("COMPLETED_WITH_FAILURES", objects_failed=1), NOT_LOADED),
        (job("COMPLETED", objects_skipped=1), NOT_LOADED),
        (job("FAILED"), NOT_LOADED),
        (job("CANCELLED"), NOT_LOADED),
        (job("CANCELED"), NOT_LOADED),
        (job("SKIPPED"), NOT_LOADED),
        (job("DEFERRED_WITH_FAILURE"), NOT_LOADED),
        (job("SOMETHING_NEW"), NOT_LOADED),
    ],
)
def test_an_object_that_is_not_mentioned_is_judged_by_the_job(ended: Job, expected: ObjectResult):
    assert result(ended) is expected


def test_a_named_failure_clears_the_objects_that_are_not_mentioned():
    ended = job("COMPLETED_WITH_FAILURES", objects_failed=1)
    assert result(ended, said("b", "FAILED")) is NOT_MENTIONED


def test_an_object_that_only_lost_events_does_not_make_up_for_a_failed_one_without_a_name():
    ended = job("COMPLETED_WITH_FAILURES", objects_failed=1)
    assert result(ended, said("b", "COMPLETED", events_failed=2)) is NOT_LOADED


def test_somebody_elses_job_tells_nothing_of_objects_that_it_does_not_mention():
    assert result(job("COMPLETED"), said("b", "COMPLETED"), is_adopted=True) is NOT_LOADED


@pytest.mark.parametrize("words", [("FAILED", "COMPLETED"), ("COMPLETED", "FAILED")])
def test_an_object_that_is_listed_twice_is_as_bad_as_the_worse_says(words):
    assert result(job(), *(said(status=word) for word in words)) is FAILED


def test_an_object_we_do_not_know_keeps_an_outcome_of_its_own():
    outcome = judge_job(
        1, job(), [said("new", "COMPLETED", object_name="orders")], INDEX, asked="a"
    )
    assert outcome.objects["new"].name == "orders"
    assert outcome.objects["a"].result is NOT_MENTIONED


def test_the_gravest_objects_are_told_first():
    mentioned = [
        said("a", "COMPLETED", events_failed=1),
        said("c", "FAILED"),
        said("b", "COMPLETED"),
    ]
    outcome = judge_job(1, job("COMPLETED_WITH_FAILURES"), mentioned, INDEX, asked="abc")
    assert [item.object_id for item in outcome.failed_objects] == ["c", "a"]


@pytest.mark.parametrize(
    ("mentioned", "expected"),
    [
        ({"object_id": "b", "object_name": "name_a"}, "b"),
        ({"source_namespace": {"k0": "name_a", "k1": "shop"}}, "a"),
        ({"source_namespace": {"k0": "name_a"}}, "a"),
        ({"object_name": "name_c"}, "c"),
        ({"object_name": "elsewhere"}, None),
        ({}, None),
        ({"object_id": "77", "source_namespace": {"k0": "name_a", "k1": "shop"}}, "a"),
        ({"object_id": "77", "object_name": "name_a"}, "a"),
        (
            {
                "object_id": "77",
                "object_name": "name_a",
                "source_namespace": {"k0": "name_a", "k1": "other"},
            },
            "77",
        ),
        ({"object_id": "77"}, "77"),
    ],
)
def test_an_object_is_found_by_id_then_namespace_then_name(mentioned, expected):
    assert INDEX.identify(JobObject.model_validate(mentioned)) == expected


def test_a_name_that_two_objects_share_finds_neither():
    index = ObjectIndex(
        [KnownObject("a", "orders", "eu.orders"), KnownObject("b", "orders", "us.orders")]
    )
    assert index.identify(said(None, object_name="orders")) is None
    by_path = said(None, source_namespace={"k0": "orders", "k1": "us"})
    assert index.identify(by_path) == "b"


# Arbitrary answers

JOB_WORDS = [*JobStatus.__members__, "CANCELED", "DEFERRED_WITH_FAILURE", "SOMETHING_NEW"]
BAD_WORDS = [
    "FAILED",
    "FAILURE",
    "BLOCKED",
    "INACCESSIBLE",
    "INCONSISTENT",
    "SKIPPED",
    "CANCELLED",
    "CANCELED",
    "QUEUED",
    "PENDING",
    "IN_PROGRESS",
    "DEFERRED",
]
WORDS = [*BAD_WORDS, "COMPLETED", "COMPLETED_WITH_FAILURES", "SUCCESS", "SOMETHING_NEW", None]
COUNTS = st.integers(0, 3)
ENDED = st.builds(job, st.sampled_from(JOB_WORDS), objects_failed=COUNTS, objects_skipped=COUNTS)
MENTIONED = st.lists(
    st.builds(
        said,
        st.sampled_from(["a", "b", "c", "other", None]),
        st.sampled_from(WORDS),
        object_name=st.sampled_from(["name_a", "name_b", "else", None]),
        events_failed=st.none() | COUNTS,
        rows_failed=st.none() | COUNTS,
    ),
    max_size=6,
)


@FEW
@given(ENDED, MENTIONED, st.frozensets(st.sampled_from("abc")), st.booleans())
def test_no_object_that_failed_was_skipped_or_cancelled_is_ever_fresh(
    ended, mentioned, asked, is_adopted
):
    outcome = judge_job(1, ended, mentioned, INDEX, asked=asked, is_adopted=is_adopted)
    for item in mentioned:
        object_id = INDEX.identify(item)
        if object_id is not None and str(item.status) in {*BAD_WORDS, "FAILED", "CANCELLED"}:
            assert not outcome.objects[object_id].result.is_fresh


@FEW
@given(ENDED, MENTIONED, st.frozensets(st.sampled_from("abc")), st.booleans())
def test_every_object_asked_for_has_an_outcome(ended, mentioned, asked, is_adopted):
    outcome = judge_job(1, ended, mentioned, INDEX, asked=asked, is_adopted=is_adopted)
    assert asked <= outcome.objects.keys()
    assert all(key == item.object_id for key, item in outcome.objects.items())


@FEW
@given(ENDED, MENTIONED, st.frozensets(st.sampled_from("abc")))
def test_a_job_that_did_not_load_makes_nothing_fresh_but_what_it_names_as_done(
    ended, mentioned, asked
):
    outcome = judge_job(1, ended, mentioned, INDEX, asked=asked)
    if not ended.status.completion.has_loaded:
        for item in outcome.objects.values():
            assert not item.result.is_fresh or item.status in {
                "COMPLETED",
                "COMPLETED_WITH_FAILURES",
            }


@FEW
@given(ENDED, MENTIONED, st.frozensets(st.sampled_from("abc")))
def test_failed_events_are_never_passed_over(ended, mentioned, asked):
    outcome = judge_job(1, ended, mentioned, INDEX, asked=asked)
    for item in outcome.objects.values():
        assert not (item.events_failed and item.result is LOADED)
