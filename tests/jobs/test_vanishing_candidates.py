"""A job that one read of the list shows and the next one does not: pure decisions."""

from __future__ import annotations

from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.examining import READS_UNTIL_VANISHED, evidence_of
from dagster_hevo.jobs.finding import after_find_read, begin_finding
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.objects import KnownObject, ObjectIndex
from dagster_hevo.jobs.records import Answer
from dagster_hevo.jobs.request import make_request
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.jobs.state import State
from dagster_hevo.jobs.steps import ClaimJob, Finish, JobsRead, ObjectsRead, ReadObjects

HEVO_MS = 1_790_000_000_000
JOB = Job(
    job_id="ours", type="RESYNC", status="IN_PROGRESS", created_ts=HEVO_MS + 3_000, duration=1_000
)


def finding(answer: Answer = Answer.ACCEPTED) -> State:
    """A pipeline's resync, triggered a moment ago."""
    state = State(
        request=make_request(1, ["a", "b"], ["a", "b"]),
        settings=JobSettings(),
        index=ObjectIndex([KnownObject("a", "a"), KnownObject("b", "b")]),
        request_id="request",
        baseline=Baseline(frozenset({"old"}), hevo_ms=HEVO_MS),
        answer=answer,
        is_pipeline_checked=True,
    )
    state, _ = begin_finding(state, 0.0, triggered_ms=HEVO_MS, now=0.0)
    return state.but(is_pipeline_checked=True)


def read(*jobs: Job, now: float, contested: frozenset[str] = frozenset()) -> JobsRead:
    hevo_ms = HEVO_MS + round(now * 1000)
    return JobsRead(
        jobs, is_complete=True, contested=contested, now=now, hevo_ms=hevo_ms, watchers=1
    )


def test_a_job_that_is_proven_ours_is_claimed_from_the_list_that_shows_it():
    _, action = after_find_read(finding(), read(JOB, now=10))
    assert action == ClaimJob("ours", may_be_cancelled=True)


def test_what_another_request_may_own_is_not_claimed_where_the_list_leaves_it_out():
    state, action = after_find_read(finding(), read(JOB, now=10, contested=frozenset({"ours"})))
    assert not isinstance(action, ClaimJob)
    state, action = after_find_read(state, read(now=15))
    assert not isinstance(action, ClaimJob)
    assert not evidence_of(state, JOB, read(now=15)).is_ours


def test_what_may_be_ours_is_remembered_and_nothing_is_triggered_again_when_it_vanishes():
    doubtful = JOB.model_copy(update={"type": None})
    state = finding(Answer.LOST)
    state, action = after_find_read(state, read(doubtful, now=10))
    now = state.find_until
    for _ in range(READS_UNTIL_VANISHED + 1):
        now += 20
        state, action = after_find_read(state, read(now=now))
        if isinstance(action, ReadObjects):
            nothing = ObjectsRead("ours", (), now=now, hevo_ms=None, watchers=1)
            state, action = after_find_read(state, nothing)
        if isinstance(action, Finish):
            break
    assert isinstance(action, Finish)
    assert isinstance(action.error, HevoJobNotFoundError)
    assert "ours" in str(action.error)
