"""A minimal HTTP server for the benchmarks, in a process of its own: fixed answers after a delay.

It counts requests, connections and what it refused. What it answers is `accounts.py`. The local
Hevo of the package does far more for each request, and would be measured with it.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

Answers = Mapping[str, Any]
Counts = tuple["Synchronized[int]", "Synchronized[int]", "Synchronized[int]", "Synchronized[int]"]
WINDOW = 60.0


class _Conversation(asyncio.Protocol):
    """One connection: requests in, answers out, one after another."""

    def __init__(self, served: _Served) -> None:
        self._served = served
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._served.connected()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._served.disconnected()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        first, *headers = head.decode("latin-1").split("\r\n")
        lengths = [h.partition(":")[2] for h in headers if h.lower().startswith("content-length:")]
        length = int(lengths[0]) if lengths else 0
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, target, _ = first.split(" ")
        status, body = self._served.answer(method, target, rest[:length])
        answer = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nRetry-After: 1\r\n\r\n"
        ).encode() + body
        asyncio.get_running_loop().call_later(self._served.seconds, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)


class _Served:
    """The answers, and the counts that the other process reads."""

    def __init__(self, answers: Answers, seconds: float, limit: int, counts: Counts) -> None:
        self._bodies = {
            key: (value, json.dumps(value).encode() if not isinstance(value, list) else b"")
            for key, value in answers.items()
        }
        self.seconds = seconds
        self._limit = limit
        self._requests, self._connections, self._most, self._refused = counts
        self._open = 0
        self._arrived: deque[float] = deque()

    def connected(self) -> None:
        self._open += 1
        self._connections.value += 1
        self._most.value = max(self._most.value, self._open)

    def disconnected(self) -> None:
        self._open -= 1

    def answer(self, method: str, target: str, body: bytes) -> tuple[str, bytes]:
        """The status line and body for one request; a list is answered page by page."""
        self._requests.value += 1
        now = time.monotonic()
        while self._arrived and self._arrived[0] <= now - WINDOW:
            self._arrived.popleft()
        self._arrived.append(now)
        if self._limit and len(self._arrived) > self._limit:
            self._refused.value += 1
            return "429 Too Many Requests", b"{}"
        path, _, query = target.partition("?")
        key = f"{method} {path}"
        if body and f"{key} {body.decode()}" in self._bodies:
            key = f"{key} {body.decode()}"
        if key not in self._bodies:
            return "404 Not Found", json.dumps({"message": f"no answer for {key}"}).encode()
        value, ready = self._bodies[key]
        return "200 OK", ready or _page(value, parse_qs(query))


def _page(entries: list[Any], query: Mapping[str, list[str]]) -> bytes:
    """A page of a list, in the shape that Hevo pages."""
    start = int(query.get("cursor", ["0"])[0])
    end = start + int(query.get("limit", ["50"])[0])
    has_more = end < len(entries)
    page = {"data": entries[start:end], "has_more": has_more}
    return json.dumps(page | {"next_cursor": str(end) if has_more else None}).encode()


def _serve(answers: Answers, seconds: float, limit: int, counts: Counts, ready: Connection) -> None:
    async def run() -> None:
        served = _Served(answers, seconds, limit, counts)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Conversation(served), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class StandIn:
    """Serves while the `with` block lasts.

    Args:
        answers: By method and path (and JSON body, where it matters). A list is answered in pages.
        seconds: How long each answer takes.
        limit: Requests in any 60 seconds, more are refused with 429; 0: no limit.
    """

    def __init__(self, answers: Answers, *, seconds: float = 0.05, limit: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        self._counts: Counts = tuple(context.Value("i", 0) for _ in range(4))  # type: ignore
        self._here, there = context.Pipe()
        arguments = (answers, seconds, limit, self._counts, there)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)

    def __enter__(self) -> StandIn:
        self._process.start()
        self.url = f"http://127.0.0.1:{self._here.recv()}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def requests(self) -> int:
        """How many requests came."""
        return self._counts[0].value

    @property
    def connections(self) -> int:
        """How many TCP connections were opened."""
        return self._counts[1].value

    @property
    def most_connections(self) -> int:
        """The most connections that were open at one time."""
        return self._counts[2].value

    @property
    def refused(self) -> int:
        """How many requests were answered with 429."""
        return self._counts[3].value
