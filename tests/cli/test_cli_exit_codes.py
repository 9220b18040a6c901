"""Every way to fail has its exit code, one message on stderr, and nothing on stdout."""

from __future__ import annotations

import pytest

from dagster_hevo.api import errors
from dagster_hevo.cli.exits import ExitCode, exit_code_of
from dagster_hevo.object_choice import ObjectChoiceError


def refused(ended, code: ExitCode, *words: str) -> None:
    assert ended.code == code
    assert ended.out == ""
    assert ended.err.startswith("Error: ")
    for word in words:
        assert word in ended.err


def test_missing_keys(at):
    ended = at().run("pipelines", "--json", HEVO_API_KEY="", HEVO_API_SECRET=None)
    refused(ended, ExitCode.KEYS, "HEVO_API_KEY and HEVO_API_SECRET not set")


def test_wrong_keys(at):
    refused(at().run("pipelines", HEVO_API_KEY="wrong"), ExitCode.KEYS, "401")


def test_keys_of_a_member(at):
    line = at()
    ended = line.run("jobs", 101, HEVO_API_KEY=line.sandbox.member_key)
    refused(ended, ExitCode.KEYS, "owner account")


def test_a_pipeline_that_is_not_there(at):
    line = at()
    for command in ("objects", "jobs", "watch", "resync"):
        refused(line.run(command, 999), ExitCode.NOT_FOUND, "404")


def test_a_job_that_is_not_there(at):
    refused(at().run("watch", 101, "no-such-job"), ExitCode.NOT_FOUND)


def test_an_object_that_is_not_there(at):
    refused(at().run("resync", 101, "nothing"), ExitCode.NOT_FOUND, "table_01")


def test_nobody_answers(at):
    line = at()
    line.sandbox.stop()
    refused(line.run("jobs", 101, HEVO_BASE_URL="http://127.0.0.1:9"), ExitCode.UNREACHABLE)


def test_an_address_that_would_send_the_secret_in_the_clear(at):
    ended = at().run("pipelines", "--base-url", "http://hevo.example.com")
    refused(ended, ExitCode.USAGE, "https")


def test_a_typed_region_wins_over_an_address_in_the_environment(at):
    ended = at().run("pipelines", "--region", "not a region")
    refused(ended, ExitCode.USAGE, "not a region")


def test_a_budget_that_is_no_number(at):
    refused(at().run("pipelines", HEVO_REQUESTS_PER_MINUTE="many"), ExitCode.USAGE)


def test_an_option_that_is_not_there_is_wrong_usage_and_keys_are_no_options(at):
    ended = at().run("pipelines", "--api-key", "key")
    assert ended.code == ExitCode.USAGE
    assert "No such option" in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.HevoAuthenticationError(401, "GET", "/", ""), ExitCode.KEYS),
        (errors.HevoPermissionError(403, "GET", "/", ""), ExitCode.KEYS),
        (errors.HevoNotFoundError(404, "GET", "/", ""), ExitCode.NOT_FOUND),
        (ObjectChoiceError("no such object"), ExitCode.NOT_FOUND),
        (errors.HevoConfigurationError("no such region"), ExitCode.USAGE),
        (errors.HevoConnectionError("GET", "/", "", was_sent=False), ExitCode.UNREACHABLE),
        (errors.HevoServerError(503, "GET", "/", ""), ExitCode.UNREACHABLE),
        (errors.HevoOutageError("out"), ExitCode.UNREACHABLE),
        (errors.HevoGarbledResponseError("GET", "/", ""), ExitCode.UNREACHABLE),
        (errors.HevoConflictError(500, "POST", "/", ""), ExitCode.BUSY),
        (errors.HevoRateLimitError(429, "GET", "/", ""), ExitCode.BUSY),
        (errors.HevoPipelineBusyError("busy"), ExitCode.BUSY),
        (errors.HevoJobTimeoutError("late"), ExitCode.BUSY),
        (errors.HevoJobNotFoundError("none came"), ExitCode.BUSY),
        (errors.HevoPipelineStateError("", "ENABLING", can_retry=True), ExitCode.BUSY),
        (errors.HevoPipelineStateError("", "DISABLED", can_retry=False), ExitCode.WRONG),
        (errors.HevoApiError(400, "GET", "/", ""), ExitCode.WRONG),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_code_of(error) is code
