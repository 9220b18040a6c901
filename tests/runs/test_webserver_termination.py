"""A run that somebody terminates on Dagster's page cancels its Hevo job, with either executor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
from ended_processes import wait_for_cancels
from shop_runs import wait_until

INSTANCE = """\
telemetry: {enabled: false}
run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}
"""
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
TERMINATE = """
mutation Terminate($runId: String!) {
  terminateRun(runId: $runId) { __typename ... on TerminateRunFailure { message } }
}
"""


class Page:
    """Dagster's web server over the shop's code location."""

    def __init__(self, place) -> None:
        pytest.importorskip("dagster_webserver")
        (place.home / "dagster.yaml").write_text(INSTANCE, encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = (place.home / "webserver.log").open("wb")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster_webserver", "-m", "shop_location"),
                *("-h", "127.0.0.1", "-p", str(port)),
            ],
            cwd=Path(__file__).parent,
            env={**os.environ, **place.environment},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        wait_until(self._answers, within=90, what="the web server")

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/server_info", timeout=5).ok
        except requests.ConnectionError:
            return False

    def send(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer
        (content,) = answer["data"].values()
        return content

    def launch(self, job: str) -> str:
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "shop_location",
            "jobName": job,
        }
        answer = self.send(LAUNCH, params={"selector": selector, "runConfigData": {}})
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


@pytest.fixture
def page(station) -> Iterator[tuple[Page, Any]]:
    place = station(seconds_per_object=60.0)
    opened = Page(place)
    yield opened, place
    opened.stop()


def test_terminating_a_run_on_its_page_cancels_its_job_within_five_seconds(page):
    server, place = page
    sandbox = place.shop.sandbox
    for count, job_name in enumerate(["everything", "in_steps"], start=1):
        polls = len(sandbox.requests_to("*/jobs/*-*"))
        run_id = server.launch(job_name)
        wait_until(
            lambda polls=polls: len(sandbox.requests_to("*/jobs/*-*")) > polls,
            within=60,
            what="a poll of the job",
        )
        sent = time.time()
        assert server.send(TERMINATE, runId=run_id)["__typename"] == "TerminateRunSuccess"
        cancels = wait_for_cancels(place, more_than=count - 1, within=20)
        assert cancels[0].real_at - sent < 5
        job = place.shop.jobs[-1]
        assert job.job_id in cancels[0].path
        ended = wait_until(
            lambda run_id=run_id: _ended(place.instance, run_id), within=60, what="the run's end"
        )
        assert ended is dg.DagsterRunStatus.CANCELED
        assert f"Cancelled job {job.job_id}" in place.logged(run_id)


def _ended(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus | None:
    run = instance.get_run_by_id(run_id)
    return run.status if run is not None and run.is_finished else None
