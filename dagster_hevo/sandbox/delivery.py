"""How an answer of the local Hevo travels to its client: whole, cut short, or byte by byte.

Which fault strikes is decided in `faults.py`, what it does to the answer itself in `gate.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from http.client import responses
from typing import Any

from dagster_hevo.sandbox.connections import Connections
from dagster_hevo.sandbox.faults import Fault, FaultKind

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    def refusing(cls, status: int, message: str, *headers: tuple[bytes, bytes]) -> Answer:
        """An answer that says no, with a JSON body."""
        return cls(status, (_JSON, *headers), json.dumps({"message": message}).encode())

    def dated(self, seconds: float) -> Answer:
        """This answer with a Date header: whole seconds since the epoch, as RFC 9110 has it."""
        date = formatdate(seconds, usegmt=True).encode()
        return replace(self, headers=(*self.headers, (b"date", date)))

    @property
    def sent_headers(self) -> list[tuple[bytes, bytes]]:
        """All its headers; an answer without content has no length."""
        if self.status == HTTPStatus.NO_CONTENT:
            return list(self.headers)
        return [*self.headers, (b"content-length", str(len(self.body)).encode())]


@dataclass(frozen=True)
class Exchange:
    """One request's way back to its client, as ASGI gives it."""

    scope: Scope
    receive: Receive
    send: Send
    connections: Connections

    async def deliver(self, answer: Answer, fault: Fault | None) -> None:
        """Send an answer, as whole and as fast as the fault allows."""
        kind = None if fault is None else fault.kind
        seconds = 0.0 if fault is None else fault.seconds
        if kind is FaultKind.DRIP_HEADERS:
            await self._drip_head(answer, seconds)
        elif kind is FaultKind.DRIP_BODY:
            await self._drip_body(answer, seconds)
        elif kind is FaultKind.TRUNCATED_BODY and len(answer.body) > 1:
            await self._start(answer)
            await self._send_body(answer.body[: len(answer.body) // 2], more=True)
            await self.cut()
        else:
            await self._start(answer)
            await self._send_body(answer.body, more=False)

    async def cut(self) -> None:
        """Close the connection; what was sent before still arrives."""
        self.connections.cut(self._client)
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def is_given_up_within(self, seconds: float) -> bool:
        """Wait, and tell whether the client closed its connection meanwhile."""

        async def disconnected() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass

        try:
            await asyncio.wait_for(disconnected(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    @property
    def _client(self) -> tuple[str, int] | None:
        return self.scope.get("client")

    async def _start(self, answer: Answer) -> None:
        await self.send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.sent_headers,
            }
        )

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def _drip_body(self, answer: Answer, seconds: float) -> None:
        await self._start(answer)
        for place in range(len(answer.body)):
            if place and await self.is_given_up_within(seconds):
                return
            await self._send_body(answer.body[place : place + 1], more=True)
        await self._send_body(b"", more=False)

    async def _drip_head(self, answer: Answer, seconds: float) -> None:
        # The server sends a head at once, so this one goes past it, straight to the connection,
        # which cannot be used again afterwards.
        phrase = responses.get(answer.status, "")
        lines = [f"HTTP/1.1 {answer.status} {phrase}".encode()]
        lines += [
            name + b": " + value
            for name, value in (*answer.sent_headers, (b"connection", b"close"))
        ]
        for byte in b"\r\n".join(lines) + b"\r\n\r\n":
            self.connections.write(self._client, bytes([byte]))
            if await self.is_given_up_within(seconds):
                return
        self.connections.write(self._client, answer.body)
        await self.cut()
