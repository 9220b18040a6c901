"""When to poll a job: decisions on plain values, and seeded simulations of whole jobs.

The simulations are those of `benchmarks/watching.py`, with fewer jobs.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_hevo.api.enums import JobStatus, JobType
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.schedule import (
    History,
    Progress,
    forecast,
    longest_wait,
    next_poll,
    share_interval,
)

STEADY = History((590.0, 620.0, 600.0, 570.0, 640.0, 605.0, 560.0, 610.0, 630.0, 585.0))


def wait(
    elapsed: float,
    history: History = STEADY,
    progress: Progress | None = None,
    *,
    poll_interval: float = 10.0,
    watchers: int = 1,
    requests_per_minute: int = 100,
    seed: str = "",
) -> float:
    """Decide right after a poll, as the runner does."""
    return next_poll(
        elapsed=elapsed,
        history=history,
        progress=progress,
        polls_so_far=1,
        last_poll=elapsed,
        poll_interval=poll_interval,
        watchers=watchers,
        requests_per_minute=requests_per_minute,
        seed=seed,
    )


def job(
    job_id: str,
    duration: int | None,
    *,
    created_ts: int | None = None,
    type: JobType = JobType.RESYNC,
    status: JobStatus = JobStatus.COMPLETED,
) -> Job:
    return Job(job_id=job_id, type=type, status=status, created_ts=created_ts, duration=duration)


def test_history_is_in_seconds_and_newest_last_in_whatever_order_jobs_are_listed() -> None:
    jobs = [job("b", 90_000, created_ts=2), job("c", 30_000, created_ts=3), job("a", 60_000)]
    assert History.of(jobs, JobType.RESYNC) == History((60.0, 90.0, 30.0))


def test_history_leaves_out_jobs_that_did_not_complete() -> None:
    jobs = [
        job("a", 1_000, status=JobStatus.FAILED),
        job("b", 2_000, status=JobStatus.IN_PROGRESS),
        job("c", 3_000, status=JobStatus.CANCELLED),
        job("d", 4_000, status=JobStatus.COMPLETED_WITH_FAILURES),
    ]
    assert History.of(jobs, JobType.RESYNC) == History((4.0,))


def test_history_leaves_out_jobs_of_another_kind_unless_every_kind_counts() -> None:
    jobs = [job("a", 1_000, type=JobType.INCREMENTAL), job("b", 2_000)]
    assert History.of(jobs, JobType.RESYNC) == History((2.0,))
    assert History.of(jobs, None) == History((1.0, 2.0))


def test_history_leaves_out_durations_that_are_missing_or_zero() -> None:
    assert History.of([job("a", None), job("b", 0)], None) == History()


def test_progress_is_read_from_the_job() -> None:
    seen = Job(job_id="a", status=JobStatus.IN_PROGRESS, objects_success=2, objects_queued=3)
    assert Progress.of(seen, 40.0) == Progress(2, 5, 40.0)


def test_polls_are_rare_while_the_end_is_far_and_close_when_it_is_near() -> None:
    assert wait(10) > 300
    assert wait(600) == pytest.approx(10, abs=0.5)


def test_the_first_long_wait_ends_before_the_job_does() -> None:
    assert 10 + wait(10) < min(STEADY.durations)


def test_past_the_expected_end_polls_become_less_frequent_again() -> None:
    assert wait(640) < 12 < wait(900) < wait(3000) < wait(6000)


def test_without_history_intervals_grow_with_the_time_gone_by() -> None:
    waits = [wait(elapsed, History()) for elapsed in (10, 600, 1800, 3600)]
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(15)
    assert 25 < waits[1] < 30


def test_without_history_intervals_are_bounded() -> None:
    assert wait(10_000_000, History()) == pytest.approx(300)


def test_two_groups_of_durations_are_expected_separately() -> None:
    quick_and_slow = History((300.0, 310.0, 1200.0, 295.0, 305.0, 1180.0, 290.0, 1220.0))
    assert wait(300, quick_and_slow) < 15
    assert wait(500, quick_and_slow) > 200
    assert wait(1200, quick_and_slow) < 15


def test_a_steady_trend_is_carried_on() -> None:
    growing = History(tuple(600 * 1.1**age for age in range(10)))
    guess = forecast(growing).guesses[0]
    assert guess.end == pytest.approx(600 * 1.1**10, rel=0.01)


def test_one_earlier_job_is_trusted_less_than_many_alike() -> None:
    one, many = forecast(History((600.0,))), forecast(History((600.0,) * 10))
    assert one.guesses[0].spread > 3 * many.guesses[0].spread


def test_progress_tells_a_slow_day_from_a_quick_one() -> None:
    quick_and_slow = History((300.0, 310.0, 1200.0, 295.0, 305.0, 1180.0, 290.0, 1220.0))
    slow, quick = Progress(5, 20), Progress(18, 20)
    assert wait(270, quick_and_slow, slow) > wait(270, quick_and_slow, quick)


def test_progress_brings_polls_near_where_there_is_no_history() -> None:
    assert wait(3000, History(), Progress(19, 20)) < 0.75 * wait(3000, History())


def test_progress_does_not_overrule_a_long_history() -> None:
    assert wait(300, STEADY, Progress(10, 20)) > 60
    assert wait(600, STEADY, Progress(10, 20)) < 12


def test_progress_that_tells_nothing_changes_nothing() -> None:
    assert wait(300, STEADY, Progress(0, 0)) == wait(300)


def test_a_late_decision_does_not_put_the_poll_off() -> None:
    on_time = wait(100)
    late = next_poll(
        elapsed=160,
        history=STEADY,
        progress=None,
        polls_so_far=1,
        last_poll=100,
        poll_interval=10,
        watchers=1,
        requests_per_minute=100,
    )
    assert late == pytest.approx(on_time - 60)


def test_many_watchers_poll_less_often() -> None:
    assert wait(600) < wait(600, watchers=500) < wait(600, watchers=1000)


def test_without_history_watchers_share_four_fifths_of_the_budget_evenly() -> None:
    polls_per_minute = sum(
        60 / wait(60, History(), watchers=500, seed=f"job-{number}") for number in range(500)
    )
    assert polls_per_minute == pytest.approx(80, rel=0.05)


def test_without_a_limit_the_number_of_watchers_does_not_matter() -> None:
    assert share_interval(500, 0) == 0
    assert wait(600, watchers=500, requests_per_minute=0) == pytest.approx(wait(600), rel=0.2)


def test_no_watchers_count_as_one() -> None:
    assert wait(600, watchers=0) == wait(600, watchers=1)


def test_watchers_that_began_together_do_not_poll_together() -> None:
    waits = [wait(10, watchers=500, seed=f"job-{number}") for number in range(500)]
    assert len({round(seconds) for seconds in waits}) > 30
    assert wait(10, watchers=500, seed="job-7") == waits[7]


def test_a_job_shorter_than_the_poll_interval_is_polled_after_one_interval() -> None:
    assert wait(1, History((2.0, 2.0, 2.0)), poll_interval=30) <= 45


durations = st.one_of(
    st.just(0.0), st.floats(1e-3, 1e7), st.floats(1e7, 1e300), st.floats(-10.0, 0.0)
)


@given(
    elapsed=st.floats(0, 1e9),
    late=st.floats(0, 1e4),
    durations=st.lists(durations, max_size=20),
    done=st.integers(0, 50),
    total=st.integers(0, 50),
    poll_interval=st.sampled_from([0.0, 0.01, 0.5, 10.0, 60.0, 3600.0]),
    watchers=st.integers(0, 5000),
    requests_per_minute=st.sampled_from([0, 1, 100, 10_000]),
    seed=st.text(max_size=5),
)
def test_every_wait_lies_between_the_poll_interval_and_the_bound(
    elapsed: float,
    late: float,
    durations: list[float],
    done: int,
    total: int,
    poll_interval: float,
    watchers: int,
    requests_per_minute: int,
    seed: str,
) -> None:
    seconds = next_poll(
        elapsed=elapsed,
        history=History(tuple(durations)),
        progress=Progress(done, total),
        polls_so_far=3,
        last_poll=elapsed - late,
        poll_interval=poll_interval,
        watchers=watchers,
        requests_per_minute=requests_per_minute,
        seed=seed,
    )
    assert math.isfinite(seconds)
    assert poll_interval <= seconds
    assert 0 < seconds <= longest_wait(poll_interval, watchers, requests_per_minute)


def test_the_bound_is_fifteen_minutes_unless_the_budget_stretches_it() -> None:
    assert longest_wait(10, 1, 100) == 900
    assert longest_wait(10, 500, 0) == 900
    assert longest_wait(3600, 1, 100) == 3600
    assert longest_wait(10, 1000, 100) == 4 * share_interval(1000, 100) == 3000


@pytest.fixture(scope="module")
def watching() -> ModuleType:
    """The simulations of the benchmark."""
    path = Path(__file__).parents[2] / "benchmarks" / "watching.py"
    spec = importlib.util.spec_from_file_location("benchmark_watching", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("shape", "progress", "most_polls", "mean_lag", "late_lag"),
    [
        ("steady (10%)", False, 15, 6.5, 13),
        ("steady (10%)", True, 17, 6.5, 13),
        ("noisy (40%)", False, 35, 10, 25),
        ("trending (4% a job)", False, 9, 6, 11),
        ("bimodal (x0.5, x2)", False, 18, 10, 20),
        ("none", False, 37, 15, 35),
        ("none", True, 35, 13, 25),
        ("history wrong: x6", False, 70, 90, 180),
        ("history wrong: fails early", False, 2, 400, 450),
    ],
)
def test_a_job_of_ten_minutes_costs_few_polls_and_little_lag(
    watching: ModuleType,
    shape: str,
    progress: bool,
    most_polls: float,
    mean_lag: float,
    late_lag: float,
) -> None:
    watched = watching.lone_jobs(watching.SHAPES[shape], 600, jobs=300, seed=7, progress=progress)
    lags = [one.lag for one in watched]
    assert statistics.mean(one.polls for one in watched) <= most_polls
    assert statistics.mean(lags) <= mean_lag
    assert watching.percentile(lags, 0.95) <= late_lag


def test_a_materialization_with_known_history_takes_at_most_22_requests(
    watching: ModuleType,
) -> None:
    watched = watching.lone_jobs(watching.steady, 600, jobs=300, seed=8)
    assert statistics.mean(one.requests for one in watched) <= 22


@pytest.mark.parametrize("counted", [True, False])
def test_500_jobs_at_once_are_all_seen_to_end_soon_and_none_is_refused(
    watching: ModuleType, counted: bool
) -> None:
    shared = watching.crowd(jobs=500, seed=3, counted=counted)
    lags = [job.lag for job in shared.jobs]
    assert None not in lags
    assert shared.refused == 0
    assert statistics.median(lags) <= 45
    assert watching.percentile(lags, 0.95) <= 120
