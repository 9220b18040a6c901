"""What a job list shows: the running job, and the order of the list; on plain values."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.job_list import running_job, shows_newest_first


def at(*statuses: str, times: Iterable[int | None] | None = None) -> list[Job]:
    moments = list(times) if times is not None else list(range(len(statuses)))
    return [
        Job.model_validate(
            {"job_id": str(place), "type": "RESYNC", "status": status, "created_ts": moment}
        )
        for place, (status, moment) in enumerate(zip(statuses, moments, strict=True))
    ]


@pytest.mark.parametrize(
    ("jobs", "running", "running_as_hevo_says"),
    [
        ([], None, None),
        (at("COMPLETED", "FAILED", "CANCELED", "SKIPPED"), None, None),
        (at("COMPLETED", "IN_PROGRESS"), "1", "1"),
        (at("IN_PROGRESS", "COMPLETED"), "0", "0"),
        (at("CANCELLING", "COMPLETED"), "0", "0"),
        (at("COMPLETED", "DEFERRED"), "1", "1"),
        (at("DEFERRED", "COMPLETED"), None, None),
        (at("COMPLETED", "DEFERRED_WITH_FAILURE"), None, None),
        (at("COMPLETED", "SOMETHING_NEW"), None, "1"),
        (at("SOMETHING_NEW", "COMPLETED"), None, None),
        (at("SOMETHING_NEW", "COMPLETED", times=[None, None]), None, "0"),
    ],
)
def test_which_job_keeps_the_pipeline_busy(jobs, running, running_as_hevo_says):
    for order in (jobs, jobs[::-1]):
        found = running_job(order)
        told = running_job(order, also_unknown=True)
        assert (found and found.job_id) == running
        assert (told and told.job_id) == running_as_hevo_says


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (range(20, 0, -1), True),
        (range(20), False),
        ([*range(20, 10, -1), 11], True),
        ([*range(20, 10, -1), 12], False),
        ([5] * 20, False),
        ([5, *[4] * 12], True),
        (range(9, 0, -1), False),
        ([*range(20, 5, -1), None], False),
        ([], False),
    ],
)
def test_a_list_shows_its_order_only_where_enough_jobs_grow_older(times, expected):
    listed = list(times)
    assert shows_newest_first(at(*["COMPLETED"] * len(listed), times=listed)) is expected
