"""The examples of docs/ops.md run as they stand there, but for the address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "ops.md"
SETTINGS = "poll_interval=0.05, retry_delay=0.02, rate_limit_store='memory'"


@pytest.fixture
def page(at, monkeypatch, request):
    """What the examples define, beside a sandbox of theirs."""
    place = at(pipelines=2, **getattr(request, "param", {}))
    monkeypatch.setenv("HEVO_API_KEY", place.sandbox.api_key)
    monkeypatch.setenv("HEVO_API_SECRET", place.sandbox.api_secret)
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text("utf8"), re.S))
    assert 'region="us"' in code
    code = code.replace('region="us"', f"base_url={place.sandbox.url!r}, {SETTINGS}")
    defined: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), defined)
    return place, defined


def run(job: dg.JobDefinition) -> dg.ExecuteInProcessResult:
    result = job.execute_in_process(raise_on_error=True)
    assert result.success
    return result


def test_a_report_waits_for_sync_and_resync(page):
    place, defined = page
    result = run(defined["nightly_report"])
    synced, resynced = place.sandbox.jobs(101)
    loaded = synced.events_loaded + resynced.events_loaded
    assert result.output_for_node("send_report") == loaded > 0
    assert resynced.object_ids == ("obj-101-1",)


def test_one_op_serves_two_pipelines(page):
    place, defined = page
    run(defined["sync_both"])
    assert {job.pipeline_id for job in place.sandbox.jobs()} == {101, 102}


def test_a_pipeline_is_opened_synced_and_closed(page):
    place, defined = page
    place.sandbox.set_pipeline_status(101, "DISABLED")
    run(defined["open_for_the_night"])
    assert [job.status for job in place.sandbox.jobs(101)] == ["COMPLETED"]
    assert place.sandbox.pipeline_status(101) == "DISABLED"
    assert place.sandbox.requests_to("*/refresh-schema", "POST")


@pytest.mark.parametrize("page", [{"seconds_per_object": 60.0}], indirect=True)
def test_the_running_job_is_stopped(page):
    place, defined = page
    place.sandbox.set_behaviour(None, cancelling_seconds=0.1)
    place.sandbox.start_scheduled_job(101)
    run(defined["stop_the_running_job"])


def test_the_client_does_the_same(page):
    place, defined = page

    @dg.job(resource_defs={"hevo": defined["hevo"]})
    def direct():
        defined["by_the_resource"]()

    run(direct)
    asked = {request.path.rsplit("/", 1)[1] for request in place.sandbox.requests}
    assert {"disable", "enable", "refresh-schema", "jobs"} <= asked


@pytest.mark.parametrize("name", sorted(re.findall(r"`(hevo_\w+_op)`", PAGE.read_text("utf8"))))
def test_every_op_of_the_page_is_exported(name):
    import dagster_hevo

    assert name in dagster_hevo.__all__
    assert isinstance(getattr(dagster_hevo, name), dg.OpDefinition)
