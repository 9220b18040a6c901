"""The example in a real browser: launched from an asset's page, read on the run's page.

Needs Debian's chromium and chromium-driver. With HEVO_SCREENSHOTS set to a folder, the pictures of
the documentation are written there.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from example_environment import environment_of

from dagster_hevo.sandbox import HevoSandbox
from example_project.processes import ROOT, ended_with, free_port

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SECONDS_TO_START = 60.0
SECONDS_A_PAGE = 90.0
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1100",
)
CLICK = """
const buttons = [...document.querySelectorAll('button')];
const wanted = buttons.filter(button => button.innerText.trim() === arguments[0]);
if (!wanted.length || wanted[0].disabled) return false;
wanted[0].click();
return true;
"""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="chromium and chromium-driver are not installed"
)


class Page:
    """Dagster's pages as a person uses them: go there, read, click."""

    def __init__(self, browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._pictures = os.environ.get("HEVO_SCREENSHOTS")

    def open(self, path: str) -> None:
        self._browser.get(self._address + path)

    @property
    def text(self) -> str:
        return self._browser.execute_script("return document.body.innerText")

    def until(self, what: str, holds: Callable[[], object]) -> None:
        give_up = time.monotonic() + SECONDS_A_PAGE
        while not holds():
            assert time.monotonic() < give_up, f"{what} did not come; the page says:\n{self.text}"
            time.sleep(0.3)

    def shows(self, words: str) -> None:
        self.until(repr(words), lambda: words in self.text)

    def click(self, label: str) -> None:
        self.until(f"the button {label}", lambda: self.try_click(label))

    def try_click(self, label: str) -> bool:
        return bool(self._browser.execute_script(CLICK, label))

    def picture(self, name: str) -> None:
        if self._pictures:
            time.sleep(2)
            Path(self._pictures).mkdir(parents=True, exist_ok=True)
            self._browser.save_screenshot(str(Path(self._pictures) / f"{name}.png"))


@pytest.fixture
def address(hevo: HevoSandbox, tmp_path: Path, home: Path) -> Iterator[str]:
    """The example behind a webserver of its own."""
    settings = home / "dagster.yaml"
    settings.write_text(settings.read_text() + "nux: {enabled: false}\n")
    port = free_port()
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    with (
        (tmp_path / "webserver.log").open("wb") as log,
        ended_with(
            [*command, "-w", str(ROOT / "workspace.yaml")],
            environment=environment_of(hevo, tmp_path, home),
            stdout=log.fileno(),
        ),
    ):
        found = f"http://127.0.0.1:{port}"
        give_up = time.monotonic() + SECONDS_TO_START
        while not _answers(found):
            assert time.monotonic() < give_up, (tmp_path / "webserver.log").read_text()
            time.sleep(0.3)
        yield found


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/server_info", timeout=2).ok
    except requests.RequestException:
        return False


@pytest.fixture
def page(address: str, tmp_path: Path) -> Iterator[Page]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield Page(browser, address)
    finally:
        browser.quit()


def test_a_pipeline_is_launched_and_its_job_and_failing_check_are_read(
    page: Page, hevo: HevoSandbox, address: str
) -> None:
    page.open("/locations/__repository__@example_project/asset-groups/front")
    page.shows("conversations")
    page.picture("front-graph")
    page.open("/assets/front/comments")
    page.click("Materialize")
    page.until(
        "the run",
        lambda: page.try_click("Confirm") or bool(hevo.triggers()),
    )
    page.until("the job's end", lambda: _ended(hevo))
    job = hevo.jobs(203)[-1]

    page.open("/assets/front/comments?view=events")
    page.shows("Materialized")
    page.shows(job.job_id)
    page.picture("asset-events")

    page.open(f"/runs/{_newest_run(address)}")
    page.shows(f"Found job {job.job_id}")
    page.shows("events loaded")
    page.picture("run")

    page.open("/assets/front/comments?view=checks")
    page.shows("Evaluation result")
    page.until("the failed check", lambda: "Not evaluated" not in page.text)
    page.shows("Failed")
    page.shows(job.job_id)
    page.picture("failing-check")


def _ended(hevo: HevoSandbox) -> list:
    return [job for job in hevo.jobs(203) if job.finished is not None]


def _newest_run(address: str) -> str:
    query = {"query": "{runsOrError(limit: 1) {... on Runs {results {runId}}}}"}
    answer = requests.post(f"{address}/graphql", json=query, timeout=10).json()
    return answer["data"]["runsOrError"]["results"][0]["runId"]
