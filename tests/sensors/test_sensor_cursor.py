"""What is kept between ticks reads back as it was written, whatever it holds."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.cursor import JobCursor
from dagster_hevo.sensor_cursor import FORGOTTEN_AFTER, PipelineCursor, SensorCursor

IDS = st.text("abc", min_size=1, max_size=3)
MOMENTS = st.integers(0, 10**10).map(float)
JOBS = st.builds(
    JobCursor,
    st.none() | st.integers(1, 10**13),
    st.frozensets(IDS, max_size=4),
    st.frozensets(IDS, max_size=4),
)
PIPELINES = st.builds(
    PipelineCursor,
    JOBS,
    MOMENTS,
    st.integers(0, 20),
    st.integers(0, 20),
    st.dictionaries(IDS, MOMENTS),
) | st.builds(
    PipelineCursor,
    st.none(),
    MOMENTS,
    st.just(0),
    st.integers(0, 20),
    since=MOMENTS,
)
CURSORS = st.builds(SensorCursor, st.dictionaries(st.integers(1, 5), PIPELINES))


@settings(max_examples=50, deadline=None)
@given(CURSORS)
def test_a_cursor_reads_back_as_it_was_written(cursor):
    assert SensorCursor.from_text(cursor.to_text()) == cursor


def made_at(seconds: float) -> Job:
    return Job(job_id="job", status="COMPLETED", created_ts=int(seconds * 1000))


def test_what_the_tick_sees_that_begins_to_follow_is_past_whatever_hevos_clock_says():
    assert PipelineCursor(since=1000.0).is_past(made_at(9000), tick_began=1000.0)


def test_what_was_made_between_the_beginning_and_a_later_first_look_is_new():
    following = PipelineCursor(since=1000.0)
    assert following.is_past(made_at(900), tick_began=1300.0)
    assert not following.is_past(made_at(1100), tick_began=1300.0)


def test_what_is_due_now_is_due_when_it_is_read_back_at_once():
    cursor = SensorCursor({101: PipelineCursor(JobCursor(), due_at=1000.9)})
    assert SensorCursor.from_text(cursor.to_text()).pipelines[101].due_at <= 1000.9


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "pipelines",
                        "101",
                        "left",
                        "settled",
                        "due_at",
                        "held",
                        "run_id",
                        "pipeline_id",
                    ]
                ),
                each,
            )
        ),
    )
)
def test_nothing_that_json_can_hold_breaks_it(content):
    SensorCursor.from_text(json.dumps(content))


def test_an_awaited_job_is_still_to_come_however_old_it_is():
    newest = 10**9
    cursor = PipelineCursor(JobCursor(newest_ts=newest)).awaiting_job("job")
    assert cursor.awaits("job")
    assert cursor.due_at == 0
    old = Job(job_id="job", status="COMPLETED", created_ts=1)
    assert cursor.jobs is not None
    assert cursor.jobs.still_to_come([old]) == ()
    assert cursor.jobs.awaiting(cursor.awaited).still_to_come([old]) == (old,)


def test_a_job_that_was_recorded_is_not_awaited_again():
    assert PipelineCursor(JobCursor(settled=frozenset({"job"}))).awaits("job")


def test_a_pipeline_that_is_not_followed_is_kept_for_a_week():
    cursor = SensorCursor({1: PipelineCursor(JobCursor(), 1000.0)})
    assert cursor.without_forgotten([], 1000.0 + FORGOTTEN_AFTER - 1).pipelines
    assert not cursor.without_forgotten([], 1000.0 + FORGOTTEN_AFTER + 1).pipelines
    assert cursor.without_forgotten([1], 1000.0 + FORGOTTEN_AFTER + 1).pipelines
