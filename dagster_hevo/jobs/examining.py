"""What was read of the jobs that may be ours, and the evidence that it makes.

Pure: part of `finding.py`, which decides what follows; the rules of evidence are `matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dagster_hevo.api.enums import JobStatus
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.matching import Evidence, Fit, fit_by_objects, fit_by_type
from dagster_hevo.jobs.newness import (
    CLOCK_TOLERANCE_MS,
    DATE_PRECISION_MS,
    Newness,
    clock_lead_ms,
    made_at,
    newness_of,
)
from dagster_hevo.jobs.polling import deferred_too_long
from dagster_hevo.jobs.records import Answer
from dagster_hevo.jobs.request import SyncAction
from dagster_hevo.jobs.state import Examination, Sighting, State
from dagster_hevo.jobs.steps import JobsRead, ObjectsRead, Observation

# Jobs appear in the list 5 to 15 seconds after they were made: a share of
# job_discovery_timeout, so that whoever scales one scales both.
LISTING_SHARE = 1 / 3
MOST_EXAMINED_AT_ONCE = 5
# The objects of a candidate are read at growing intervals, counted in poll intervals.
MOST_INTERVALS = 6
# One read of the list may leave a job out: after so many, it has vanished.
READS_UNTIL_VANISHED = 4
# Missing from so many reads when ours would be listed for certain, a job is not ours.
LATE_LISTS = 2


def may_be_ours(state: State, jobs: Iterable[Job], hevo_ms: int | None) -> tuple[Job, ...]:
    """The jobs of a list that may have come of the trigger, by their times alone."""
    if state.baseline is None:
        return ()
    return tuple(job for job in jobs if not _newness(state, job, hevo_ms).is_outside)


def _newness(state: State, job: Job, hevo_ms: int | None) -> Newness:
    """Whether a job was made after the baseline, by its time and by when it was listed."""
    assert state.baseline is not None
    sighting = state.first_seen.get(job.job_id, Sighting(state.list_reads))
    if sighting.late_lists >= LATE_LISTS:
        return Newness.LATE  # It was not there for longer than ours can be missing.
    newness = newness_of(
        job,
        state.baseline,
        until_ms=state.until_ms,
        now_ms=hevo_ms,
        jobs_clock_lead_ms=state.jobs_clock_lead_ms,
    )
    if newness is not Newness.OLD:
        return newness
    # The clock that writes the Date header may be wrong. What is older than a job of the baseline,
    # or was listed before the trigger, is old by the clock of the jobs alone.
    # So is the clock of the machine that made that job.
    made, newest = made_at(job, hevo_ms), state.baseline.not_before_ms
    is_old = made is None or (newest is not None and made <= newest - CLOCK_TOLERANCE_MS)
    is_old = is_old or _was_listed_before(state, job)
    return Newness.OLD if is_old else Newness.DISPUTED


def _was_listed_before(state: State, job: Job) -> bool:
    """Whether a job was listed before the trigger, as far as this attempt knows."""
    assert state.baseline is not None
    return job.job_id in state.baseline.job_ids or job.job_id in state.listed_before


def with_list(state: State, seen: JobsRead) -> State:
    """The state after a read of the job list, with the candidates whose objects to read."""
    return _with_jobs_to_examine(_with_sightings(state, seen), seen)


def _with_sightings(state: State, seen: JobsRead) -> State:
    """The state with what the list shows, and which reads have shown each job."""
    reads = state.list_reads
    first_seen = dict(state.first_seen)
    for job in seen.jobs:
        first = first_seen.get(job.job_id, Sighting(reads, seen.now, late_lists=state.late_lists))
        first_seen[job.job_id] = replace(first, last_read=reads)
    # One read may leave out a job that an earlier one had. What may be ours is never forgotten.
    present = {job.job_id for job in seen.jobs}
    missing = [
        job
        for job in state.listed
        if job.job_id not in present
        and (
            reads - first_seen[job.job_id].last_read < READS_UNTIL_VANISHED
            or not evidence_of(state, job, seen).is_foreign
        )
    ]
    return state.but(
        listed=(*seen.jobs, *missing),
        first_seen=first_seen,
        late_lists=state.late_lists + (seen.is_complete and seen.now > state.certain_at),
        list_reads=reads + 1,
        is_full_read=seen.is_complete,
        jobs_clock_lead_ms=clock_lead_ms(seen.jobs, seen.hevo_ms, state.jobs_clock_lead_ms),
        owned_by_others=state.owned_by_others | seen.owned_by_others,
        contested=seen.contested | (state.contested - present),
    )


def _with_jobs_to_examine(state: State, seen: JobsRead) -> State:
    """The state with the candidates whose objects are worth reading in this round."""
    examined = dict(state.examined)
    to_examine: list[str] = []
    for job in may_be_ours(state, state.listed, seen.hevo_ms):
        if job.job_id in state.owned_by_others:
            continue
        if fit_by_type(state.triggered_request, job) is not Fit.OPEN:
            continue
        known = examined.get(job.job_id, Examination())
        if job.is_terminal and known.ended_at is None:
            # What it lists now counts more than what it listed while it ran.
            known = Examination(known.object_ids, ended_at=seen.now)
            examined[job.job_id] = known
        if seen.now >= known.next_read and not _is_decided(state, job, known, seen.now):
            to_examine.append(job.job_id)
    return state.but(examined=examined, to_examine=tuple(to_examine[:MOST_EXAMINED_AT_ONCE]))


def with_objects(state: State, seen: ObjectsRead) -> State:
    """The state after a read of a candidate's objects."""
    known = state.examined.get(seen.job_id, Examination())
    job = next((job for job in state.listed if job.job_id == seen.job_id), None)
    total = job.objects_total if job is not None else 0
    reads = known.reads + 1
    examined = Examination(
        object_ids=known.object_ids | state.index.ids_in(seen.objects),
        reads=reads,
        is_list_complete=0 < total <= len(seen.objects),
        ended_at=known.ended_at,
        next_read=seen.now + state.settings.poll_interval * min(reads, MOST_INTERVALS),
        unclear_ids=known.unclear_ids | state.index.unclear_in(seen.objects),
        read_at=seen.now,
    )
    return state.but(
        examined={**state.examined, seen.job_id: examined},
        to_examine=tuple(job_id for job_id in state.to_examine if job_id != seen.job_id),
    )


def with_unread_objects(state: State, job_id: str, now: float) -> State:
    """The state after a read of a candidate's objects that failed: they are read again later."""
    known = state.examined.get(job_id, Examination())
    again = replace(known, next_read=now + state.settings.poll_interval)
    return state.but(
        examined={**state.examined, job_id: again},
        to_examine=tuple(other for other in state.to_examine if other != job_id),
    )


def _is_decided(state: State, job: Job, known: Examination, now: float) -> bool:
    """Whether reading the job's objects once more teaches nothing."""
    is_final = job.is_terminal and known.is_list_complete
    fit = _fit_by_objects(state, job, known, is_final=is_final)
    if fit is not Fit.OPEN or is_final:
        return known.reads > 0
    if known.ended_at is None:
        return False
    lag = state.settings.job_objects_timeout
    if known.reads > 0 and known.read_at - known.ended_at >= lag:
        return True
    # A read that failed says nothing; an API that is out is waited for.
    return now - known.ended_at >= lag + state.settings.outage_timeout


def _fit_by_objects(state: State, job: Job, known: Examination, *, is_final: bool) -> Fit:
    fit = fit_by_objects(
        state.triggered_request,
        job,
        known.object_ids,
        unclear_ids=known.unclear_ids,
        has_unknown=not known.object_ids <= state.index.objects.keys(),
        is_final=is_final,
    )
    # A list that is not complete may yet show more than was requested.
    return Fit.SUPERSET if fit is Fit.EXACT and not known.is_list_complete else fit


def evidence_of(state: State, job: Job, seen: Observation) -> Evidence:
    """All that speaks for or against a listed job."""
    assert state.baseline is not None
    newness = _newness(state, job, seen.hevo_ms)
    fit = fit_by_type(state.triggered_request, job)
    is_deferred = deferred_too_long(state, job, state.triggered_at, seen.now) is not None
    is_examined = (job.is_terminal or is_deferred) and seen.now >= state.find_until
    if fit is Fit.OPEN:
        known = state.examined.get(job.job_id, Examination())
        is_final = job.is_terminal and known.is_list_complete
        fit = _fit_by_objects(state, job, known, is_final=is_final)
        is_examined = is_examined and (is_deferred or _is_decided(state, job, known, seen.now))
    sighting = state.first_seen.get(job.job_id, Sighting())
    reads_missing = state.list_reads - 1 - sighting.last_read
    if reads_missing > 0:
        is_examined = reads_missing >= READS_UNTIL_VANISHED
    without = sighting.lists_without
    made = made_at(job, seen.hevo_ms)
    if made is None and not state.baseline.is_complete:
        without = 0
    is_after_restart = state.sure_until_ms is not None and (
        made is None or made > state.sure_until_ms + CLOCK_TOLERANCE_MS
    )
    return Evidence(
        job,
        newness,
        fit,
        lists_without=without,
        baseline_reads=state.baseline.reads,
        is_timely=_is_timely(state, newness, sighting),
        is_resync=state.request.action is SyncAction.RESYNC,
        is_surely_after=_is_surely_after(state, made),
        is_examined=is_examined,
        is_listed=reads_missing <= 0,
        is_claimed=job.job_id in state.owned_by_others,
        may_be_anothers=is_after_restart or job.job_id in state.contested,
        answer_is_unclear=state.answer is Answer.UNCLEAR,
        waited=has_waited(state, seen.now),
        was_unended_before=job.job_id in state.unended_before,
        was_listed_before=newness is Newness.OLD or _was_listed_before(state, job),
        waited_long=seen.now >= state.triggered_at + state.settings.job_discovery_timeout,
    )


def _is_surely_after(state: State, made: int | None) -> bool:
    """Whether a job was made after the baseline, as strictly as the clocks allow to say."""
    assert state.baseline is not None
    if made is None or state.baseline.hevo_ms is None:
        return False
    return made >= state.baseline.hevo_ms + max(state.jobs_clock_lead_ms or 0, 0)


def _is_timely(state: State, newness: Newness, sighting: Sighting) -> bool:
    """Whether a job came in the time in which ours must come: by Hevo's clock, else by ours."""
    assert state.baseline is not None
    if not state.is_trigger_timed:
        return False
    by_hevo = state.baseline.hevo_ms is not None and newness is not Newness.UNTIMED
    return by_hevo or sighting.seen_at <= state.certain_at


def has_waited(state: State, now: float) -> bool:
    """Whether so much time has passed since the trigger that our job is normally listed."""
    timeout = state.settings.job_discovery_timeout
    return now >= state.triggered_at + timeout * LISTING_SHARE


def was_running_at_trigger(state: State, job: Job, seen: Observation) -> bool:
    """Whether a job ran at the moment of our trigger, as far as Hevo's clock tells."""
    assert state.baseline is not None
    if job.status is JobStatus.SKIPPED:
        return False  # Hevo skips its own jobs while another one runs, which may be ours.
    made, before_ms = made_at(job, seen.hevo_ms), state.baseline.hevo_ms
    if made is not None and before_ms is not None and made > before_ms + DATE_PRECISION_MS:
        return False
    if not job.is_terminal:
        return True
    begins = state.baseline.begins_ms
    if begins is None or job.updated_ts is None:
        return made is None or begins is None or made >= begins - CLOCK_TOLERANCE_MS
    return job.updated_ts >= begins - CLOCK_TOLERANCE_MS
