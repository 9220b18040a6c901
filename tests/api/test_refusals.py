"""Which messages say that a job is running, in the words known so far and in others."""

from __future__ import annotations

import pytest
from stub_server import Answer

from dagster_hevo.api.answers import error_kind
from dagster_hevo.api.errors import (
    HevoApiError,
    HevoAuthenticationError,
    HevoConflictError,
    HevoNotFoundError,
    HevoPermissionError,
    HevoRateLimitError,
    HevoServerError,
)

RUNNING = [
    "A job is in progress. To sync now you need to cancel the current job",
    "To sync now you need to cancel the current job",
    "A job is already in progress for this pipeline",
    "Job already running",
    "JOB_ALREADY_RUNNING",
    "JobAlreadyRunning",
    "job-in-progress",
    "Sync already in progress",
    "Sync is in progress",
    "A sync has already been triggered",
    "Resync already in progress",
    "A job already exists for this pipeline",
    "Pipeline is already running",
    "Pipeline sync is running",
    "The pipeline has already been queued",
    "Cannot trigger sync while a job is running",
    "Sync could not be triggered because a job is in progress",
    "No new job can be started while another one is running",
    "Sync was not started: running job found",
    "2 jobs are running",
    "Another historical job for pipeline 7 is still In Progress",
]
SOMETHING_ELSE = [
    "",
    "Job not found",
    "invalid job type",
    "Invalid job type INCREMENTAL",
    "Job id is missing",
    "Sync is not allowed in this status",
    "Pipeline not found",
    "Pipeline is disabled",
    "Pipeline is already disabled",
    "Pipeline with this name already exists",
    "Pipeline is not running",
    "Pipeline isn't running",
    "The pipeline is not in a running state",
    "Job is not running",
    "Job is not in progress",
    "No job is running",
    "There is no running job",
    "Job has already been cancelled",
    "Job already completed",
    "The server is already overloaded",
    "Maintenance in progress",
    "jobless claims already rose",
]


@pytest.mark.parametrize("message", RUNNING)
@pytest.mark.parametrize("status", [400, 422, 423, 500, 503, 599])
def test_a_message_about_a_running_job_is_a_conflict(message, status):
    assert error_kind(status, message) is HevoConflictError


def test_upper_case_and_spaces_change_nothing():
    assert error_kind(500, RUNNING[0].upper().replace(" ", "\n  ")) is HevoConflictError


@pytest.mark.parametrize("message", SOMETHING_ELSE)
def test_another_message_is_no_conflict(message):
    assert error_kind(400, message) is HevoApiError
    assert error_kind(500, message) is HevoServerError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, HevoAuthenticationError),
        (403, HevoPermissionError),
        (404, HevoNotFoundError),
        (429, HevoRateLimitError),
    ],
)
@pytest.mark.parametrize("message", RUNNING)
def test_a_status_with_a_meaning_of_its_own_keeps_it(status, kind, message):
    assert error_kind(status, message) is kind


@pytest.mark.parametrize("message", [*RUNNING, *SOMETHING_ELSE])
def test_409_is_a_conflict_whatever_it_says(message):
    assert error_kind(409, message) is HevoConflictError


@pytest.mark.parametrize("body", [{"error": "CONFLICT", "message": RUNNING[2]}, RUNNING[0]])
def test_a_refused_trigger_is_a_conflict_over_http(serve, connect, body):
    server = serve(Answer(body, status=500))
    with pytest.raises(HevoConflictError):
        connect(server).trigger_pipeline_sync(7)
    assert len(server.requests) == 1


def test_a_job_that_is_not_found_is_no_conflict_over_http(serve, connect):
    with pytest.raises(HevoServerError) as raised:
        connect(serve(Answer({"message": "Job not found"}, status=500))).cancel_job(7, "j")
    assert not isinstance(raised.value, HevoConflictError)
