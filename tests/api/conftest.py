"""What the tests of the client share: servers to ask, clients that never really sleep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hand_clock import Time
from requests_to_send import KEY, SECRET
from stub_server import Answer, StubServer, make_certificate

from dagster_hevo.api.client import HevoClient
from dagster_hevo.sandbox import HevoSandbox, Scenario


@dataclass
class Naps:
    """A sleep that only notes how long it was asked to last."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def __len__(self) -> int:
        return len(self.seconds)


Serve = Callable[..., StubServer]
Connect = Callable[..., HevoClient]


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with these answers."""
    started: list[StubServer] = []

    def begin(*answers: Answer, certificate: Path | None = None) -> StubServer:
        started.append(StubServer(*answers, certificate=certificate))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


@pytest.fixture
def connect(naps: Naps) -> Iterator[Connect]:
    """Make a client of a server, or of an address, with any settings of `HevoClient`."""
    made: list[HevoClient] = []

    def make(to: StubServer | HevoSandbox | str, **settings: Any) -> HevoClient:
        url = to if isinstance(to, str) else to.url
        if isinstance(to, HevoSandbox):
            settings = {"api_key": to.api_key, "api_secret": to.api_secret, **settings}
        defaults: dict[str, Any] = {"api_key": KEY, "api_secret": SECRET, "sleep": naps}
        made.append(HevoClient(**{**defaults, "base_url": url, "timeout": 5, **settings}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def sandbox() -> Iterator[HevoSandbox]:
    """A local Hevo whose time stands still until the test moves it."""
    scenario = Scenario.simple(objects=3, requests_per_minute=0, duration_jitter=0)
    with HevoSandbox(scenario, speed=0) as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory" if request.param == "memory" else f"sqlite:///{tmp_path / 'budget.sqlite'}"
