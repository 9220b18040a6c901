"""Which job came of the trigger: read the list, examine candidates, claim on complete evidence.

Pure: part of `decide.py`; what is read of candidates is `examining.py`, the rules of evidence
`matching.py`. What follows where no job is proven ours:

- A job that may be ours exists: wait until it has ended and is examined, then fail and name it.
- A foreign job was running when we triggered, and nothing of ours came: Hevo ignored the trigger.
  When that job has ended, trigger again.
- The trigger's answer was lost, and nothing came: trigger again, a few times.
- Hevo accepted, and nothing came: fail. Triggering again would be a guess.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.examining import (
    evidence_of,
    has_waited,
    was_running_at_trigger,
    with_list,
    with_objects,
    with_unread_objects,
)
from dagster_hevo.jobs.failures import (
    blocked_error,
    candidates_error,
    ignored_error,
    job_text,
    lost_error,
    not_found_error,
)
from dagster_hevo.jobs.following import follow_claimed
from dagster_hevo.jobs.job_list import running_job
from dagster_hevo.jobs.matching import Evidence, best_match
from dagster_hevo.jobs.newness import (
    latest_made_ms,
)
from dagster_hevo.jobs.polling import begin_polling, deferred_too_long
from dagster_hevo.jobs.records import Answer
from dagster_hevo.jobs.request import IfJobRunning, SyncAction
from dagster_hevo.jobs.settings import as_text
from dagster_hevo.jobs.state import Next, Phase, State
from dagster_hevo.jobs.steps import (
    CancelJob,
    ClaimAnswered,
    ClaimJob,
    Finish,
    JobsRead,
    ObjectsRead,
    Observation,
    PipelineRead,
    ReadFailed,
    ReadJobs,
    ReadObjects,
    ReadPipeline,
    Wait,
    WithdrawTrigger,
)

FIRST_WAIT_SHARE = 0.25
# Jobs appear 5 to 15 seconds after their trigger: a list without our job, read before, proves that
# it is new.
LONGEST_FIRST_WAIT = 3.0
WAIT_GROWTH = 1.5
# From then on the list is read less often than once in a poll_interval.
QUICK_READS = 8
LONGEST_LISTING_WAIT = 60.0
# How long a job is looked for before anything is triggered again, in job_discovery_timeouts: longer
# than before giving up, because a second trigger cannot be taken back.
CERTAIN_TIMEOUTS = 2.5
MOST_IGNORED_TRIGGERS = 3
# One read of the list may leave our job out: no decision is made on a single one.
LEAST_READS = 2
STOP_PATIENCE = 20.0
STOP_WAIT = 1.5


def begin_finding(
    state: State,
    triggered_at: float,
    *,
    triggered_ms: int | None,
    now: float,
    is_resumed: bool = False,
) -> Next:
    """Look for the job that came of a trigger.

    Args:
        state: What is known.
        triggered_at: When the trigger was answered, on the runner's clock.
        triggered_ms: The same by Hevo's clock.
        now: The time on the runner's clock.
        is_resumed: Whether an earlier attempt sent the trigger.
    """
    timeout = state.settings.job_discovery_timeout
    # Nothing says that Hevo took a trigger whose answer was lost, and an earlier attempt has
    # waited before: both are looked for longer before anything follows.
    is_sure = state.answer is Answer.ACCEPTED and not is_resumed
    find_until = triggered_at + timeout * (1 if is_sure else CERTAIN_TIMEOUTS)
    if triggered_ms is None and is_resumed:
        find_until = now + CERTAIN_TIMEOUTS * timeout
    first = min(state.settings.poll_interval * FIRST_WAIT_SHARE, LONGEST_FIRST_WAIT)
    state = state.but(
        phase=Phase.FINDING,
        may_have_started_a_job=True,
        triggered_at=triggered_at,
        triggered_ms=triggered_ms,
        until_ms=latest_made_ms(triggered_ms, timeout),
        find_until=max(find_until, now),
        certain_at=triggered_at + timeout * CERTAIN_TIMEOUTS,
        interval=first * WAIT_GROWTH,
        list_reads=0,
        first_seen={},
        late_lists=0,
        listed=(),
        to_examine=(),
        examined={},
        ran_at_trigger=None,
        is_full_read=False,
        is_pipeline_checked=False,
        is_restarting=False,
        sure_until_ms=None,
        jobs_clock_lead_ms=None,
        contested=frozenset(),
        is_trigger_timed=not is_resumed or triggered_ms is not None,
        job=None,
    )
    if is_resumed:
        return state, ReadJobs(all_pages=now >= find_until)
    return state, Wait(min(first, timeout), ReadJobs())


def begin_stop_finding(state: State, now: float, ending: Finish, hevo_ms: int | None) -> Next:
    """The run ends before its job was found: look for it briefly, to cancel it."""
    if state.phase is Phase.TRIGGERING:
        # Its answer will not be known.
        state, _ = begin_finding(state.but(answer=Answer.LOST), now, triggered_ms=hevo_ms, now=now)
    is_wanted = state.settings.cancel_on_termination
    foreign = state.ran_at_trigger
    if not is_wanted or (foreign is not None and not foreign.is_terminal):
        if is_wanted:
            state = state.saying(
                "A foreign job is running, so Hevo ignored the trigger: no job to cancel."
            )
        return state.but(phase=Phase.ENDED), ending
    return state.but(
        phase=Phase.FINDING, ending=ending, stop_by=now + STOP_PATIENCE, to_examine=()
    ), ReadJobs()


def end_stop_finding(state: State, ending: Finish) -> Next:
    """No job appeared in time to be cancelled: end without it."""
    state = state.saying(
        f"The trigger ({state.request}) was sent, and no job of it appeared before the run ended, "
        "so none was cancelled. What to do: if it appears in Hevo, cancel it there.",
        logging.WARNING,
    )
    return state.but(phase=Phase.ENDED), ending


def after_find_read(state: State, seen: Observation) -> Next:
    """The list, a candidate's objects, or the pipeline were read; or a claim was answered."""
    if isinstance(seen, JobsRead):
        return _examine_next(with_list(state, seen), seen)
    if isinstance(seen, ObjectsRead):
        return _examine_next(with_objects(state, seen), seen)
    if isinstance(seen, PipelineRead):
        return _wait_while_restarting(state, seen)
    assert isinstance(seen, ClaimAnswered)
    if not seen.is_owner:
        state = state.saying(f"Job {seen.job_id} belongs to another request.").but(
            owned_by_others=state.owned_by_others | {seen.job_id}, is_adopted=False
        )
        return _conclude(state, seen)
    job = next(job for job in state.listed if job.job_id == seen.job_id)
    state = begin_polling(state, job, state.listed, now=seen.now)
    if state.ending is not None:
        if job.is_terminal:
            return state.but(phase=Phase.ENDED), state.ending
        return state, CancelJob(job.job_id)
    return follow_claimed(state, seen)


def after_unread_objects(state: State, job_id: str, seen: ReadFailed) -> Next:
    """A candidate's objects could not be read: they are read again later."""
    return _examine_next(with_unread_objects(state, job_id, seen.now), seen)


def _examine_next(state: State, seen: Observation) -> Next:
    if state.to_examine:
        return state, ReadObjects(state.to_examine[0])
    return _conclude(state, seen)


def _conclude(state: State, seen: Observation) -> Next:
    """Everything that is listed was read: what does it prove?"""
    found = [evidence_of(state, job, seen) for job in state.listed]
    match = best_match(found, state.triggered_ms)
    if match is not None:
        others = [item for item in found if item.is_candidate and item is not match]
        return _claim(state, match, is_alone=not others)
    if state.ending is not None:
        if seen.now >= state.stop_by:
            return end_stop_finding(state, state.ending)
        return state, Wait(STOP_WAIT, ReadJobs())
    return _without_match(state, found, seen)


def _without_match(state: State, found: list[Evidence], seen: Observation) -> Next:
    """No job is proven ours yet: go on as long as one may come, then give up."""
    candidates = [item for item in found if item.is_candidate]
    possible = [item.job for item in found if item.may_have_run_at_trigger]
    state = _with_ran_at_trigger(state, possible, seen)
    if not state.is_pipeline_checked and has_waited(state, seen.now):
        return state, ReadPipeline()
    is_over = seen.now >= state.find_until
    running = _running_foreign_job(state, found, seen.now)
    if running is not None:
        return _beside_foreign_job(state, running, candidates, seen, is_over=is_over)
    if not is_over or any(not item.is_examined for item in candidates):
        return _wait(state, seen)
    if not state.is_full_read:
        return state, ReadJobs(all_pages=True)
    if state.list_reads < LEAST_READS:
        return state, Wait(state.settings.poll_interval, ReadJobs(all_pages=True))
    if state.ran_at_trigger is not None and not candidates and seen.now < state.certain_at:
        return _wait(state.but(find_until=state.certain_at), seen)
    would_trigger_again = state.ran_at_trigger is not None or state.answer is not Answer.ACCEPTED
    if would_trigger_again and not candidates and state.late_lists < LEAST_READS:
        return state, Wait(state.settings.poll_interval, ReadJobs(all_pages=True))
    # A job that came too late may be ours too: never a reason to claim it, always one not to
    # trigger again.
    late = [item.job for item in found if item.is_late] if would_trigger_again else []
    return _give_up(state, [item.job for item in candidates] + late)


def _running_foreign_job(state: State, found: Iterable[Evidence], now: float) -> Job | None:
    """The running foreign job behind which ours may still come.

    Once no job of ours can come any more, only the one that was running when we triggered counts.
    """
    items = tuple(found)
    foreign = [item.job for item in items if item.is_foreign]
    unknown = [
        item.job for item in items if item.may_have_run_at_trigger and not item.job.status.is_known
    ]
    running = running_job(foreign) or running_job(unknown, also_unknown=True)
    if running is None or now < state.certain_at:
        return running
    ran_at_trigger = state.ran_at_trigger
    is_same = ran_at_trigger is not None and ran_at_trigger.job_id == running.job_id
    return running if is_same else None


def _claim(state: State, match: Evidence, *, is_alone: bool) -> Next:
    """Claim a job; ``is_alone``: no other job may be ours."""
    job = match.job
    # Hevo's schedule starts INCREMENTAL jobs too.
    is_surely_ours = state.request.action is SyncAction.RESYNC or not state.is_scheduled
    # What an earlier attempt was about to send may never have reached Hevo.
    was_sent = state.answer is Answer.ACCEPTED or not state.is_resumed
    may_be_cancelled = match.may_be_cancelled and is_surely_ours and is_alone and was_sent
    if state.ending is not None and not may_be_cancelled:
        state = state.saying(
            f"Job {job_text(job)} may be the result of this request, without proof that nobody "
            "else started it: it was not cancelled.",
            logging.WARNING,
        )
        assert state.ending is not None
        return state.but(phase=Phase.ENDED), state.ending
    state = state.but(is_adopted=False, may_be_cancelled=may_be_cancelled)
    return state, ClaimJob(job.job_id, may_be_cancelled=may_be_cancelled)


def _with_ran_at_trigger(state: State, foreign: Iterable[Job], seen: Observation) -> State:
    """Remember a foreign job that was running when we triggered."""
    known = state.ran_at_trigger
    for job in foreign:
        is_first_or_same = known is None or known.job_id == job.job_id
        if is_first_or_same and was_running_at_trigger(state, job, seen):
            return state.but(ran_at_trigger=job)
    return state


def _beside_foreign_job(
    state: State, running: Job, candidates: list[Evidence], seen: Observation, *, is_over: bool
) -> Next:
    """A foreign job runs: ours may come when it has ended."""
    timeout = state.settings.job_discovery_timeout
    too_long = deferred_too_long(state, running, state.triggered_at, seen.now)
    if too_long is not None:
        error = blocked_error(state.request, running, too_long)
        return state.but(phase=Phase.ENDED), Finish(error=error)
    is_late = is_over and seen.now >= state.triggered_at + 2 * timeout and not candidates
    if is_late and state.settings.if_job_running is IfJobRunning.FAIL:
        error = ignored_error(state.request, f"job {job_text(running)}", state.triggers)
        return state.but(phase=Phase.ENDED), Finish(error=error)
    is_free = running.job_id not in state.owned_by_others
    if is_late and is_free and state.settings.if_job_running is IfJobRunning.ADOPT:
        state = state.saying(
            f"Pipeline {state.request.pipeline_id} is busy with foreign job {job_text(running)}, "
            "and no job came of the trigger. Adopting that job."
        ).but(is_adopted=True, may_be_cancelled=False)
        return state, ClaimJob(running.job_id, is_adopted=True)
    if state.last_logged != (running.job_id,):
        state = state.but(last_logged=(running.job_id,)).saying(
            f"Pipeline {state.request.pipeline_id} is busy with foreign job {job_text(running)}; "
            "waiting for its end, or for the job of this request."
        )
    until = max(state.find_until, seen.now + timeout, state.triggered_at + 2 * timeout)
    return _wait(state.but(find_until=until), seen, is_beside=True)


def _wait(state: State, seen: Observation, *, is_beside: bool = False) -> Next:
    """Read the list again; ``is_beside``: a foreign job runs, so nothing is decided yet."""
    interval = state.settings.poll_interval
    longest = interval if state.list_reads <= QUICK_READS else max(interval, LONGEST_LISTING_WAIT)
    wait = min(state.interval, longest)
    left = state.find_until - seen.now
    wait = min(wait, left) if left > 0 else wait
    # The whole list, which may be long, is read where something is decided: not while waiting on.
    is_last = 0 < left <= wait and not is_beside
    state = state.but(interval=min(state.interval * WAIT_GROWTH, longest))
    return state, Wait(wait, ReadJobs(all_pages=is_last))


def _wait_while_restarting(state: State, seen: PipelineRead) -> Next:
    """A pipeline that restarts after a resync shows its job when it is ready.

    This is read once, soon after the trigger: a restart that begins later is another's. An attempt
    that resumes another one long after cannot tell whose a restart is: what is made after it may be
    ours, and is not proven to be.
    """
    timeout = state.settings.job_discovery_timeout
    if seen.pipeline.status.becomes_triggerable:
        if not state.is_restarting:
            is_late = seen.now > state.triggered_at + timeout
            sure_until_ms = state.until_ms if is_late else None
            state = state.but(is_restarting=True, sure_until_ms=sure_until_ms).saying(
                f"Pipeline {state.request.pipeline_id} is {seen.pipeline.status}; its job appears "
                "after that."
            )
        return state, Wait(state.settings.poll_interval, ReadPipeline())
    state = state.but(is_pipeline_checked=True)
    if not state.is_restarting:
        return _conclude(state, seen)
    until_ms, from_now_ms = state.until_ms, latest_made_ms(seen.hevo_ms, timeout)
    if until_ms is not None and from_now_ms is not None:
        until_ms = max(until_ms, from_now_ms)
    certain_at = seen.now + CERTAIN_TIMEOUTS * timeout
    state = state.but(find_until=certain_at, certain_at=certain_at, until_ms=until_ms)
    return state, ReadJobs()


def _give_up(state: State, candidates: list[Job]) -> Next:
    """No job of ours came, in the whole list, in all the time that it may take."""
    request, timeout = state.request, state.settings.job_discovery_timeout
    ended = state.but(phase=Phase.ENDED)
    if candidates:
        # Also where none of them has loaded: ours may be listed later than all of them.
        return ended, Finish(error=candidates_error(request, candidates))
    again = state.but(phase=Phase.READY, may_have_started_a_job=False, job=None, last_logged=())
    foreign = state.ran_at_trigger
    if foreign is not None:
        if state.triggers >= MOST_IGNORED_TRIGGERS:
            error = ignored_error(request, f"a job such as {foreign.job_id}", state.triggers)
            return ended, Finish(error=error)
        again = again.saying(
            f"Hevo ignored the trigger ({request}), because foreign job {job_text(foreign)} "
            "was running. Triggering again."
        )
        return again, WithdrawTrigger()
    if state.answer is Answer.ACCEPTED:
        return ended, Finish(error=not_found_error(request, state.find_until - state.triggered_at))
    if state.triggers >= state.settings.max_triggers:
        return ended, Finish(error=lost_error(request, state.triggers, state.last_error))
    return again.saying(
        f"No job came of the trigger ({request}) within {as_text(CERTAIN_TIMEOUTS * timeout)}, "
        f"{CERTAIN_TIMEOUTS} times job_discovery_timeout, and its answer was lost or unclear: it "
        "had no effect. Triggering again."
    ), WithdrawTrigger()
