"""What to do next: from a state and an observation to the next state and an action.

Pure. An observation that cannot follow the last action is a defect. Here is what holds in every
phase: outages, deadlines, interruptions. The phases themselves are in `starting.py` (until a
trigger is answered), `finding.py` (which job came of it) and `following.py` (until its outcome is
known).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from dagster_hevo.jobs.failures import outage_error, timeout_error, with_remark
from dagster_hevo.jobs.finding import (
    after_find_read,
    after_unread_objects,
    begin_stop_finding,
    end_stop_finding,
)
from dagster_hevo.jobs.following import (
    after_outcome_read,
    after_poll,
    finish_unproven,
    stop_following,
)
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.jobs.starting import (
    after_block_read,
    after_ready_read,
    after_refusal_read,
    after_resume_read,
    after_trigger,
    after_turn,
    begin,
)
from dagster_hevo.jobs.state import Next, Phase, State
from dagster_hevo.jobs.steps import (
    READS,
    Action,
    Began,
    CancelAnswered,
    Finish,
    Interrupted,
    Observation,
    Read,
    ReadFailed,
    ReadObjects,
    ReadPipelineObjects,
    TriggerAnswered,
    TurnAnswered,
    Wait,
)

OUTAGE_LOGGED_EVERY = 60.0


def next_step(state: State, observation: Observation) -> Next:
    """Decide what follows from an observation.

    Args:
        state: All that is known.
        observation: What happened since.

    Returns:
        What is known now, with the lines to tell people, and what to do. Nothing follows a
        ``Finish``.
    """
    state = state.but(lines=())
    if isinstance(observation, Interrupted):
        return _stop(state, observation, Finish(was_interrupted=True))
    if isinstance(observation, CancelAnswered):
        return _after_cancel(state, observation)
    if isinstance(observation, ReadFailed):
        return _within_deadline(*_after_failed_read(state, observation), observation)
    state = _with_outage_over(state, observation)
    return _within_deadline(*_in_phase(state, observation), observation)


def _in_phase(state: State, observation: Observation) -> Next:
    if isinstance(observation, Began):
        return begin(state, observation)
    if isinstance(observation, TurnAnswered):
        return after_turn(state, observation)
    if isinstance(observation, TriggerAnswered):
        return after_trigger(state, observation)
    return _AFTER_READ[state.phase](state, observation)


_AFTER_READ: Mapping[Phase, Callable[[State, Observation], Next]] = {
    Phase.RESUMING: after_resume_read,
    Phase.READY: after_ready_read,
    Phase.REFUSED: after_refusal_read,
    Phase.BLOCKED: after_block_read,
    Phase.FINDING: after_find_read,
    Phase.RUNNING: after_poll,
    Phase.READING_OUTCOME: after_outcome_read,
}


# The API is out


def _with_outage_over(state: State, observation: Observation) -> State:
    """Hevo has answered: an outage is over, if there was one."""
    if isinstance(observation, Began):
        return state
    state = state.but(has_answered=True)
    if state.out_since is None:
        return state
    gone = as_text(observation.now - state.out_since)
    if state.outage_logged_at is not None:
        state = state.saying(f"Hevo's API answers again, after {gone}.")
    return state.but(out_since=None, outage_logged_at=None)


def _after_failed_read(state: State, failed: ReadFailed) -> Next:
    """A failed read is not a failed job: it is repeated, within the bound for outages."""
    read, now = state.reading, failed.now
    if state.phase is Phase.FINDING and isinstance(read, ReadObjects):
        # What one candidate lists is not needed to find ours: it is read again later.
        return after_unread_objects(state, read.job_id, failed)
    if state.ending is not None and now >= state.stop_by:
        return end_stop_finding(state, state.ending)
    out_since = now if state.out_since is None else state.out_since
    is_over = not failed.is_transient or now - out_since >= state.settings.outage_timeout
    if isinstance(read, ReadPipelineObjects) and is_over:
        return finish_unproven(state)
    if read is None or not failed.is_transient or not state.has_answered:
        return state.but(phase=Phase.ENDED), Finish(error=failed.error)
    state = state.but(out_since=out_since)
    if is_over:
        error = outage_error(read.what, now - out_since, failed.error)
        return state.but(phase=Phase.ENDED), Finish(error=error)
    if state.outage_logged_at is None or now - state.outage_logged_at >= OUTAGE_LOGGED_EVERY:
        left = as_text(state.settings.outage_timeout - (now - out_since))
        state = state.but(outage_logged_at=now).saying(
            f"Hevo's API gave no usable answer when reading {read.what}; trying again for up to "
            f"{left}. Last: {failed.error}",
            logging.WARNING,
        )
    pause = 1.0 if state.ending is not None else state.settings.poll_interval
    return state, Wait(pause, read)


# The end of patience


def _within_deadline(state: State, action: Action, observation: Observation) -> Next:
    """Keep waits within the deadline, and remember what is read."""
    then = action.then if isinstance(action, Wait) else action
    is_read = isinstance(then, READS)
    if is_read:
        state = state.but(reading=_as_read(then))
    deadline = state.deadline
    is_ended = state.phase in {Phase.ENDED, Phase.READING_OUTCOME, Phase.TRIGGERING}
    if deadline is None or state.ending is not None or is_ended or isinstance(action, Finish):
        return state, action
    left = deadline - observation.now
    if left <= 0 and is_read and not isinstance(observation, Began):
        doing = {
            Phase.RUNNING: "waiting for its job to end",
            Phase.FINDING: "looking for its job",
        }.get(state.phase, "waiting to trigger")
        job = state.job if state.owns_a_job else None
        ending = Finish(error=timeout_error(state.request, doing, job))
        return _stop(state, observation, ending)
    if isinstance(action, Wait):
        action = Wait(min(action.seconds, max(left, 0.0)), action.then)
    return state, action


def _as_read(action: object) -> Read:
    assert isinstance(action, READS)
    return action


def _stop(state: State, seen: Observation, ending: Finish) -> Next:
    """Nobody waits for the job any more: cancel it, where it is certain that it is ours."""
    if state.ending is not None:
        return state.but(phase=Phase.ENDED), state.ending
    if state.phase is Phase.RUNNING:
        return stop_following(state, ending)
    if state.phase in {Phase.FINDING, Phase.TRIGGERING} and state.may_have_started_a_job:
        return begin_stop_finding(state, seen.now, ending, seen.hevo_ms)
    return state.but(phase=Phase.ENDED), ending


def _after_cancel(state: State, answered: CancelAnswered) -> Next:
    job_id = state.job_id or "?"
    why = "the run was terminated" if _is_interruption(state) else "poll_timeout ran out"
    if answered.error is None:
        text = f"Cancelled job {job_id} of pipeline {state.request.pipeline_id}: {why}."
    else:
        text = (
            f"Job {job_id} could not be cancelled and may go on; cancel it in Hevo. Hevo said: "
            f"{answered.error}"
        )
    ending = state.ending or Finish(was_interrupted=True)
    ending = replace(ending, error=with_remark(ending.error, text))
    return state.saying(text, logging.WARNING).but(phase=Phase.ENDED), ending


def _is_interruption(state: State) -> bool:
    return state.ending is None or state.ending.was_interrupted
