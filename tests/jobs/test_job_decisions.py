"""What to ask for, which job came of it, and what the ledger's notes mean: on plain values."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.enums import JobStatus, JobType, ResyncMode
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.finding import LOOKS_WHILE_DOUBTFUL, Inspection, find_new_job
from dagster_hevo.jobs.job_list import running_job, shows_newest_first
from dagster_hevo.jobs.ledger import Claim, Entry, Mark, MemoryLedger, Note, NoteKind
from dagster_hevo.jobs.plan import Kinship, SyncAction, SyncPlan, plan_sync

FEW = settings(max_examples=50, deadline=None)

WORDS = [*JobStatus.__members__, "CANCELED", "DEFERRED_WITH_FAILURE", "SOMETHING_NEW"]
TYPES = [*JobType.__members__, "SOMETHING_NEW", None]
OBJECTS = ("a", "b", "c")


def job(job_id: str = "j", type: str | None = "RESYNC", status: str = "IN_PROGRESS", **more) -> Job:
    return Job.model_validate({"job_id": job_id, "type": type, "status": status, **more})


def plan(*wanted: str, action: SyncAction = SyncAction.RESYNC) -> SyncPlan:
    return plan_sync(1, wanted or OBJECTS, OBJECTS, action=action)


# What to ask for


def test_wanting_every_active_object_resyncs_the_pipeline():
    assert plan_sync(1, ["a", "b"], ["b", "a"]).object_ids is None


def test_wanting_some_resyncs_just_those():
    assert plan_sync(1, ["a"], ["a", "b"]).object_ids == {"a"}


def test_a_sync_now_takes_the_whole_pipeline_whatever_is_wanted():
    made = plan_sync(1, ["a"], ["a", "b"], action=SyncAction.SYNC_NOW)
    assert made.object_ids is None
    assert made.active_ids == {"a", "b"}


def test_wanting_nothing_is_an_error():
    with pytest.raises(ValueError, match="nothing to ask"):
        plan_sync(1, [], ["a"])


def test_the_same_wish_has_the_same_key_in_whatever_order_it_is_made():
    assert plan_sync(1, ["a", "b"], OBJECTS).key == plan_sync(1, ["b", "a"], OBJECTS).key


def test_different_wishes_have_different_keys():
    wishes = [
        plan_sync(pipeline_id, wanted, OBJECTS, action=action, resync_mode=mode)
        for pipeline_id in (1, 2)
        for wanted in (["a"], ["b"], ["a", "b"], OBJECTS)
        for action in (SyncAction.RESYNC,)
        for mode in ResyncMode
    ]
    wishes.append(plan_sync(1, OBJECTS, OBJECTS, action=SyncAction.SYNC_NOW))
    assert len({wish.key for wish in wishes}) == len(wishes)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (plan(), "resync pipeline 1"),
        (plan("a"), "resync 1 object of pipeline 1"),
        (plan("a", "b"), "resync 2 objects of pipeline 1"),
        (plan(action=SyncAction.SYNC_NOW), "sync pipeline 1 now"),
    ],
)
def test_a_wish_reads_as_words(wish: SyncPlan, sentence: str):
    assert str(wish) == sentence


OURS, FOREIGN, DOUBTFUL = Kinship.OURS, Kinship.FOREIGN, Kinship.DOUBTFUL


@pytest.mark.parametrize(
    ("wish", "type", "objects", "expected"),
    [
        (plan(), "RESYNC", "", OURS),
        (plan(), "RESYNC_WITH_DROP_AND_LOAD", "", OURS),
        (plan(), "RESYNC_WITH_EVOLVE", "", OURS),
        (plan(), "TRUNCATE_AND_LOAD", "", OURS),
        (plan(), "INCREMENTAL", "abc", FOREIGN),
        (plan(), "REFRESHER", "abc", FOREIGN),
        (plan(), "HISTORICAL", "abc", OURS),
        (plan(), "HISTORICAL", "ab", DOUBTFUL),
        (plan(), "HISTORICAL", "", DOUBTFUL),
        (plan(), "SOMETHING_NEW", "abcd", OURS),
        (plan(), None, "", DOUBTFUL),
        (plan("a", "b"), "HISTORICAL", "ab", OURS),
        (plan("a", "b"), "HISTORICAL", "a", DOUBTFUL),
        (plan("a", "b"), "HISTORICAL", "", DOUBTFUL),
        (plan("a", "b"), "HISTORICAL", "abc", FOREIGN),
        (plan("a", "b"), "HISTORICAL", "c", FOREIGN),
        (plan("a", "b"), "INCREMENTAL", "ab", FOREIGN),
        (plan("a", "b"), "REFRESHER", "", FOREIGN),
        (plan("a", "b"), "RESYNC", "abc", FOREIGN),
        (plan("a", "b"), "SOMETHING_NEW", "ab", OURS),
        (plan("a", "b"), None, "ab", OURS),
        (plan(action=SyncAction.SYNC_NOW), "INCREMENTAL", "", OURS),
        (plan(action=SyncAction.SYNC_NOW), "HISTORICAL", "", OURS),
        (plan(action=SyncAction.SYNC_NOW), "SOMETHING_NEW", "", OURS),
        (plan(action=SyncAction.SYNC_NOW), None, "", OURS),
        (plan(action=SyncAction.SYNC_NOW), "RESYNC", "", FOREIGN),
        (plan(action=SyncAction.SYNC_NOW), "TRUNCATE_AND_LOAD", "", FOREIGN),
    ],
)
def test_a_new_job_is_told_by_its_type_and_its_objects(
    wish: SyncPlan, type: str | None, objects: str, expected: Kinship
):
    assert wish.kinship(job(type=type), objects) is expected


# Which job came of it


def looked(objects: str, looks: int = LOOKS_WHILE_DOUBTFUL) -> Inspection:
    return Inspection(frozenset(objects), looks)


def test_a_job_that_says_nothing_of_its_objects_is_ours_after_several_looks():
    finding = find_new_job(
        plan("a"), Mark(frozenset()), [job("x", "HISTORICAL")], inspections={"x": looked("")}
    )
    assert finding.ours is not None


def test_a_job_is_looked_into_before_it_is_called_ours():
    finding = find_new_job(plan("a"), Mark(frozenset()), [job("x", "HISTORICAL")])
    assert finding.ours is None
    assert [each.job_id for each in finding.to_inspect] == ["x"]


def test_a_whole_resync_never_takes_a_part_that_does_not_grow():
    finding = find_new_job(
        plan(), Mark(frozenset()), [job("x", "HISTORICAL")], inspections={"x": looked("ab")}
    )
    assert finding.ours is None
    assert [each.job_id for each in finding.foreign] == ["x"]


def test_a_certain_job_goes_before_an_older_doubtful_one():
    jobs = [job("x", "HISTORICAL", created_ts=1), job("y", "HISTORICAL", created_ts=2)]
    seen = {"x": looked(""), "y": looked("a", 1)}
    finding = find_new_job(plan("a"), Mark(frozenset()), jobs, inspections=seen)
    assert finding.ours is not None
    assert finding.ours.job_id == "y"


def test_of_two_that_cannot_be_told_apart_the_older_is_ours():
    jobs = [job("x", created_ts=2), job("y", created_ts=1)]
    finding = find_new_job(plan(), Mark(frozenset()), jobs)
    assert finding.ours is not None
    assert finding.ours.job_id == "y"


IDS = st.sampled_from([f"j{number}" for number in range(8)])
JOBS = st.lists(
    st.builds(
        job,
        IDS,
        st.sampled_from(TYPES),
        st.sampled_from(WORDS),
        created_ts=st.none() | st.integers(0, 20),
    ),
    unique_by=lambda each: each.job_id,
    max_size=8,
)
MARKS = st.builds(
    Mark, st.frozensets(IDS, max_size=4), st.none() | st.integers(0, 20), st.booleans()
)
PLANS = st.sampled_from([plan(), plan("a"), plan("a", "b"), plan(action=SyncAction.SYNC_NOW)])
SEEN = st.dictionaries(
    IDS, st.builds(Inspection, st.frozensets(st.sampled_from("abcd")), st.integers(0, 4))
)
EXCLUDED = st.frozensets(IDS, max_size=4)


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED, SEEN)
def test_no_job_of_the_mark_and_none_excluded_is_ever_ours(wish, mark, jobs, excluded, seen):
    ours = find_new_job(wish, mark, jobs, excluded=excluded, inspections=seen).ours
    assert ours is None or (ours.job_id not in mark.job_ids and ours.job_id not in excluded)


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED, SEEN, st.randoms(use_true_random=False))
def test_the_order_of_the_list_decides_nothing(wish, mark, jobs, excluded, seen, random):
    other = list(jobs)
    random.shuffle(other)
    found = [
        find_new_job(wish, mark, order, excluded=excluded, inspections=seen)
        for order in (jobs, other)
    ]
    assert found[0] == found[1]


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED, SEEN)
def test_a_resync_never_takes_a_routine_job(wish, mark, jobs, excluded, seen):
    ours = find_new_job(wish, mark, jobs, excluded=excluded, inspections=seen).ours
    if ours is not None and wish.action is SyncAction.RESYNC and ours.type is not None:
        assert not ours.type.is_routine


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED, SEEN)
def test_an_object_resync_never_takes_a_job_with_other_objects(wish, mark, jobs, excluded, seen):
    ours = find_new_job(wish, mark, jobs, excluded=excluded, inspections=seen).ours
    if ours is not None and wish.object_ids is not None and ours.job_id in seen:
        assert seen[ours.job_id].object_ids <= wish.object_ids


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED, SEEN, st.sampled_from(WORDS))
def test_the_state_of_a_job_does_not_decide_whose_it_is(wish, mark, jobs, excluded, seen, word):
    turned = [each.model_copy(update={"status": JobStatus(word)}) for each in jobs]
    before = find_new_job(wish, mark, jobs, excluded=excluded, inspections=seen).ours
    after = find_new_job(wish, mark, turned, excluded=excluded, inspections=seen).ours
    assert (before and before.job_id) == (after and after.job_id)


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED, SEEN)
def test_every_new_job_is_accounted_for_at_most_once(wish, mark, jobs, excluded, seen):
    finding = find_new_job(wish, mark, jobs, excluded=excluded, inspections=seen)
    sorted_out = [each.job_id for each in (*finding.to_inspect, *finding.foreign)]
    assert len(sorted_out) == len(set(sorted_out))
    assert finding.ours is None or finding.ours.job_id not in sorted_out


@FEW
@given(PLANS, MARKS, JOBS, EXCLUDED)
def test_looking_often_enough_leaves_no_doubt(wish, mark, jobs, excluded):
    seen = {each.job_id: looked("a") for each in jobs}
    assert not find_new_job(wish, mark, jobs, excluded=excluded, inspections=seen).to_inspect


# The mark


def test_a_job_that_was_there_is_not_new():
    assert Mark.of([job("x")]).new_among([job("x"), job("y")]) == (job("y"),)


def test_an_old_job_from_a_later_page_is_not_new():
    mark = Mark.of([job("x", created_ts=100)], is_complete=False)
    assert not mark.is_new(job("old", created_ts=99))


@pytest.mark.parametrize("created_ts", [100, 101, None])
def test_a_job_that_may_be_younger_than_the_mark_is_new(created_ts: int | None):
    mark = Mark.of([job("x", created_ts=100)], is_complete=False)
    assert mark.is_new(job("y", created_ts=created_ts))


def test_where_all_jobs_were_seen_even_one_with_an_early_time_is_new():
    assert Mark.of([job("x", created_ts=100)]).is_new(job("y", created_ts=5))


def test_a_job_listed_twice_is_one():
    assert len(Mark(frozenset()).new_among([job("x"), job("x", status="COMPLETED")])) == 1


@FEW
@given(MARKS, JOBS)
def test_new_jobs_are_told_the_oldest_first(mark, jobs):
    new = mark.new_among(jobs)
    times = [each.created_ts or 0 for each in new]
    assert times == sorted(times)


# The ledger


def note(kind: str, job_id: str | None = None, **more) -> Note:
    mark = Mark(frozenset({"old"}), 7, False) if kind == "marked" else None
    return Note(NoteKind(kind), "wish", 1, mark=mark, job_id=job_id, **more)


@pytest.mark.parametrize(
    ("notes", "is_open", "job_id", "has_mark"),
    [
        ([], False, None, False),
        ([note("marked")], True, None, True),
        ([note("marked"), note("refused")], False, None, False),
        ([note("marked"), note("claimed", "x")], True, "x", True),
        ([note("marked"), note("claimed", "x"), note("closed")], False, None, False),
        ([note("marked"), note("claimed", "x"), note("released", "x")], True, None, True),
        ([note("marked"), note("claimed", "x"), note("released", "y")], True, "x", True),
        ([note("marked"), note("claimed", "x"), note("marked")], True, None, True),
        ([note("claimed", "x")], True, "x", False),
        ([note("closed"), note("marked")], True, None, True),
        ([note("closed"), note("released", "x")], False, None, False),
        ([note("marked"), note("closed"), note("refused")], False, None, False),
    ],
)
def test_what_the_notes_of_a_wish_say_together(notes, is_open, job_id, has_mark):
    entry = Entry.of(notes)
    assert (entry.is_open, entry.job_id, entry.mark is not None) == (is_open, job_id, has_mark)


def test_a_released_job_is_remembered_as_not_ours_until_the_next_mark():
    notes = [note("marked"), note("released", "x")]
    assert Entry.of(notes).not_ours == {"x"}
    assert Entry.of([*notes, note("marked")]).not_ours == frozenset()


NOTES = st.lists(
    st.builds(
        note, st.sampled_from([kind.value for kind in NoteKind]), IDS, is_adopted=st.booleans()
    )
)


@FEW
@given(NOTES, st.sampled_from(["closed", "refused"]), st.lists(IDS))
def test_an_ended_wish_stays_ended_until_it_is_begun_anew(notes, end, released):
    after = [note("released", job_id) for job_id in released]
    assert not Entry.of([*notes, note(end), *after]).is_open


@FEW
@given(NOTES)
def test_an_open_wish_has_a_beginning_after_its_last_end(notes):
    entry = Entry.of(notes)
    ends = [place for place, each in enumerate(notes) if each.kind.value in {"closed", "refused"}]
    since = notes[ends[-1] + 1 :] if ends else notes
    assert entry.is_open == any(each.kind.value in {"marked", "claimed"} for each in since)


@FEW
@given(NOTES)
def test_notes_come_back_as_they_were_written(notes):
    assert [Note.from_json(each.to_json()) for each in notes] == notes


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        "no json",
        "[]",
        {},
        {"kind": "marked"},
        {"kind": "brand_new", "wish": "w", "pipeline_id": 1},
        {"kind": "marked", "wish": "w", "pipeline_id": "one"},
        {"kind": "marked", "wish": "w", "pipeline_id": 1, "mark": {"job_ids": None}},
    ],
)
def test_a_note_that_is_not_understood_is_none(content):
    assert Note.from_json(content) is None


@FEW
@given(
    st.lists(
        st.builds(Claim, st.just("j"), IDS, st.floats(0, 9)),
        min_size=2,
        unique_by=lambda c: c.run_id,
    )
)
def test_of_several_claims_every_process_finds_the_same_first(claims):
    first = [
        each
        for each in claims
        if not any(other.stands_before(each) for other in claims if other is not each)
    ]
    assert len(first) == 1


def test_the_memory_ledger_forgets_a_closed_wish():
    ledger, wish = MemoryLedger(), plan()
    ledger.write(Note(NoteKind.MARKED, wish.key, 1, mark=Mark(frozenset())), "marked")
    is_open = ledger.open_entry(wish) is not None
    ledger.write(Note(NoteKind.CLOSED, wish.key, 1), "closed")
    assert is_open
    assert ledger.open_entry(wish) is None


# The list of jobs


def at(*states: str, times: Iterable[int | None] | None = None) -> list[Job]:
    moments = list(times) if times is not None else list(range(len(states)))
    return [
        job(str(place), status=state, created_ts=moment)
        for place, (state, moment) in enumerate(zip(states, moments, strict=True))
    ]


@pytest.mark.parametrize(
    ("jobs", "busy", "busy_as_hevo_says"),
    [
        ([], None, None),
        (at("COMPLETED", "FAILED", "CANCELED", "SKIPPED"), None, None),
        (at("COMPLETED", "IN_PROGRESS"), "1", "1"),
        (at("IN_PROGRESS", "COMPLETED"), "0", "0"),
        (at("CANCELLING", "COMPLETED"), "0", "0"),
        (at("COMPLETED", "DEFERRED"), "1", "1"),
        (at("DEFERRED", "COMPLETED"), None, None),
        (at("COMPLETED", "DEFERRED_WITH_FAILURE"), None, None),
        (at("COMPLETED", "SOMETHING_NEW"), None, "1"),
        (at("SOMETHING_NEW", "COMPLETED"), None, None),
        (at("SOMETHING_NEW", "COMPLETED", times=[None, None]), None, "0"),
    ],
)
def test_which_job_keeps_the_pipeline_busy(jobs, busy, busy_as_hevo_says):
    for order in (jobs, jobs[::-1]):
        running = running_job(order)
        told = running_job(order, also_unknown=True)
        assert (running and running.job_id) == busy
        assert (told and told.job_id) == busy_as_hevo_says


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (range(20, 0, -1), True),
        (range(20), False),
        ([*range(20, 10, -1), 11], True),
        ([*range(20, 10, -1), 12], False),
        ([5] * 20, False),
        ([5, *[4] * 12], True),
        (range(9, 0, -1), False),
        ([*range(20, 5, -1), None], False),
        ([], False),
    ],
)
def test_a_list_shows_its_order_only_where_enough_jobs_grow_older(times, expected):
    listed = list(times)
    assert shows_newest_first(at(*["COMPLETED"] * len(listed), times=listed)) is expected
