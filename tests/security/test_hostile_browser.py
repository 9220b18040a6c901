"""A hostile account in a real browser: nothing is executed, loaded or forged.

Needs Debian's chromium and chromium-driver, as the browser test of the example does.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import dagster as dg
import pytest
import requests
from hostile import MARKDOWN
from hostile_account import hostile_scenario

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.api.foreign_text import escaped
from dagster_hevo.sandbox import HevoSandbox

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PATIENCE = 90.0
LOCATION = """
import json, os
import dagster as dg
from dagster_hevo import HevoResource, build_hevo_assets_definitions
hevo = HevoResource(**json.loads(os.environ["THE_SETTINGS"]))
defs = dg.Definitions(
    assets=build_hevo_assets_definitions(workspace=hevo, include_source_lineage=True),
    resources={"hevo": hevo},
)
"""
FORGED = """
const found = [];
for (const each of document.querySelectorAll("img, script, iframe, object, embed, link, a")) {
  const leads = each.src || each.href || each.data || "";
  let place = null;
  try { place = new URL(leads, document.baseURI); } catch { continue; }
  const isOthers = place.hostname.endsWith(".invalid") || place.protocol === "javascript:";
  if (isOthers) found.push(each.outerHTML);
}
return found;
"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromium-driver are not installed"
)


def until(what: str, holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up, f"{what} did not come"
        time.sleep(0.2)


@pytest.fixture
def settings() -> Iterator[dict[str, object]]:
    with HevoSandbox(hostile_scenario()) as sandbox:
        yield {
            "api_key": sandbox.api_key,
            "api_secret": sandbox.api_secret,
            "base_url": sandbox.url,
            "requests_per_minute": 0,
            "rate_limit_store": "memory",
            "poll_interval": 0.05,
            "ui_url_template": "https://{region}.hevodata.com/{pipeline_id}",
        }


@pytest.fixture
def address(settings: dict[str, object], tmp_path: Path) -> Iterator[str]:
    """Dagster's pages of the hostile account, which has been materialized once."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    hevo = HevoResource(**settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assets = build_hevo_assets_definitions(workspace=hevo)
        dg.materialize(
            assets[:1], resources={"hevo": hevo}, instance=instance, raise_on_error=False
        )
    (tmp_path / "location.py").write_text(LOCATION)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "THE_SETTINGS": json.dumps(settings),
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)),
                *("-f", str(tmp_path / "location.py")),
            ],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        until("the webserver", lambda: _answers(url))
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/server_info", timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture
def browser(tmp_path: Path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
        *("--disable-background-networking", "--disable-component-update"),
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(argument)
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield made
    finally:
        made.quit()


def pages_of(address: str, settings: dict[str, object]) -> Iterator[tuple[str, str]]:
    """The pages to look at, each with words that it shows once it is there."""
    definitions = dg.Definitions(
        assets=build_hevo_assets_definitions(
            workspace=HevoResource(**settings), include_source_lineage=True
        ),
        resources={"hevo": HevoResource(**settings)},
    )
    wanted = [MARKDOWN[name] for name in ("image", "html image", "link", "script", "address")]
    specs = list(definitions.resolve_all_asset_specs())
    for spec in specs:
        name = spec.metadata.get("dagster-hevo/object_name")
        if spec.metadata.get("dagster-hevo/pipeline_id") == 101 and name in map(escaped, wanted):
            yield f"/assets/{'/'.join(quote(part, safe='') for part in spec.key.path)}", name
    described = [spec for spec in specs if spec.description and "`![x]" in spec.description]
    for spec in described[:2]:
        path = "/".join(quote(part, safe="") for part in spec.key.path)
        yield f"/assets/{path}", "as Hevo reads it"
    query = {"query": "{runsOrError(limit: 1) {... on Runs {results {runId}}}}"}
    answer = requests.post(f"{address}/graphql", json=query, timeout=30).json()
    run_id = answer["data"]["runsOrError"]["results"][0]["runId"]
    yield f"/runs/{run_id}", run_id[:8]
    yield "/assets", "hevo"


def test_nothing_of_it_is_executed_loaded_or_forged(browser, address, settings):
    hosts: set[str] = set()
    looked_at = 0
    for path, words in pages_of(address, settings):
        browser.get(address + path)
        until(
            f"{words!r} on {path}",
            lambda words=words: words in browser.execute_script("return document.body.innerText"),
        )
        assert browser.execute_script(FORGED) == [], path
        assert browser.title != "owned"
        looked_at += 1
        for entry in browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                hosts.add(urlsplit(message["params"]["request"]["url"]).hostname or "")
    assert looked_at >= 7
    assert "127.0.0.1" in hosts
    assert not [host for host in hosts if host.endswith(".invalid")]
