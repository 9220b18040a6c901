"""What the ledger tells of a pipeline before a tick visits it, and what the ledger is told.

Nothing is sent to Hevo. What is written here comes from a cursor that was kept: the events of the
tick that made it are stored.
"""

from __future__ import annotations

from dataclasses import replace

from dagster_hevo.job_sensor.cursor import FURTHEST_AHEAD, PipelineCursor
from dagster_hevo.job_sensor.followed import FollowedPipeline, TickTools
from dagster_hevo.job_sensor.open_job import OpenJob
from dagster_hevo.jobs.marks import RecordMarks
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger

WRITTEN_EVERY = 6 * 3600.0


def prepared(followed: FollowedPipeline, known: PipelineCursor, tools: TickTools) -> PipelineCursor:
    """A pipeline's cursor, with what the ledger tells.

    Args:
        followed: The pipeline.
        known: How far it is.
        tools: What the visits of a tick share.
    """
    settings, pipeline_id = tools.settings, followed.pipeline.id
    marks = RecordMarks(
        tools.store, settings.base_url, pipeline_id, followed.asset_set, settings.sensor_id
    )
    if known.is_new:
        known = _as_followed(known, marks, tools.began)
    if known.reported:
        # The cursor was kept, so the events that came with it are stored.
        for job_id in sorted(known.reported):
            marks.finish(job_id)
        known = replace(known, reported=frozenset())
    known = _written(known, marks, tools.began)
    ledger = PipelineLedger(tools.store, settings.base_url, pipeline_id)
    for pointer in ledger.claimed():
        job_id = pointer.job_id
        if job_id is None or job_id in known.open or job_id in known.settled:
            continue
        if not ledger.is_running(pointer.run_id):
            known = with_left_job(known, job_id, tools.began)
    return known


def _as_followed(known: PipelineCursor, marks: RecordMarks, now: float) -> PipelineCursor:
    """The cursor of a pipeline that has none: where the ledger says, or from now on."""
    found = marks.followed_until()
    if found is None:
        marks.follow_until(known.since, 0)
        return replace(known, is_new=False)
    since, until_ms = found
    # A clock that was set back: how long it has been followed is not known.
    since = since if since <= now else max(now - FURTHEST_AHEAD, 1.0)
    until = until_ms if 0 < until_ms <= (now + FURTHEST_AHEAD) * 1000 else None
    return replace(known, is_new=False, since=since, newest_ms=until, old_before_ms=until)


def _written(known: PipelineCursor, marks: RecordMarks, now: float) -> PipelineCursor:
    """Tell the ledger how far this is, now and then: a lost cursor goes on from there."""
    if known.old_before_ms is None or now - known.written_at < WRITTEN_EVERY:
        return known
    # Of what is still to be recorded, only the cursor knows.
    waiting = [entry.made_ms for entry in known.open.values() if entry.made_ms]
    for job_id in known.settled:
        marks.leave(job_id)
    marks.follow_until(known.since, min([known.old_before_ms, *waiting]))
    return replace(known, written_at=now)


def with_left_job(cursor: PipelineCursor, job_id: str, now: float) -> PipelineCursor:
    """The cursor with a job that its run has left to be recorded."""
    if job_id in cursor.open or job_id in cursor.settled or job_id in cursor.reported:
        return cursor
    return replace(cursor.with_open(job_id, OpenJob(now)), due_at=min(cursor.due_at, now))
