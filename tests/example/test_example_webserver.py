"""The example behind a real webserver, asked over GraphQL as its page asks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from dagster_hevo.sandbox import HevoSandbox
from example_project.processes import ROOT, ended_with, free_port

SECONDS_TO_START = 40.0
SECONDS_A_RUN = 40.0
FRONT = 203
SELECTOR = {"repositoryLocationName": "example_project", "repositoryName": "__repository__"}

OBJECTS = """
query Objects($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys) {
    assetKey { path }
    groupName
    kinds
    jobNames
    hasAssetChecks
  }
}
"""
LAUNCH = """
mutation Launch($params: [ExecutionParams!]!) {
  launchMultipleRuns(executionParamsList: $params) {
    __typename
    ... on LaunchMultipleRunsResult {
      launchMultipleRunsResult {
        __typename
        ... on LaunchRunSuccess { run { runId } }
        ... on PythonError { message }
        ... on RunConfigValidationInvalid { errors { message } }
      }
    }
    ... on PythonError { message }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
EVENTS = """
query Events($id: ID!) {
  runOrError(runId: $id) {
    ... on Run {
      assetMaterializations {
        assetKey { path }
        metadataEntries {
          label
          ... on TextMetadataEntry { text }
          ... on IntMetadataEntry { intValue }
        }
      }
    }
  }
}
"""
CHECKS = """
query Checks($key: AssetKeyInput!) {
  assetCheckExecutions(assetKey: $key, checkName: "hevo_job", limit: 1) {
    status
    evaluation { severity success metadataEntries { label ... on TextMetadataEntry { text } } }
  }
}
"""


class Page:
    """What the webserver's page does, by its GraphQL API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(self.url, json={"query": query, "variables": variables}, timeout=30)
        content = answer.json()
        assert not content.get("errors"), content
        return content["data"]

    def is_up(self) -> bool:
        query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
        with suppress(requests.RequestException):
            return bool(self.ask(query)["repositoriesOrError"].get("nodes"))
        return False

    def materialize(self, *keys: tuple[str, str]) -> str:
        """Launch a run for these assets with their checks, and wait for its end."""
        selector = {
            **SELECTOR,
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": list(key)} for key in keys],
            "assetCheckSelection": [
                {"assetKey": {"path": list(key)}, "name": "hevo_job"} for key in keys
            ],
        }
        launched = self.ask(
            LAUNCH, params=[{"selector": selector, "runConfigData": {}, "mode": "default"}]
        )["launchMultipleRuns"]
        (result,) = launched["launchMultipleRunsResult"]
        assert result["__typename"] == "LaunchRunSuccess", result
        run_id = result["run"]["runId"]
        deadline = time.monotonic() + SECONDS_A_RUN
        while (status := self.ask(STATUS, id=run_id)["runOrError"]["status"]) not in (
            "SUCCESS",
            "FAILURE",
            "CANCELED",
        ):
            assert time.monotonic() < deadline, f"the run is still {status}"
            time.sleep(0.2)
        assert status == "SUCCESS"
        return run_id

    def materializations(self, run_id: str) -> dict[tuple[str, ...], dict[str, Any]]:
        found = self.ask(EVENTS, id=run_id)["runOrError"]["assetMaterializations"]
        return {tuple(item["assetKey"]["path"]): metadata_of(item) for item in found}

    def check(self, *key: str) -> dict[str, Any]:
        (latest,) = self.ask(CHECKS, key={"path": list(key)})["assetCheckExecutions"]
        return latest


def metadata_of(item: dict[str, Any]) -> dict[str, Any]:
    return {
        entry["label"]: entry.get("text", entry.get("intValue"))
        for entry in item["metadataEntries"]
    }


@pytest.fixture
def page(hevo: HevoSandbox, tmp_path: Path) -> Iterator[Page]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "dagster_webserver", "-w", str(ROOT / "workspace.yaml")),
        *("-h", "127.0.0.1", "-p", str(port), "--code-server-log-level", "error"),
    ]
    with (
        (tmp_path / "webserver.log").open("w") as log,
        ended_with(command, stop_signal=signal.SIGINT, stdout=log.fileno()) as process,
    ):
        page = Page(port)
        deadline = time.monotonic() + SECONDS_TO_START
        while not page.is_up():
            assert process.poll() is None, (tmp_path / "webserver.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "webserver.log").read_text()
            time.sleep(0.2)
        yield page


def test_materializing_from_the_page_is_one_job_with_just_the_selected_objects(
    hevo: HevoSandbox, page: Page, home: Path, tmp_path: Path
):
    loaded_with = hevo.requests_to("/api/v1/pipelines")

    # Neither has a parent or children, which Hevo would restart with it.
    some = page.materialize(("front", "attachments"), ("front", "channel"))
    (job,) = [job for job in hevo.jobs(FRONT) if job.requested_by == "api"]
    assert set(job.object_ids) == set(hevo.object_ids(FRONT, "Attachments", "Channel"))
    materialized = page.materializations(some)
    assert {key: entry["dagster-hevo/events_loaded"] for key, entry in materialized.items()} == {
        ("front", "attachments"): 90,
        ("front", "channel"): 5,
    }
    assert {entry["dagster-hevo/job_id"] for entry in materialized.values()} == {job.job_id}
    channel = page.check("front", "channel")
    assert channel["status"] == "SUCCEEDED"
    assert metadata_of(channel["evaluation"])["dagster-hevo/job_id"] == job.job_id

    everything = page.materialize(
        *(("front", item.table_name) for item in hevo.scenario.pipelines[2].objects)
    )
    first, second = [job for job in hevo.jobs(FRONT) if job.requested_by == "api"]
    assert first.job_id == job.job_id
    assert len(second.object_ids) == 29
    materialized = page.materializations(everything)
    assert len(materialized) == 29
    assert {entry["dagster-hevo/job_id"] for entry in materialized.values()} == {second.job_id}
    comments = page.check("front", "comments")
    assert (comments["status"], comments["evaluation"]["severity"]) == ("FAILED", "WARN")
    # Neither a run's process nor a step's asked again what the account holds.
    assert hevo.requests_to("/api/v1/pipelines") == loaded_with != []
    assert_nothing_holds(home, secrets_of(hevo))
    assert_nothing_holds(tmp_path, secrets_of(hevo))


def secrets_of(hevo: HevoSandbox) -> list[str]:
    """The keys, and what the pipelines' sources are read with."""
    configs = [pipeline.source.config or {} for pipeline in hevo.scenario.pipelines]
    passwords = [
        value for config in configs for name, value in config.items() if name != "account_name"
    ]
    assert len(passwords) == 3
    return [hevo.api_key, hevo.api_secret, *passwords]


LITERAL_KEYS = """
import dagster as dg
from dagster_hevo import HevoResource, build_hevo_assets_definitions
hevo = HevoResource(
    api_key="{key}", api_secret="{secret}", base_url="{url}", poll_interval=0.2
)
defs = dg.Definitions(
    assets=build_hevo_assets_definitions(workspace=hevo), resources={{"hevo": hevo}}
)
"""


def test_keys_that_stand_in_the_code_leave_no_trace_either(
    hevo: HevoSandbox, home: Path, tmp_path: Path
):
    code = tmp_path / "literal_keys.py"
    code.write_text(LITERAL_KEYS.format(key=hevo.api_key, secret=hevo.api_secret, url=hevo.url))
    environment = {name: text for name, text in os.environ.items() if not name.startswith("HEVO_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize"),
            *("-f", str(code), "--select", "key:front/attachments"),
        ],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (job,) = [job for job in hevo.jobs(FRONT) if job.requested_by == "api"]
    assert job.job_id in done.stderr
    code.unlink()
    (tmp_path / "console.log").write_text(done.stdout + done.stderr)
    assert_nothing_holds(home, secrets_of(hevo))
    assert_nothing_holds(tmp_path, secrets_of(hevo))


def test_the_search_for_secrets_finds_one_in_a_compressed_snapshot(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
        database.execute("CREATE TABLE snapshots (snapshot_body BLOB)")
        body = zlib.compress(b"a secret in it")
        database.execute("INSERT INTO snapshots VALUES (?)", [body])
        database.commit()
    with pytest.raises(AssertionError, match=r"runs\.db: snapshots"):
        assert_nothing_holds(tmp_path, ["a secret"])


def assert_nothing_holds(folder: Path, secrets: list[str]) -> None:
    """Look for secrets in every file, and in every value of every database, unpacked too."""
    wanted = [secret.encode() for secret in secrets]
    found: list[str] = []
    looked_at = 0
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            looked_at += 1
            content = path.read_bytes()
            places = {str(path): content}
            if content.startswith(b"SQLite format 3"):
                places |= values_of(path)
            found += [
                place for place, value in places.items() if any(one in value for one in wanted)
            ]
    assert looked_at
    assert not found, "a secret is in " + "; ".join(found)


def values_of(database: Path) -> dict[str, bytes]:
    """All values of a SQLite file, unpacked where they are packed, by where they are."""
    found: dict[str, bytes] = {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for name in names:
            for number, row in enumerate(connection.execute(f'SELECT * FROM "{name}"')):
                for value in row:
                    packed = value.encode() if isinstance(value, str) else value
                    if isinstance(packed, bytes):
                        with suppress(zlib.error):
                            packed = zlib.decompress(packed)
                        place = f"{database}: {name} row {number}"
                        found[place] = found.get(place, b"") + b"\n" + packed
    return found
