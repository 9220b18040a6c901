"""From the claim of our job to its outcome: poll it, then read what became of its objects.

Pure: part of `decide.py`.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.failures import deferred_error, vanished_error, with_remark
from dagster_hevo.jobs.outcome import JobOutcome, ObjectResult, list_agrees, outcome_of_job
from dagster_hevo.jobs.polling import (
    POLLS_BEFORE_VANISHED,
    begin_polling,
    deferred_too_long,
    poll,
    progress_line,
    seen_again,
)
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.jobs.state import Next, Phase, State
from dagster_hevo.jobs.steps import (
    CancelJob,
    Finish,
    JobMissing,
    JobRead,
    JobsRead,
    ObjectsRead,
    Observation,
    PipelineObjectsRead,
    ReadJob,
    ReadJobs,
    ReadObjects,
    ReadPipelineObjects,
    StartOver,
    Wait,
)


def follow_claimed(state: State, seen: Observation) -> Next:
    """The job in ``state.job`` is ours."""
    job = state.job
    assert job is not None
    kind = f" ({job.type})" if job.type is not None else ""
    pipeline_id = state.request.pipeline_id
    state = state.saying(f"Found job {job.job_id}{kind} of pipeline {pipeline_id}: {job.status}.")
    state = state.but(phase=Phase.RUNNING)
    if not job.is_terminal:
        return poll(state, seen)
    if state.is_resumed and not job.status.completion.has_loaded:
        return _start_over(state, job)
    return _read_outcome(state, seen)


def _start_over(state: State, job: Job) -> Next:
    """The job of an earlier attempt ended badly: this attempt is there to load the data again."""
    state = state.saying(
        f"Job {job.job_id}, which an earlier attempt triggered, ended {job.status}. Starting over."
    )
    return state, StartOver()


def after_poll(state: State, seen: Observation) -> Next:
    """Our job was polled."""
    if isinstance(seen, JobMissing):
        missing = state.missing + 1
        if missing >= POLLS_BEFORE_VANISHED:
            error = vanished_error(state.request, state.job, seen.job_id)
            return state.but(phase=Phase.ENDED), Finish(error=error)
        return state.but(missing=missing), Wait(state.settings.poll_interval, ReadJob(seen.job_id))
    if isinstance(seen, JobsRead):
        assert state.job is not None
        return poll(begin_polling(state, state.job, seen.jobs, now=seen.now), seen)
    assert isinstance(seen, JobRead)
    is_first = state.job is None
    was_cancelling = state.job is not None and state.job.status is JobStatus.CANCELLING
    state = begin_polling(state, seen.job, now=seen.now) if is_first else seen_again(state, seen)
    job = seen.job
    if job.is_terminal:
        has_failed = not job.status.completion.has_loaded
        if state.is_resumed and has_failed and (is_first or was_cancelling):
            return _start_over(state, job)
        return _read_outcome(state, seen)
    if is_first and state.is_resumed:
        # For the history of earlier jobs, which tells when to poll.
        return state, ReadJobs()
    too_long = deferred_too_long(state, job, state.deferred_since, seen.now)
    if too_long is not None:
        error = deferred_error(state.request, job, too_long)
        return state.but(phase=Phase.ENDED), Finish(error=error)
    return poll(state, seen)


def stop_following(state: State, ending: Finish) -> Next:
    """Nobody waits for our job any more."""
    job = state.job
    ended = state.but(phase=Phase.ENDED)
    if job is None or job.is_terminal:
        return ended, ending
    if state.is_adopted:
        why = "it is a foreign job"
    elif not state.settings.cancel_on_termination:
        why = "cancel_on_termination is off"
    elif not state.may_be_cancelled:
        why = "Hevo's schedule or another user may have started it"
    else:
        return state.but(ending=ending), CancelJob(job.job_id)
    text = f"Job {job.job_id} was not cancelled and goes on: {why}."
    ending = replace(ending, error=with_remark(ending.error, text))
    return ended.saying(text, logging.WARNING), ending


def _read_outcome(state: State, seen: Observation) -> Next:
    job = state.job
    assert job is not None
    line = progress_line(state.request.pipeline_id, job, seen.now - state.job_began)
    state = state.but(
        phase=Phase.READING_OUTCOME, outcome_reads=0, outcome_since=seen.now, objects=()
    )
    return state.saying(line), ReadObjects(job.job_id)


def after_outcome_read(state: State, seen: Observation) -> Next:
    """The objects of our job were read, or the job once more, for its counts."""
    job = state.job
    assert job is not None
    if isinstance(seen, JobRead):
        state = state.but(job=seen.job if seen.job.is_terminal else job)
        return state, ReadObjects(job.job_id)
    if isinstance(seen, JobMissing):
        return state, ReadObjects(job.job_id)
    if isinstance(seen, PipelineObjectsRead):
        return _finish(state.but(objects_now=seen.objects))
    assert isinstance(seen, ObjectsRead)
    # One read may lack what another had.
    objects = seen.objects if len(seen.objects) >= len(state.objects) else state.objects
    state = state.but(objects=objects, outcome_reads=state.outcome_reads + 1)
    not_listed = state.request.answered_ids - state.index.ids_in(seen.objects)
    if list_agrees(job, seen.objects, not_listed=not_listed):
        return _finish(state.but(objects=seen.objects))
    if seen.now - state.outcome_since >= state.settings.job_objects_timeout:
        state = state.saying(
            f"Job {job.job_id} ended {job.status}, and the list of its objects still does not "
            f"agree with its counts after {as_text(seen.now - state.outcome_since)}: what it does "
            "not prove is not recorded as loaded.",
            logging.WARNING,
        )
        return _finish(state)
    if state.outcome_reads == 1:
        state = state.saying(
            f"Job {job.job_id} ended {job.status}; waiting for the list of its objects to agree "
            f"with its counts ({len(seen.objects)} of {job.objects_total} listed)."
        )
    pause = min(state.settings.poll_interval * state.outcome_reads / 2, 30.0)
    return state, Wait(pause, ReadJob(job.job_id))


def finish_unproven(state: State) -> Next:
    """The pipeline's objects could not be read: neither counts nor names prove anything."""
    return _finish(state.but(objects_now=()))


def _finish(state: State) -> Next:
    outcome = _outcome(state)
    is_counted = any(
        item.result is ObjectResult.LOADED_BY_COUNT for item in outcome.objects.values()
    )
    if state.objects_now is None and (is_counted or state.index.are_found_by_name(state.objects)):
        # Counts and names prove something only where the pipeline still has the objects that we
        # know, under these names.
        return state, ReadPipelineObjects()
    return state.but(phase=Phase.ENDED), Finish(outcome=outcome)


def _outcome(state: State) -> JobOutcome:
    request, job, index = state.request, state.job, state.index
    assert job is not None
    # Which objects the job can include: any that is active, as long as these are those of the
    # trigger, or that may have been. An earlier run may have known others.
    sent = state.triggered_request
    possible, has_changed = sent.active_ids, False
    if state.objects_now is not None:
        index = index.confirmed_by(state.objects_now)
        possible |= {item.object_id for item in state.objects_now}
        active = frozenset(item.object_id for item in state.objects_now if item.is_replicated)
        has_changed = active != sent.active_ids
    if state.is_adopted or state.is_wider or state.is_resumed or has_changed:
        possible = frozenset[str]()
    outcome = outcome_of_job(
        request.pipeline_id,
        job,
        state.objects,
        index,
        requested=request.answered_ids,
        possible=possible,
        is_adopted=state.is_adopted,
    )
    if state.recorded_by is None:
        return outcome
    return replace(outcome, recorded_by=state.recorded_by)
