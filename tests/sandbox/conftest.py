"""What the tests of the sandbox share: a client that is nothing but `requests`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from dagster_hevo.sandbox import HevoSandbox, Scenario

PIPELINE = "/pipelines/101"


class Caller:
    """Sends requests to a sandbox over one kept-alive session."""

    def __init__(self, sandbox: HevoSandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.auth = (sandbox.api_key, sandbox.api_secret)

    def send(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", 5)
        return self.session.request(method, f"{self.sandbox.url}/api/v1{path}", **kwargs)

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.send("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> requests.Response:
        return self.send("POST", path, json=body, **kwargs)

    def listed(self, path: str) -> list[dict[str, Any]]:
        return self.get(path).json()["data"]

    def pages(self, path: str, **query: Any) -> list[list[dict[str, Any]]]:
        """The entries of every page, as a client reads them: until one says that it is the last."""
        pages: list[list[dict[str, Any]]] = []
        while True:
            page = self.get(path, params=query).json()
            pages.append(page["data"])
            if not page["has_more"]:
                return pages
            query["cursor"] = page["next_cursor"]

    def job_ids(self, path: str = f"{PIPELINE}/jobs", **query: Any) -> list[str]:
        """The ids of all jobs in the list, page after page."""
        return [job["job_id"] for page in self.pages(path, **query) for job in page]


Start = Callable[..., tuple[HevoSandbox, Caller]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a sandbox whose time stands still until the test moves it, and a caller for it."""
    started: list[HevoSandbox] = []

    def begin(
        scenario: Scenario | None = None, *, objects: int = 3, speed: float = 0, **options: Any
    ) -> tuple[HevoSandbox, Caller]:
        chosen = scenario or Scenario.simple(objects=objects, duration_jitter=0)
        sandbox = HevoSandbox(chosen, speed=speed, **options).start()
        started.append(sandbox)
        return sandbox, Caller(sandbox)

    yield begin
    for sandbox in started:
        sandbox.stop()
