"""A project made by the `dg` commands of docs/component.md, run against a local Hevo.

The commands and the YAML are read from that page, so what it shows is what works.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_hevo import HevoAccountComponent
from dagster_hevo.sandbox import HevoSandbox

PAGE = (Path(__file__).parents[2] / "docs" / "component.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (dg .+)$", PAGE, re.MULTILINE)
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

PROJECT = """
[project]
name = "shop"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""

DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a `dg` command in a project; what it said, on either stream."""
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{said}"
    return said


def test_the_commands_of_the_page_make_a_project_and_run_it(tmp_path: Path) -> None:
    (tmp_path / "shop" / "defs").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "defs" / "__init__.py").touch()
    (tmp_path / "shop" / "definitions.py").write_text(DEFINITIONS)
    with HevoSandbox("default", speed=60) as sandbox:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(tmp_path),
            "COLUMNS": "120",
            "HEVO_API_KEY": sandbox.api_key,
            "HEVO_API_SECRET": sandbox.api_secret,
            "HEVO_BASE_URL": sandbox.url,
        }
        said: dict[str, str] = {}
        asked: dict[str, list[tuple[str, str]]] = {}
        # Two at a time, as each spends seconds on starting: of these pairs, none minds the other.
        for pair in (COMMANDS[start : start + 2] for start in range(0, len(COMMANDS), 2)):
            before = len(sandbox.requests)
            with ThreadPoolExecutor() as threads:
                answers = threads.map(lambda each: run(each, tmp_path, environment), pair)
            names = [" ".join(each.split()[1:3]) for each in pair]
            said |= dict(zip(names, answers, strict=True))
            seen = [(each.method, each.path) for each in sandbox.requests[before:]]
            asked |= dict.fromkeys(names, seen)
        pipelines = ("GET", "/api/v1/pipelines")

        assert "dagster_hevo.HevoAccountComponent" in said["list components"]
        written = (tmp_path / "shop" / "defs" / "hevo" / "defs.yaml").read_text()
        assert yaml.safe_load(written) == yaml.safe_load(BLOCKS[0])
        assert "validated successfully" in said["check yaml"]
        assert (
            "HevoAccountComponent[HEVO_BASE_URL/HEVO_API_KEY]" in said["utils refresh-defs-state"]
        )
        assert asked["utils refresh-defs-state"].count(pipelines) == 1
        assert "loaded successfully" in said["check defs"]
        assert "shop/order_items" in said["list defs"]
        assert asked["check defs"] == asked["list defs"] == []

        assert pipelines not in asked["launch --assets"]
        assert [path for method, path in asked["launch --assets"] if method == "POST"] == [
            "/api/v1/pipelines/101/actions/resync"
        ]
        with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
            key = dg.AssetKey(["shop", "order_items"])
            event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["dagster-hevo/job_status"].value == "COMPLETED"

        for file in tmp_path.rglob("*"):
            if file.is_file():
                assert sandbox.api_secret.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("block", BLOCKS, ids=["scaffolded", "everything"])
def test_the_yaml_of_the_page_is_understood(block: str) -> None:
    written = yaml.safe_load(block)
    assert written["type"] == "dagster_hevo.HevoAccountComponent"
    made = HevoAccountComponent.resolve_from_dict(written["attributes"])
    assert made.job_sensor


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["component", "translator"])
def test_the_python_of_the_page_runs(snippet: str) -> None:
    names: dict[str, object] = {}
    exec(compile(snippet, "docs/component.md", "exec"), names)
    assert {"SourcesTeamAccount", "ShopSources"} & set(names)


def test_a_project_of_python_format_and_a_chosen_pipeline_can_be_scaffolded(
    tmp_path: Path,
) -> None:
    from dagster_hevo.components.scaffolder import (
        HevoAccountScaffolder,
        HevoAccountScaffoldParams,
    )

    for style in ("yaml", "python"):
        HevoAccountScaffolder().scaffold(
            dg.ScaffoldRequest(
                type_name="dagster_hevo.HevoAccountComponent",
                target_path=tmp_path,
                scaffold_format=style,
                project_root=tmp_path,
                params=HevoAccountScaffoldParams(
                    api_key_env="EU_KEY", region="eu", pipeline="Shop *"
                ),
            )
        )
    written = yaml.safe_load((tmp_path / "defs.yaml").read_text())
    assert written["attributes"]["workspace"] == {
        "api_key": "{{ env.EU_KEY }}",
        "api_secret": "{{ env.HEVO_API_SECRET }}",
        "region": "eu",
    }
    assert written["attributes"]["pipeline_selector"] == {"by_name": ["Shop *"]}
    assert written["requirements"]["env"] == ["EU_KEY", "HEVO_API_SECRET"]
    assert (
        "from dagster_hevo import HevoAccountComponent" in (tmp_path / "component.py").read_text()
    )
