"""How the local Hevo lists a pipeline's jobs: their order, their pages, the entries it leaves out.

How one job looks is in `answers.py`; the traits used here are described in `behaviour.py`.
"""

from __future__ import annotations

import hashlib

from dagster_hevo.sandbox.answers import job_body
from dagster_hevo.sandbox.clock import SandboxClock
from dagster_hevo.sandbox.jobs import JobRun
from dagster_hevo.sandbox.pages import LARGEST_PAGE, Page, PageQuery, page_of
from dagster_hevo.sandbox.pipelines import PipelineState

DEFAULT_ENTRIES = 10
"""Entries in a page of the job list when the request gives no `limit`, as Hevo documents it."""


def page_of_jobs(
    pipeline: PipelineState, query: PageQuery, clock: SandboxClock, now: float
) -> Page:
    """The page of a pipeline's job list that a request wants.

    Raises:
        BadPageError: The limit is not a number from 1 on, or no job list wrote the cursor.
    """
    behaviour = pipeline.behaviour
    size = query.entries(DEFAULT_ENTRIES, behaviour.job_list_page_entries or LARGEST_PAGE)
    begins_after = query.begins_after
    if begins_after is None:
        left_out = _left_out_of_new_read(pipeline, now)
    else:
        left_out = begins_after.without
    return page_of(
        [job for job in _in_order(pipeline, now) if job.job_id != left_out],
        lambda job: job.job_id,
        lambda job: job_body(pipeline, job, clock, now),
        size=size,
        begins_after=begins_after,
        repeats_last=behaviour.job_list_repeats,
        without=left_out,
    )


def _left_out_of_new_read(pipeline: PipelineState, now: float) -> str | None:
    pipeline.job_list_reads += 1
    every = pipeline.behaviour.job_list_leaves_out_every
    if not every or pipeline.job_list_reads % every:
        return None
    newest = max(pipeline.listed_jobs(now), key=lambda job: job.created, default=None)
    return newest.job_id if newest is not None else None


def _in_order(pipeline: PipelineState, now: float) -> list[JobRun]:
    jobs = pipeline.listed_jobs(now)
    order = pipeline.behaviour.job_list_order
    if order == "newest_first":
        jobs.reverse()
    elif order == "shuffled":
        jobs.sort(key=lambda job: hashlib.md5(job.job_id.encode()).digest())
    return jobs
