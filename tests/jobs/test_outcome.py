"""What became of each object: the table, every word in both spellings, and arbitrary answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.enums import JobCompletionStatus, JobStatus
from dagster_hevo.api.models import Job, JobObject
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
from dagster_hevo.jobs.outcome import JobOutcome, ObjectResult, list_agrees, outcome_of_job

FEW = settings(max_examples=100, deadline=None)

INDEX = ObjectIndex(KnownObject(each, f"name_{each}", f"shop.name_{each}") for each in "abc")

LOADED, BY_COUNT = ObjectResult.LOADED, ObjectResult.LOADED_BY_COUNT
WITH_FAILURES, FAILED = ObjectResult.LOADED_WITH_FAILURES, ObjectResult.FAILED
SKIPPED, NOT_INCLUDED = ObjectResult.SKIPPED, ObjectResult.NOT_INCLUDED
NOT_LOADED, NOT_PROVEN = ObjectResult.NOT_LOADED, ObjectResult.NOT_PROVEN


def job(status: str = "COMPLETED", **counts: int) -> Job:
    return Job.model_validate({"job_id": "j", "type": "RESYNC", "status": status, **counts})


def counts(success: int = 0, **others: int) -> dict[str, int]:
    return {"objects_success": success, **{f"objects_{key}": n for key, n in others.items()}}


def listed(object_id: str | None = "a", status: str | None = None, **more) -> JobObject:
    return JobObject.model_validate({"object_id": object_id, "status": status, **more})


def done(*object_ids: str) -> tuple[JobObject, ...]:
    return tuple(listed(object_id, "COMPLETED") for object_id in object_ids)


def outcome(
    ended: Job, *objects: JobObject, requested: str = "a", possible: str = "", **given
) -> JobOutcome:
    return outcome_of_job(
        1, ended, objects, INDEX, requested=set(requested), possible=set(possible), **given
    )


def result(ended: Job, *objects: JobObject, of: str = "a", possible: str = "") -> ObjectResult:
    return outcome(ended, *objects, requested=of, possible=possible).objects[of].result


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
def test_every_status_of_a_job_has_a_meaning_in_both_spellings(word: str, completion: str):
    assert outcome(job(word), requested="").completion is JobCompletionStatus(completion)


# Objects that the job lists


@pytest.mark.parametrize(
    ("ended", "entry", "expected"),
    [
        # The table of what an object says of itself.
        ("COMPLETED", listed(status="COMPLETED"), LOADED),
        ("COMPLETED", listed(status="SUCCESS"), LOADED),
        ("COMPLETED", listed(status="COMPLETED", events_failed=3), WITH_FAILURES),
        ("COMPLETED", listed(status="COMPLETED", rows_failed=3), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", listed(status="COMPLETED_WITH_FAILURES"), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", listed(status="COMPLETED_WITH_FAILURE"), WITH_FAILURES),
        ("COMPLETED_WITH_FAILURES", listed(status="FAILED"), FAILED),
        ("COMPLETED_WITH_FAILURES", listed(status="BLOCKED"), FAILED),
        ("COMPLETED_WITH_FAILURES", listed(status="INACCESSIBLE"), FAILED),
        ("COMPLETED_WITH_FAILURES", listed(status="INCONSISTENT"), FAILED),
        ("COMPLETED", listed(status="SKIPPED"), SKIPPED),
        ("COMPLETED", listed(status="CANCELLED"), NOT_LOADED),
        ("COMPLETED", listed(status="CANCELED"), NOT_LOADED),
        ("CANCELLED", listed(status="QUEUED"), NOT_LOADED),
        ("CANCELLED", listed(status="IN_PROGRESS"), NOT_LOADED),
        ("FAILED", listed(status="PENDING"), NOT_LOADED),
        ("DEFERRED_WITH_FAILURES", listed(status="DEFERRED"), NOT_LOADED),
        # A list that lags behind the job's end.
        ("COMPLETED", listed(status="QUEUED"), NOT_PROVEN),
        ("COMPLETED", listed(status="IN_PROGRESS"), NOT_PROVEN),
        # What was done before the job ended badly is done.
        ("FAILED", listed(status="COMPLETED"), LOADED),
        ("CANCELED", listed(status="COMPLETED", events_failed=1), WITH_FAILURES),
        # Words that are not known, and none at all, prove nothing.
        ("COMPLETED", listed(status="SOMETHING_NEW"), NOT_PROVEN),
        ("COMPLETED", listed(), NOT_PROVEN),
        ("COMPLETED_WITH_FAILURES", listed(status="SOMETHING_NEW"), NOT_PROVEN),
        ("FAILED", listed(status="SOMETHING_NEW"), NOT_LOADED),
        ("CANCELLED", listed(), NOT_LOADED),
        ("SKIPPED", listed(), NOT_LOADED),
    ],
)
def test_what_a_job_says_of_an_object_decides_its_result(ended, entry, expected):
    assert result(job(ended), entry) is expected


@pytest.mark.parametrize(
    ("ended", "entry", "expected"),
    [
        (job(**counts(1)), listed(status="SOMETHING_NEW"), LOADED),
        (job(**counts(2)), listed(), LOADED),
        (job(**counts(1)), listed(events_failed=2), WITH_FAILURES),
        (job(**counts(1, failed=1)), listed(), NOT_PROVEN),
        (job(**counts(1, skipped=1)), listed(), NOT_PROVEN),
        (job(**counts(1, queued=1)), listed(), NOT_PROVEN),
        (job("FAILED", **counts(1)), listed(), NOT_LOADED),
        (job(**counts(1)), listed(status="FAILED"), FAILED),
        (job(**counts(1)), listed(status="QUEUED"), NOT_PROVEN),
    ],
)
def test_an_object_of_unknown_status_is_fresh_where_every_object_succeeded(ended, entry, expected):
    assert result(ended, entry) is expected


@pytest.mark.parametrize("word", [None, "DONE"])
def test_fewer_successes_than_listed_objects_prove_nothing_of_each(word):
    entries = [listed(object_id, word) for object_id in ("a", "b", "c")]
    found = outcome(job(**counts(1)), *entries)
    assert {item.result for item in found.objects.values()} == {NOT_PROVEN}


@pytest.mark.parametrize("words", [("FAILED", "COMPLETED"), ("COMPLETED", "FAILED")])
def test_an_object_that_is_listed_twice_counts_as_the_worse(words):
    assert result(job(), *(listed(status=word) for word in words)) is FAILED


def test_an_object_that_is_not_ours_keeps_an_outcome_of_its_own():
    found = outcome(job(), listed("new", "COMPLETED", object_name="orders"))
    assert found.objects["new"].name == "orders"
    assert not found.objects["a"].result.is_fresh


# Objects that the job does not list


@pytest.mark.parametrize(
    ("ended", "entries", "possible", "expected"),
    [
        # The list is complete by the job's counts.
        (job(**counts(2)), done("b", "c"), "abc", NOT_INCLUDED),
        (job(**counts(1, failed=1)), done("b", "c"), "abc", NOT_INCLUDED),
        # The counts leave nothing but the requested objects.
        (job(**counts(3)), done("b", "c"), "abc", BY_COUNT),
        (job(**counts(3)), (), "abc", BY_COUNT),
        (job(**counts(1)), (), "a", BY_COUNT),
        (job("COMPLETED_WITH_FAILURES", **counts(3)), done("b", "c"), "abc", BY_COUNT),
        # They do not.
        (job(**counts(2)), done("b"), "abc", NOT_PROVEN),
        (job(**counts(2)), (), "abc", NOT_PROVEN),
        (job(**counts(2, failed=1)), done("b", "c"), "abc", NOT_PROVEN),
        (job(**counts(2, skipped=1)), done("b", "c"), "abc", NOT_PROVEN),
        (job(**counts(2, queued=1)), done("b", "c"), "abc", NOT_PROVEN),
        (job(**counts(3)), (listed("z", "COMPLETED"), *done("b")), "abc", NOT_PROVEN),
        (job(**counts(3)), (listed(None, "COMPLETED"), *done("b")), "abc", NOT_PROVEN),
        (job(**counts(3)), done("b", "c"), "", NOT_PROVEN),
        (job(**counts(3)), done("b", "c"), "bc", NOT_PROVEN),
        (job(), (), "abc", NOT_PROVEN),
        (job(), done("b"), "abc", NOT_PROVEN),
        # The job did not load.
        (job("FAILED", **counts(3)), done("b", "c"), "abc", NOT_LOADED),
        (job("CANCELLED"), (), "abc", NOT_LOADED),
        (job("CANCELED"), (), "abc", NOT_LOADED),
        (job("SKIPPED"), (), "abc", NOT_LOADED),
        (job("DEFERRED_WITH_FAILURE"), (), "abc", NOT_LOADED),
        (job("SOMETHING_NEW", **counts(3)), (), "abc", NOT_LOADED),
    ],
)
def test_an_object_that_is_not_listed_is_fresh_by_the_counts_alone(
    ended, entries, possible, expected
):
    assert result(ended, *entries, possible=possible) is expected


@pytest.mark.parametrize(
    ("failed_in_job", "failed_in_list", "expected"), [(3, 0, True), (3, 3, False), (0, 0, False)]
)
def test_failed_events_that_nothing_accounts_for_may_be_of_an_unlisted_object(
    failed_in_job, failed_in_list, expected
):
    ended = job("COMPLETED_WITH_FAILURES", events_failed=failed_in_job, **counts(2))
    entry = listed("b", "COMPLETED", events_failed=failed_in_list)
    found = outcome(ended, entry, possible="ab").objects["a"]
    assert found.result is BY_COUNT
    assert found.has_unexplained_failures is expected
    assert found.is_good is not expected


def test_a_foreign_job_tells_nothing_of_objects_that_it_does_not_list():
    found = outcome(job(**counts(2)), *done("b"), is_adopted=True)
    assert found.objects["a"].result is NOT_PROVEN


def test_the_gravest_objects_are_told_first():
    entries = [
        listed("a", "COMPLETED", events_failed=1),
        listed("c", "FAILED"),
        listed("b", "COMPLETED"),
    ]
    found = outcome(job("COMPLETED_WITH_FAILURES"), *entries, requested="abc")
    assert [item.object_id for item in found.problem_objects] == ["c", "a"]


# Whether the list has caught up with the job


@pytest.mark.parametrize(
    ("ended", "entries", "expected"),
    [
        (job(**counts(2)), done("a", "b"), True),
        (job(**counts(2)), done("a"), False),
        (job(**counts(2)), (), False),
        (job(), (), False),
        (job(), done("a"), True),
        (job(**counts(1, skipped=1)), done("a", "b"), False),
        (job(**counts(1, skipped=1)), (*done("a"), listed("b", "SKIPPED")), True),
        (job(**counts(1, failed=1)), (*done("a"), listed("b", "SKIPPED")), False),
        (job(**counts(1, failed=1)), (*done("a"), listed("b", "FAILED")), True),
        (job(**counts(2)), (*done("a"), listed("b", "QUEUED")), False),
        (job(**counts(2)), (*done("a"), listed("b", "IN_PROGRESS")), False),
        (job("CANCELLED", **counts(1, queued=1)), (*done("a"), listed("b", "QUEUED")), True),
        (job(**counts(2)), (*done("a"), listed("b", "SOMETHING_NEW")), True),
        (job(**counts(1)), done("a", "b"), True),
        (job(**counts(1, failed=1)), (*done("a"), listed("b", None)), False),
        (job(**counts(2)), (*done("a"), listed("b", None)), True),
        (job(), (*done("a"), listed("b", None)), False),
    ],
)
def test_a_list_agrees_with_the_counts_of_its_job(ended, entries, expected):
    assert list_agrees(ended, entries) is expected


def test_without_counts_a_list_agrees_when_it_has_all_requested_objects():
    assert not list_agrees(job(), done("a"), not_listed={"b"})
    assert list_agrees(job(), done("a", "b"), not_listed=())
    assert list_agrees(job(**counts(1)), done("a"), not_listed={"b"})


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
ENDED = st.builds(
    job,
    st.sampled_from(JOB_WORDS),
    objects_success=COUNTS,
    objects_failed=COUNTS,
    objects_skipped=COUNTS,
    objects_queued=COUNTS,
    events_failed=COUNTS,
)
LISTED = st.lists(
    st.builds(
        listed,
        st.sampled_from(["a", "b", "c", "other", None]),
        st.sampled_from(WORDS),
        object_name=st.sampled_from(["name_a", "name_b", "else", None]),
        events_failed=st.none() | COUNTS,
        rows_failed=st.none() | COUNTS,
    ),
    max_size=6,
)
SOME = st.lists(st.sampled_from("abc"), unique=True).map("".join)


@FEW
@given(ENDED, LISTED, SOME, SOME, st.booleans())
def test_no_object_that_failed_was_skipped_or_cancelled_is_ever_fresh(
    ended, entries, requested, possible, is_adopted
):
    found = outcome(ended, *entries, requested=requested, possible=possible, is_adopted=is_adopted)
    for item in entries:
        object_id = INDEX.identify(item, by_id=INDEX.lists_by_id(entries))
        if object_id is not None and str(item.status) in {*BAD_WORDS, "FAILED", "CANCELLED"}:
            assert not found.objects[object_id].result.is_fresh


@FEW
@given(ENDED, LISTED, SOME, SOME, st.booleans())
def test_every_requested_object_has_an_outcome(ended, entries, requested, possible, is_adopted):
    found = outcome(ended, *entries, requested=requested, possible=possible, is_adopted=is_adopted)
    assert set(requested) <= found.objects.keys()
    assert all(key == item.object_id for key, item in found.objects.items())


@FEW
@given(ENDED, LISTED, SOME, SOME)
def test_a_job_that_did_not_load_makes_nothing_fresh_but_what_it_lists_as_done(
    ended, entries, requested, possible
):
    found = outcome(ended, *entries, requested=requested, possible=possible)
    if not ended.status.completion.has_loaded:
        for item in found.objects.values():
            assert not item.result.is_fresh or item.status in {
                "COMPLETED",
                "COMPLETED_WITH_FAILURES",
            }


@FEW
@given(ENDED, LISTED, SOME, SOME)
def test_unlisted_objects_are_fresh_only_where_the_job_counts_that_many_more(
    ended, entries, requested, possible
):
    found = outcome(ended, *entries, requested=requested, possible=possible)
    by_count = [item for item in found.objects.values() if item.result is BY_COUNT]
    fresh = [item for item in found.objects.values() if item.result.is_fresh]
    if by_count:
        assert len(fresh) <= ended.objects_success
        assert not ended.objects_failed + ended.objects_skipped + ended.objects_queued


@FEW
@given(ENDED, LISTED, SOME)
def test_failed_events_are_never_passed_over(ended, entries, requested):
    found = outcome(ended, *entries, requested=requested)
    for item in found.objects.values():
        assert not (item.events_failed and item.result is LOADED)
