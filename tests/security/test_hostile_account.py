"""An account whose every name is hostile: it loads, runs and is listed like any other."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value
from hostile import ALL, assert_harmless
from hostile_account import NAMES, hostile_scenario

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor
from dagster_hevo.api.foreign_text import escaped
from dagster_hevo.cli import main
from dagster_hevo.sandbox import HevoSandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[HevoSandbox]:
    with HevoSandbox(hostile_scenario()) as running:
        yield running


@pytest.fixture
def hevo(sandbox: HevoSandbox) -> HevoResource:
    return HevoResource(
        api_key=sandbox.api_key,
        api_secret=sandbox.api_secret,
        base_url=sandbox.url,
        requests_per_minute=0,
        rate_limit_store="memory",
        definitions_max_age=0,
        poll_interval=0.05,
        retry_delay=0.02,
        ui_url_template="https://{region}.hevodata.com/{pipeline_id}",
    )


def test_it_loads_and_every_object_is_an_asset(hevo):
    assets = build_hevo_assets_definitions(workspace=hevo, include_source_lineage=True)
    definitions = dg.Definitions(
        assets=assets,
        sensors=[build_hevo_job_sensor(workspace=hevo)],
        resources={"hevo": hevo},
    )
    repository = definitions.get_repository_def()
    loaded = [
        spec
        for spec in definitions.resolve_all_asset_specs()
        if "dagster-hevo/object_id" in spec.metadata
    ]
    assert len(loaded) == len(NAMES) * len(ALL)
    assert len({spec.key for spec in loaded}) == len(loaded)
    stored = serialize_value(RepositorySnap.from_def(repository))
    assert_harmless(stored + json.dumps(json.loads(stored), ensure_ascii=False))


def test_it_runs_and_nothing_that_is_written_down_is_obeyed(hevo, caplog):
    caplog.set_level(logging.DEBUG)
    assets = build_hevo_assets_definitions(workspace=hevo)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            assets, resources={"hevo": hevo}, instance=instance, raise_on_error=False
        )
        written = [entry.message for entry in instance.all_logs(result.run_id)]
        written += [repr(entry) for entry in instance.all_logs(result.run_id)]
    made = [event for event in result.all_events if event.is_step_materialization]
    assert len(made) == len(NAMES) * len(ALL)
    foreign = [text for text in written if "hevo" in text.lower()]
    assert foreign
    for text in foreign:
        assert_harmless(text)


@pytest.mark.parametrize(
    "command",
    [
        ("pipelines",),
        ("jobs", "101"),
        ("objects", "101"),
        ("objects", "101", "--catalog"),
        ("watch", "101"),
        ("doctor",),
        ("resync", "101", "obj-0-1", "--poll-interval", "0.05"),
        ("resync", "102", ALL["image"], "--poll-interval", "0.05"),
        ("resync", "101", "no such \x1b[31m object"),
        ("resync", "101", "obj-0-0", "obj-0-7", "--poll-interval", "0.05"),
        ("snapshot", "--columns", "--output", "FILE"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_each_command_lists_it(sandbox, tmp_path, command, as_json):
    environment = {
        "HEVO_BASE_URL": sandbox.url,
        "HEVO_API_KEY": sandbox.api_key,
        "HEVO_API_SECRET": sandbox.api_secret,
        "HEVO_REQUESTS_PER_MINUTE": "0",
        "DAGSTER_HOME": str(tmp_path),
    }
    file = str(tmp_path / "snapshot.json")
    arguments = [file if each == "FILE" else each for each in command]
    ended = CliRunner().invoke(main, [*arguments, *(["--json"] * as_json)], env=environment)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    assert_harmless(ended.stdout + ended.stderr)
    if as_json and ended.exit_code in {0, 1}:
        json.loads(ended.stdout)
    if command[0] == "pipelines":
        assert escaped(NAMES[0])[:20] in ended.stdout.replace("\\\\", "\\")
    if command[0] == "snapshot":
        assert_harmless((tmp_path / "snapshot.json").read_text())
