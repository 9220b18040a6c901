"""What is kept between ticks reads back as it was written, whatever it holds, and stays small."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.models import Job
from dagster_hevo.job_sensor.cursor import (
    FORGOTTEN_AFTER,
    LATE_MS,
    MOST_PAGES_KEPT,
    OpenJob,
    PipelineCursor,
    SensorCursor,
    Walk,
)

IDS = st.text("abc", min_size=1, max_size=3)
MOMENTS = st.integers(0, 10**10).map(float)
TIMES = st.none() | st.integers(1, 10**13)
OPEN = st.builds(
    OpenJob, MOMENTS, MOMENTS, st.booleans(), st.integers(0, 20), TIMES, st.none() | IDS
)
WALKS = st.builds(
    Walk,
    st.none() | IDS,
    st.integers(0, 99),
    TIMES,
    st.lists(IDS, max_size=4).map(tuple),
    st.booleans(),
    st.booleans(),
    st.integers(0, 99),
    st.integers(0, 99),
)
PIPELINES = st.builds(
    PipelineCursor,
    st.integers(1, 10**10).map(float),
    TIMES,
    TIMES,
    st.dictionaries(IDS, st.integers(0, 10**13), max_size=4),
    st.dictionaries(IDS, OPEN, max_size=4),
    st.frozensets(IDS, max_size=4),
    st.none() | WALKS,
    MOMENTS,
    MOMENTS,
    st.integers(0, 20),
    st.integers(0, 20),
    MOMENTS,
    st.integers(0, 20),
    TIMES,
)
CURSORS = st.builds(
    SensorCursor,
    st.dictionaries(st.integers(1, 5), PIPELINES),
    st.none() | st.booleans(),
    growing_since=st.none() | MOMENTS,
    told_backlog=st.integers(0, 99),
    told_lag=MOMENTS,
)
MADE = 1_700_000_000_000


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
