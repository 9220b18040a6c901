"""What the tests of the sandbox share: a client that is nothing but `requests`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from dagster_hevo.sandbox import HevoSandbox, Scenario


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
