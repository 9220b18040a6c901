"""Until a trigger is answered: is the pipeline ready, is it free, which jobs does it have.

Pure: part of `decide.py`. A foreign job is never overtaken: it is waited for, adopted, or a reason
to fail, as ``if_job_running`` says.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.errors import HevoConnectionError, HevoError, HevoRateLimitError
from dagster_hevo.api.models import Job, Pipeline
from dagster_hevo.jobs.examining import LISTING_SHARE
from dagster_hevo.jobs.failures import (
    blocked_error,
    busy_error,
    job_text,
    state_error,
    timeout_error,
)
from dagster_hevo.jobs.finding import FIRST_WAIT_SHARE, WAIT_GROWTH, begin_finding
from dagster_hevo.jobs.following import follow_claimed
from dagster_hevo.jobs.job_list import running_job
from dagster_hevo.jobs.newness import Baseline, made_at
from dagster_hevo.jobs.polling import (
    POLLS_BEFORE_VANISHED,
    begin_polling,
    deferred_too_long,
    poll,
    seen_again,
    with_history,
)
from dagster_hevo.jobs.records import Answer, Settlement
from dagster_hevo.jobs.request import IfJobRunning
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.jobs.state import Next, Phase, State
from dagster_hevo.jobs.steps import (
    Began,
    CheckTurn,
    ClaimAnswered,
    ClaimJob,
    Finish,
    JobMissing,
    JobRead,
    JobsRead,
    Observation,
    PipelineRead,
    ReadJob,
    ReadJobs,
    ReadPipeline,
    SendTrigger,
    TriggerAnswered,
    TriggerWithdrawn,
    TurnAnswered,
    Wait,
    WriteBaseline,
)

MOST_REFUSALS = 100
MOST_UNKNOWN_REFUSALS = 2
OTHERS_WAIT = 2.0
# How long another run's job is waited for before we trigger, in job_discovery_timeouts: longer than
# that run takes to learn whether a job came of its trigger.
OTHERS_PATIENCE = 8


def begin(state: State, began: Began) -> Next:
    """Begin a request, or resume the one of an earlier attempt."""
    timeout = state.settings.poll_timeout
    deadline = None if timeout is None else began.now + timeout
    state = State(
        state.request,
        state.settings,
        state.index,
        request_id=began.request_id,
        deadline=state.deadline if state.deadline is not None else deadline,
        has_answered=state.has_answered,
        is_scheduled=state.is_scheduled,
    )
    earlier = began.earlier
    if earlier is None:
        return state.but(phase=Phase.READY), ReadPipeline()
    state = state.but(
        earlier_request=replace(state.request, object_ids=earlier.object_ids),
        baseline=earlier.baseline,
        answer=earlier.answer,
        may_have_started_a_job=earlier.may_have_started_a_job,
        is_adopted=earlier.is_adopted,
        may_be_cancelled=earlier.may_be_cancelled,
        is_wider=earlier.object_ids != state.request.object_ids,
    )
    if earlier.job_id is not None:
        is_recorded = earlier.settlement is Settlement.RECORDED
        state = state.saying(
            f"Resuming job {earlier.job_id} of pipeline {state.request.pipeline_id}, which an "
            f"earlier attempt triggered (run {earlier.run_id})."
        )
        state = state.but(
            phase=Phase.RUNNING,
            is_resumed=True,
            recorded_by=earlier.run_id if is_recorded else None,
        )
        return state, ReadJob(earlier.job_id)
    if not earlier.may_have_started_a_job or earlier.baseline is None:
        return state.but(phase=Phase.READY), ReadPipeline()
    state = state.but(is_resumed=True).saying(
        f"An earlier attempt may have triggered this request ({state.request}), and saw no job. "
        "Looking for it before anything is triggered."
    )
    # How long ago that was, Hevo's clock tells: known once it has answered something.
    return state.but(phase=Phase.RESUMING, triggered_ms=earlier.triggered_ms), ReadPipeline()


def after_resume_read(state: State, seen: Observation) -> Next:
    """Hevo has answered: look for the job that an earlier attempt may have triggered."""
    assert isinstance(seen, PipelineRead)
    triggered_at, triggered_ms = seen.now, state.triggered_ms
    if seen.hevo_ms is None:
        triggered_ms = None
    if triggered_ms is not None and seen.hevo_ms is not None:
        triggered_at -= max((seen.hevo_ms - triggered_ms) / 1000, 0.0)
    state = state.but(is_scheduled=_is_scheduled(seen.pipeline))
    return begin_finding(
        state, triggered_at, triggered_ms=triggered_ms, is_resumed=True, now=seen.now
    )


# Ready


def after_ready_read(state: State, seen: Observation) -> Next:
    """The pipeline, then its jobs, were read; or a trigger without effect was withdrawn."""
    if isinstance(seen, TriggerWithdrawn):
        return state, ReadPipeline()
    if isinstance(seen, PipelineRead):
        return _wait_until_triggerable(state, seen.pipeline, seen.now)
    assert isinstance(seen, JobsRead)
    running = running_job(seen.jobs)
    if running is not None:
        return _meet_foreign_job(state, running, seen)
    if state.first_list is None and _needs_second_read(seen):
        return state.but(first_list=seen.jobs), ReadJobs(all_pages=seen.is_complete)
    # The later read is the truer one, and the earlier may have what the later left out.
    jobs = {job.job_id: job for job in (*(state.first_list or ()), *seen.jobs)}
    reads = 1 if state.first_list is None else 2
    baseline = Baseline.of(jobs.values(), seen.hevo_ms, is_complete=seen.is_complete, reads=reads)
    state = with_history(state, seen.jobs).but(
        phase=Phase.TRIGGERING,
        baseline=baseline,
        job=None,
        first_list=None,
        listed_before=frozenset(jobs),
        unended_before=frozenset(job.job_id for job in jobs.values() if not job.status.is_known),
    )
    return state, WriteBaseline(state.given_up)


def _needs_second_read(seen: JobsRead) -> bool:
    """Whether a job that one read of the list leaves out would later pass for new.

    Where Hevo's clock tells when a job was made, it does not.
    """
    return seen.hevo_ms is None or any(made_at(job, seen.hevo_ms) is None for job in seen.jobs)


def _is_scheduled(pipeline: Pipeline) -> bool:
    schedule = pipeline.schedule
    return schedule is None or schedule.sync_type != "ON_DEMAND"


def _wait_until_triggerable(state: State, pipeline: Pipeline, now: float) -> Next:
    """Read the job list as soon as the pipeline takes triggers."""
    state = state.but(is_scheduled=_is_scheduled(pipeline))
    if pipeline.status.accepts_triggers:
        return state, ReadJobs()
    if not pipeline.status.becomes_triggerable:
        return state.but(phase=Phase.ENDED), Finish(error=state_error(pipeline))
    state = state.but(restarting_at=now)
    if state.last_logged != (pipeline.status,):
        state = state.but(last_logged=(pipeline.status,)).saying(
            f"Pipeline {pipeline.id} is {pipeline.status}; waiting until it is ready."
        )
    return state, Wait(state.settings.poll_interval, ReadPipeline())


def after_turn(state: State, answered: TurnAnswered) -> Next:
    """Trigger, as soon as no other run is starting a job.

    Two runs that trigger one pipeline at once could not tell their jobs apart.
    """
    now, other = answered.now, answered.ahead
    if other is None:
        if state.waiting_for is not None:
            # The other run's job has come since: this baseline is too old.
            return state.but(phase=Phase.READY, waiting_for=None), ReadPipeline()
        return _trigger(state)
    if state.deadline is not None and now >= state.deadline:
        error = timeout_error(state.request, "waiting for another run's trigger")
        return state.but(phase=Phase.ENDED), Finish(error=error)
    if other != state.waiting_for:
        state = state.but(waiting_for=other, waiting_since=now).saying(
            f"Another run is triggering pipeline {state.request.pipeline_id} (request {other}); "
            "waiting for its job to appear."
        )
    waited = now - state.waiting_since
    if waited >= OTHERS_PATIENCE * state.settings.job_discovery_timeout:
        given_up = state.given_up | {other}
        state = state.but(phase=Phase.READY, waiting_for=None, given_up=given_up).saying(
            f"No job of the other run (request {other}) appeared on pipeline "
            f"{state.request.pipeline_id} within {as_text(waited)}; going on without it.",
            logging.WARNING,
        )
        return state, ReadPipeline()
    return state, Wait(max(OTHERS_WAIT, waited / 4), CheckTurn(state.given_up))


def _trigger(state: State) -> Next:
    # Until Hevo has answered, a job may come of it: also if this process dies.
    return state.but(
        may_have_started_a_job=True,
        answer=Answer.LOST,
        triggers=state.triggers + 1,
        earlier_request=None,
        is_resumed=False,
    ), SendTrigger()


def after_trigger(state: State, answered: TriggerAnswered) -> Next:
    """Hevo answered the trigger, or did not."""
    request, error = state.request, answered.error
    state = state.but(answer=answered.answer, triggered_at=answered.now, last_error=error)
    if answered.answer is Answer.ACCEPTED:
        state = state.but(refusals=0, unknown_refusals=0).saying(f"Triggered: {request}.")
        return begin_finding(state, answered.now, triggered_ms=answered.hevo_ms, now=answered.now)
    if answered.answer is not Answer.REFUSED:
        state = state.saying(
            f"Sent the trigger ({request}); the answer does not say whether Hevo accepted it: "
            f"{error} Reading the job list to find out.",
            logging.WARNING,
        )
        return begin_finding(state, answered.now, triggered_ms=answered.hevo_ms, now=answered.now)
    state = state.but(may_have_started_a_job=False, triggers=state.triggers - 1)
    if error is not None and not error.can_retry and not answered.is_unknown_refusal:
        return state.but(phase=Phase.ENDED), Finish(error=error)
    if isinstance(error, HevoRateLimitError | HevoConnectionError):
        return _after_trigger_not_carried_out(state, error)
    state = state.but(
        phase=Phase.REFUSED,
        refusals=state.refusals + 1,
        refused_at=answered.now,
        unknown_refusals=state.unknown_refusals + answered.is_unknown_refusal,
        interval=state.settings.poll_interval
        if answered.is_unknown_refusal
        else state.settings.poll_interval * FIRST_WAIT_SHARE,
    ).saying(f"Hevo refused the trigger ({request}): {error}")
    if state.refusals >= MOST_REFUSALS or state.unknown_refusals >= MOST_UNKNOWN_REFUSALS:
        return state.but(phase=Phase.ENDED), Finish(error=error)
    return state, ReadPipeline() if answered.is_unknown_refusal else ReadJobs()


def _after_trigger_not_carried_out(state: State, error: HevoError) -> Next:
    """The rate limit or the connection stopped the trigger: no job can have come of it."""
    state = state.but(phase=Phase.READY, refusals=state.refusals + 1)
    if state.refusals >= MOST_REFUSALS:
        return state.but(phase=Phase.ENDED), Finish(error=error)
    stated = error.retry_after if isinstance(error, HevoRateLimitError) else None
    pause = max(state.settings.poll_interval, stated or 0.0)
    state = state.saying(
        f"The trigger was not carried out ({state.request}): {error} Triggering again in "
        f"{as_text(pause)}."
    )
    return state, Wait(pause, ReadPipeline())


# Refused


def after_refusal_read(state: State, seen: Observation) -> Next:
    """Hevo refused: find the job that keeps the pipeline busy.

    It may not be listed yet. A job that has come since the baseline and has ended already was it.
    """
    if isinstance(seen, PipelineRead):
        return _after_refusal_by_pipeline(state, seen)
    assert isinstance(seen, JobsRead)
    is_unknown = state.unknown_refusals > 0
    patience = state.settings.job_discovery_timeout * (LISTING_SHARE if is_unknown else 1)
    left = state.refused_at + patience - seen.now
    is_last = seen.now >= state.refused_at + patience
    running = running_job(seen.jobs, also_unknown=is_last and not is_unknown)
    if running is not None:
        return _meet_foreign_job(state.but(unknown_refusals=0), running, seen)
    if not is_unknown and any(_has_come_and_ended(state, job) for job in seen.jobs):
        return state.but(phase=Phase.READY), ReadPipeline()
    if not is_last:
        wait = max(min(state.interval, left), 0.0)
        interval = min(state.interval * WAIT_GROWTH, state.settings.poll_interval)
        return state.but(interval=interval), Wait(wait, ReadJobs())
    if state.settings.if_job_running is IfJobRunning.FAIL and not is_unknown:
        # The pipeline's status may be what Hevo refused for.
        return state, ReadPipeline()
    return state.but(phase=Phase.READY), ReadPipeline()


def _after_refusal_by_pipeline(state: State, seen: PipelineRead) -> Next:
    """The pipeline's status may be why Hevo refused."""
    status = seen.pipeline.status
    if status.becomes_triggerable:
        state = state.but(phase=Phase.READY, unknown_refusals=0)
        return _wait_until_triggerable(state, seen.pipeline, seen.now)
    if not status.accepts_triggers:
        return state.but(phase=Phase.ENDED), Finish(error=state_error(seen.pipeline))
    if state.unknown_refusals == 0:
        error = busy_error(state.request, "a job that its list does not show yet")
        return state.but(phase=Phase.ENDED), Finish(error=error)
    return state, ReadJobs()


def _has_come_and_ended(state: State, job: Job) -> bool:
    """Whether a job has come since the baseline, and has ended."""
    known = state.baseline.job_ids if state.baseline is not None else frozenset[str]()
    newest = state.baseline.not_before_ms if state.baseline is not None else None
    is_new = job.job_id not in known and (job.created_ts or 0) > (newest or 0)
    return is_new and job.is_terminal


# A foreign job


def _meet_foreign_job(state: State, job: Job, seen: JobsRead) -> Next:
    """Do with a foreign job what ``if_job_running`` says."""
    setting = state.settings.if_job_running
    pipeline = state.request.pipeline_id
    if setting is IfJobRunning.FAIL:
        error = busy_error(state.request, f"job {job_text(job)}")
        return state.but(phase=Phase.ENDED), Finish(error=error)
    state = begin_polling(state.but(phase=Phase.BLOCKED), job, seen.jobs, now=seen.now)
    if setting is IfJobRunning.ADOPT and job.status is not JobStatus.CANCELLING:
        state = state.saying(
            f"Pipeline {pipeline} is busy with foreign job {job_text(job)}. Adopting it: its "
            "outcome is recorded for the objects that it contains."
        )
        return state, ClaimJob(job.job_id, is_adopted=True)
    state = state.saying(
        f"Pipeline {pipeline} is busy with foreign job {job_text(job)}. Waiting for its end "
        "before triggering."
    )
    return poll(state, seen)


def after_block_read(state: State, seen: Observation) -> Next:
    """A foreign job was polled; when it has ended, the pipeline is free."""
    job = state.job
    assert job is not None
    if isinstance(seen, ClaimAnswered):
        if seen.is_owner:
            return follow_claimed(state.but(is_adopted=True, may_be_cancelled=False), seen)
        state = state.saying(
            f"Foreign job {job.job_id} belongs to another request of this Dagster instance. "
            "Waiting for its end instead of adopting it."
        )
        return poll(state, seen)
    if isinstance(seen, JobMissing):
        missing = state.missing + 1
        if missing >= POLLS_BEFORE_VANISHED:
            return _unblocked(state)
        return state.but(missing=missing), Wait(state.settings.poll_interval, ReadJob(job.job_id))
    if isinstance(seen, JobsRead):
        # A newer job shows that the pipeline does not wait for the deferred one.
        running = running_job(seen.jobs)
        if running is None or running.job_id != job.job_id:
            return _unblocked(state)
        seen = JobRead(running, now=seen.now, hevo_ms=seen.hevo_ms, watchers=seen.watchers)
    assert isinstance(seen, JobRead)
    state = seen_again(state, seen)
    if seen.job.is_terminal:
        return _unblocked(state)
    too_long = deferred_too_long(state, seen.job, state.deferred_since, seen.now)
    if too_long is not None:
        error = blocked_error(state.request, seen.job, too_long)
        return state.but(phase=Phase.ENDED), Finish(error=error)
    state, action = poll(state, seen)
    if seen.job.status is JobStatus.DEFERRED:
        assert isinstance(action, Wait)
        return state, Wait(action.seconds, ReadJobs())
    return state, action


def _unblocked(state: State) -> Next:
    return state.but(phase=Phase.READY, job=None, last_logged=()), ReadPipeline()
