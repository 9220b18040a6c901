"""What is kept between ticks reads back as it was written, whatever it holds, and stays small."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.cursor import (
    FORGOTTEN_AFTER,
    LATE_MS,
    PipelineCursor,
    SensorCursor,
)
from dagster_hevo.job_sensor.open_job import Census, OpenJob
from dagster_hevo.job_sensor.status import status_in
from dagster_hevo.job_sensor.walk import MOST_PAGES_KEPT, Walk

IDS = st.text("abc", min_size=1, max_size=3)
MOMENTS = st.integers(0, 10**10).map(float)
TIMES = st.none() | st.integers(1, 10**13)
CENSUSES = st.builds(
    Census,
    st.none() | IDS,
    st.integers(0, 99),
    st.integers(0, 2**46),
    st.integers(0, 99),
    st.booleans(),
)
OPEN = st.builds(
    OpenJob,
    since=MOMENTS,
    due_at=MOMENTS,
    is_over=st.booleans(),
    failures=st.integers(0, 20),
    changed_ms=TIMES,
    objects_cursor=st.none() | IDS,
    objects_pages=st.integers(0, 99),
    made_ms=TIMES,
    waits_since=st.none() | MOMENTS.filter(bool),
    census=st.none() | CENSUSES,
)
WALKS = st.builds(
    Walk,
    cursor=st.none() | IDS,
    pages=st.integers(0, 99),
    newest_ms=TIMES,
    to_do=st.lists(IDS, max_size=4).map(tuple),
    is_down=st.booleans(),
    is_partial=st.booleans(),
    jobs=st.integers(0, 99),
    unmet=st.integers(0, 99),
    is_cut=st.booleans(),
)
PIPELINES = st.builds(
    PipelineCursor,
    since=st.integers(1, 10**10).map(float),
    begin_ms=TIMES,
    is_new=st.booleans(),
    newest_ms=TIMES,
    old_before_ms=TIMES,
    settled=st.dictionaries(IDS, st.integers(0, 10**13), max_size=4),
    open=st.dictionaries(IDS, OPEN, max_size=4),
    reported=st.frozensets(IDS, max_size=4),
    walk=st.none() | WALKS,
    due_at=MOMENTS,
    polled_at=MOMENTS,
    failures=st.integers(0, 20),
    quiet=st.integers(0, 20),
    written_at=MOMENTS,
    waiting=st.integers(0, 20),
    oldest_ms=TIMES,
    unreadable_since=st.none() | MOMENTS.filter(bool),
    is_unreadable_told=st.booleans(),
    partitions_told_at=MOMENTS,
    tried_ms=TIMES,
    retry_at=MOMENTS,
)
CURSORS = st.builds(
    SensorCursor,
    st.dictionaries(st.integers(1, 5), PIPELINES),
    st.none() | st.booleans(),
    growing_since=st.none() | MOMENTS,
    told_backlog=st.integers(0, 99),
    told_lag=MOMENTS,
    ticked_at=MOMENTS,
    prepare_from=st.integers(0, 99),
)
MADE = 1_700_000_000_000
SOUND_STATUS = {
    "base_url": "https://hevo.example",
    "ticked_at": 1.0,
    "pipelines": 1,
    "polled": 1,
    "behind": 0,
    "jobs": 0,
    "objects": 0,
    "backlog": 0,
    "requests": 1,
    "oldest_seconds": None,
    "took_seconds": 1,
    "was_cut_short": False,
}


@settings(max_examples=50, deadline=None)
@given(CURSORS)
def test_a_cursor_reads_back_as_it_was_written(cursor):
    assert SensorCursor.from_text(cursor.to_text()) == cursor


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from(
                    ["pipelines", "101", "open", "walk", "settled", "due_at", "since", "status"]
                ),
                each,
            )
        ),
    )
)
def test_nothing_that_json_can_hold_breaks_it(content):
    SensorCursor.from_text(json.dumps(content))
    SensorCursor.from_text(json.dumps({"version": 2, "pipelines": content}))
    SensorCursor.from_text(json.dumps({"version": 2, "pipelines": {"101": content}}))


def made_at(ms: int | None, job_id: str = "job") -> Job:
    return Job(job_id=job_id, status="COMPLETED", created_ts=ms)


def walked(cursor: PipelineCursor, *jobs: Job) -> PipelineCursor:
    newest = max((job.created_ts or 0 for job in jobs), default=0) or None
    return cursor.after_walk(Walk(newest_ms=newest))


def test_the_first_walk_makes_no_job_old():
    cursor = walked(PipelineCursor(since=1.0), made_at(MADE, "a"))
    assert not cursor.is_settled(made_at(MADE - 9 * LATE_MS, "left-out"), None)
    cursor = walked(cursor, made_at(MADE + 2 * LATE_MS, "b"))
    assert cursor.is_settled(made_at(MADE - 9 * LATE_MS, "left-out"), None)


def test_a_job_is_old_only_by_what_the_walk_before_the_last_one_saw():
    cursor = walked(PipelineCursor(since=1.0), made_at(MADE, "a"))
    cursor = walked(cursor, made_at(MADE + 5 * LATE_MS, "c"))
    # It was left out of the last answer.
    assert not cursor.is_settled(made_at(MADE + 2 * LATE_MS, "b"), None)
    cursor = walked(cursor, made_at(MADE + 9 * LATE_MS, "d"))
    assert cursor.is_settled(made_at(MADE + 2 * LATE_MS, "b"), None)


def test_an_open_job_is_not_settled_however_old_it_is():
    cursor = walked(PipelineCursor(since=1.0, newest_ms=MADE), made_at(MADE + 9 * LATE_MS))
    cursor = cursor.with_open("old", OpenJob(1.0))
    assert not cursor.is_settled(made_at(MADE - LATE_MS, "old"), None)


def test_a_job_without_a_usable_time_is_never_settled_by_its_age():
    cursor = walked(PipelineCursor(since=1.0, newest_ms=MADE), made_at(MADE + 9 * LATE_MS))
    for odd in (None, 0, 1_700_000_000, MADE * 10):
        assert not cursor.is_settled(made_at(odd, "odd"), MADE + 10 * LATE_MS)


def test_a_walk_that_saw_no_job_makes_none_old():
    cursor = walked(PipelineCursor(since=1.0))
    assert not cursor.is_settled(made_at(MADE), None)


def test_equal_times_are_told_apart_by_their_ids():
    cursor = walked(PipelineCursor(since=1.0).with_settled("a", MADE), made_at(MADE, "a"))
    assert cursor.is_settled(made_at(MADE, "a"), None)
    assert not cursor.is_settled(made_at(MADE, "b"), None)


def test_a_walk_keeps_a_bounded_number_of_pages_and_says_so():
    walk = Walk()
    for number in range(MOST_PAGES_KEPT + 1):
        walk = walk.with_page_to_do(str(number), [str(number)])
    assert len(walk.to_do) == MOST_PAGES_KEPT
    assert walk.to_do[-1] == str(MOST_PAGES_KEPT)
    assert walk.is_partial


def test_a_walk_knows_whether_it_met_the_very_jobs_that_it_saw():
    walk = Walk().with_page_to_do("", ["a", "b"])
    assert walk.without("b").without("a").unmet == 0
    assert walk.without("b").without("c").unmet
    assert walk.without("b").unmet


def test_what_is_due_now_is_due_when_it_is_read_back_at_once():
    cursor = SensorCursor({1: PipelineCursor(since=1000.5, due_at=1000.9)})
    assert SensorCursor.from_text(cursor.to_text()).pipelines[1].due_at <= 1000.9


def test_a_pipeline_that_is_not_followed_is_kept_for_a_week():
    cursor = SensorCursor({1: PipelineCursor(since=1.0, polled_at=1000.0)})
    assert cursor.without_forgotten([], 1000.0 + FORGOTTEN_AFTER - 1).pipelines
    assert not cursor.without_forgotten([], 1000.0 + FORGOTTEN_AFTER + 1).pipelines
    assert cursor.without_forgotten([1], 1000.0 + FORGOTTEN_AFTER + 1).pipelines


def test_it_is_readable_and_names_its_version():
    content = json.loads(SensorCursor({101: PipelineCursor(since=1.0)}).to_text())
    assert content["kind"] == "dagster-hevo job sensor"
    assert content["version"] == 2
    assert content["pipelines"] == {"101": {"since": 1}}


# Damaged cursors: the valid rest is kept


def kept(content: dict[str, Any], **others: Any) -> PipelineCursor:
    """What is read of a pipeline whose other values are in order."""
    pipeline = {"since": 5, "newest_ms": MADE, "settled": {"good": MADE}, **content}
    text = json.dumps({"version": 2, "pipelines": {"101": pipeline, **others}})
    return SensorCursor.from_text(text).pipelines[101]


@pytest.mark.parametrize(
    "content",
    [
        {"open": {"\ud800": {"since": 1}}},
        {"open": {"": {"since": 1}}},
        {"open": {"x" * 1_000_000: {"since": 1}}},
        {"reported": ["\ud800", "x" * 1_000_000, 7, "a\x00b"]},
        {"settled": {"good": MADE, "\ud800": 1, "x" * 1_000_000: 1}},
        {"walk": {"cursor": "\ud800", "to_do": ["\ud801", "y" * 1_000_000], "is_down": True}},
        {"failures": 10**400},
        {"open": {"job": {"since": 1, "failures": -1, "objects_cursor": "\ud800"}}},
    ],
    ids=lambda content: next(iter(content)),
)
def test_what_no_storage_takes_is_left_out_and_the_rest_is_kept(content):
    found = kept(content)
    assert (found.newest_ms, found.settled) == (MADE, {"good": MADE})
    assert SensorCursor({101: found}).to_text().encode()
    assert len(SensorCursor({101: found}).to_text()) < 1000


def test_odd_keys_of_pipelines_are_left_out():
    found = kept({}, **{"1" * 5000: {"since": 1}, "²": {"since": 1}, "-7": {"since": 1}})
    assert found.newest_ms == MADE
    text = json.dumps({"version": 2, "pipelines": {"1" * 5000: {"since": 1}}})
    assert not SensorCursor.from_text(text).pipelines


def test_numbers_of_thousands_of_digits_do_not_hide_the_rest():
    text = json.dumps({"version": 2, "pipelines": {"101": {"since": 5, "newest_ms": MADE}}})
    text = text.replace('"since": 5', '"quiet": ' + "9" * 5000 + ', "since": 5')
    assert SensorCursor.from_text(text).pipelines[101].newest_ms == MADE


def test_a_cursor_of_many_entries_is_read_in_part():
    entries = {f"job-{number}": 1 for number in range(50_000)}
    opened = {f"job-{number}": {"since": 1} for number in range(50_000)}
    found = kept({"settled": entries, "open": opened, "reported": list(entries)})
    assert max(len(found.settled), len(found.open), len(found.reported)) <= 5000


def test_times_that_cannot_be_are_searched_for_in_the_ledger():
    ahead = MADE * 10
    found = kept({"newest_ms": ahead, "old_before_ms": ahead}).made_sane(MADE / 1000)
    assert found.is_new
    assert found.newest_ms is None
    assert found.old_before_ms is None
    assert "good" in found.settled


def test_local_times_far_ahead_do_not_stop_the_polling():
    now = MADE / 1000
    odd = PipelineCursor(since=9e10, due_at=9e10, polled_at=9e10, written_at=9e10, retry_at=9e10)
    found = odd.made_sane(now)
    assert found.since < now
    assert found.due_at <= now
    assert found.polled_at <= now
    assert found.retry_at <= now + 24 * 3600


@pytest.mark.parametrize("odd", [{"base_url": []}, {"jobs": "many"}, {"ticked_at": None}, {}])
def test_a_status_that_is_damaged_is_none(odd):
    status = {**SOUND_STATUS, **odd}
    content = {"kind": "dagster-hevo job sensor", "version": 2, "status": status}
    assert (status_in(json.dumps(content)) is None) is bool(odd)
