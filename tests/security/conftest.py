"""Servers of raw bytes, and clients with secrets in every setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from canaries import HEADER, KEY, SECRET
from raw_server import Answering, RawServer

from dagster_hevo.api import HevoClient

Serve = Callable[[Answering | bytes], RawServer]
Connect = Callable[..., HevoClient]


@pytest.fixture
def raw() -> Iterator[Serve]:
    """Start a server that answers with these bytes, or with what a function makes of a request."""
    started: list[RawServer] = []

    def begin(answer: Answering | bytes) -> RawServer:
        started.append(RawServer(answer if callable(answer) else lambda _: answer))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a client of a server, or of an address, that never waits between attempts."""
    made: list[HevoClient] = []

    def make(to: RawServer | str, **settings: Any) -> HevoClient:
        defaults: dict[str, Any] = {
            "api_key": KEY,
            "api_secret": SECRET,
            "extra_headers": {"X-Gateway-Key": HEADER},
            "timeout": 5,
            "sleep": lambda _: None,
        }
        url = to if isinstance(to, str) else to.url
        made.append(HevoClient(**{**defaults, "base_url": url, **settings}))
        return made[-1]

    yield make
    for client in made:
        client.close()
