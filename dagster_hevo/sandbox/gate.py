"""What every request passes before and after its route: record, keys, limit, faults, Date header.

An ASGI application around the routes of `app.py`. Which fault strikes is decided in `faults.py`;
here it is inflicted on the answer, and in `delivery.py` on its way to the client.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import replace
from hmac import compare_digest
from math import ceil
from typing import Any
from urllib.parse import unquote

from dagster_hevo.sandbox.account import Account
from dagster_hevo.sandbox.connections import Connections
from dagster_hevo.sandbox.delivery import (
    Answer,
    Application,
    Exchange,
    Message,
    Receive,
    Scope,
    Send,
)
from dagster_hevo.sandbox.faults import Fault, FaultBook, FaultKind
from dagster_hevo.sandbox.request_limit import RequestLimit
from dagster_hevo.sandbox.request_log import RequestLog, SeenRequest
from dagster_hevo.sandbox.rewriting import REWRITINGS

LONGEST_BODY = 1024 * 1024
_TOO_LONG = Answer.refusing(413, "The body is longer than 1 MiB")
MEMBER_REFUSED = "account members are not permitted to perform this action"


class Gate:
    """Stands before the routes.

    Attributes:
        log: The requests so far.
        hosts: What a request may call this server, with its port; None for anything.

    Args:
        app: The routes.
        account: Whose users may pass.
        faults: What goes wrong.
        connections: The open TCP connections.
        limit: Counts the users' requests.
    """

    def __init__(
        self,
        app: Application,
        account: Account,
        faults: FaultBook,
        connections: Connections,
        limit: RequestLimit,
    ) -> None:
        self._app = app
        self._account = account
        self._faults = faults
        self._connections = connections
        self._limit = limit
        self.log = RequestLog()
        self.hosts: frozenset[str] | None = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or cut its connection."""
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, self._connections)
        method, path = str(scope["method"]), str(scope["path"])
        headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
        user, secret = _keys(headers.get(b"authorization"))
        refusal = self._refusal_of_place(headers) or self._refusal(user, secret)
        # Read also where it is refused: the connection is used again. But what comes without keys
        # is not kept.
        body = await _read(receive, keep=refusal is None)
        if body is None:
            body, refusal = b"", refusal or _TOO_LONG
        query = bytes(scope["query_string"]).decode("latin-1")
        fault = None if refusal else self._faults.pick(method, path, query)
        agent = headers.get(b"user-agent")
        place = self.log.add(
            SeenRequest(
                method,
                path,
                query,
                user,
                None,
                _parsed(body),
                self._account.clock.now(),
                time.time(),
                fault.kind if fault else None,
                agent.decode("latin-1") if agent else None,
                scope["client"][1] if scope.get("client") else None,
            ),
            len(body),
        )
        if refusal is not None:
            answer: Answer | None = refusal
        elif fault is None:
            answer = await self._routed(scope, body, user)
        else:
            answer = await self._struck(fault, exchange, body, user)
        if answer is None:
            await exchange.cut()
            return
        self.log.answered(place, answer.status)
        await exchange.deliver(self._dated(answer, path), fault)

    def _dated(self, answer: Answer, path: str) -> Answer:
        behaviour = self._account.behaviour_at(path)
        if not behaviour.date_header:
            return answer
        clock = self._account.clock
        return answer.dated(clock.now() + clock.offset + behaviour.date_header_skew_seconds)

    def _refusal_of_place(self, headers: dict[bytes, bytes]) -> Answer | None:
        """Why a request is not answered that a browser may have been led to send.

        A page can make its own name lead to this machine, and then read what is answered. Its
        requests carry that name as their host, or an origin.
        """
        if b"origin" in headers:
            return Answer.refusing(403, "Requests of web pages are not answered")
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self.hosts is not None and host not in self.hosts:
            return Answer.refusing(421, "Not the host of this sandbox: use the address it printed")
        return None

    def _refusal(self, user: str | None, secret: str | None) -> Answer | None:
        known = self._account.users.get(user or "")
        if known is None or not compare_digest(
            known.api_secret.encode(), (secret or "").encode("utf-8", "replace")
        ):
            return Answer.refusing(401, "Unauthorized: the API key or secret is not valid")
        wait = self._limit.seconds_to_wait(known.api_key)
        if wait:
            return _too_many(wait)
        if known.role == "MEMBER":
            return Answer.refusing(403, MEMBER_REFUSED)
        return None

    async def _struck(
        self, fault: Fault, exchange: Exchange, body: bytes, user: str | None
    ) -> Answer | None:
        kind = fault.kind
        if kind is FaultKind.CUT_BEFORE:
            return None
        if kind is FaultKind.STATUS_BEFORE:
            return _broken(fault.status)
        if kind is FaultKind.RATE_LIMITED:
            return _too_many(fault.seconds)
        if kind is FaultKind.DELAY_BEFORE and await exchange.is_given_up_within(fault.seconds):
            return None
        answer = await self._routed(exchange.scope, body, user)
        if kind is FaultKind.CUT_AFTER:
            return None
        if kind is FaultKind.DELAY_AFTER:
            await asyncio.sleep(fault.seconds)
        elif kind is FaultKind.STATUS_AFTER:
            return _broken(fault.status)
        elif kind is FaultKind.HTML:
            page = b"<html><head><title>Hevo</title></head><body>Please log in</body></html>"
            return Answer(200, ((b"content-type", b"text/html"),), page)
        elif kind is FaultKind.CUT_JSON:
            return _half(answer)
        elif kind in REWRITINGS:
            return _rewritten(answer, REWRITINGS[kind])
        return answer

    async def _routed(self, scope: Scope, body: bytes, user: str | None) -> Answer:
        scope.setdefault("state", {})["user"] = user
        start: Message = {"status": 500, "headers": ()}
        parts: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        headers = tuple(
            (name, value) for name, value in start["headers"] if name != b"content-length"
        )
        return Answer(int(start["status"]), headers, b"".join(parts))


async def _read(receive: Receive, *, keep: bool) -> bytes | None:
    """A request's body; empty where it is not kept, None where it is too long to be one."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        piece = bytes(message.get("body", b""))
        size += len(piece)
        if keep and size <= LONGEST_BODY:
            parts.append(piece)
        if not message.get("more_body"):
            return None if size > LONGEST_BODY else b"".join(parts)


def _keys(header: bytes | None) -> tuple[str | None, str | None]:
    scheme, _, coded = (header or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None, None
    try:
        user, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return unquote(user), secret


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return body.decode("latin-1")


def _too_many(seconds: float) -> Answer:
    wait = str(max(1, ceil(seconds))).encode()
    return Answer.refusing(429, "Too many requests", (b"retry-after", wait))


def _broken(status: int) -> Answer:
    return Answer.refusing(status, "Something went wrong on our side")


def _half(answer: Answer) -> Answer:
    """The first half of its body; where it has none, the beginning of an object."""
    if not answer.body:
        return Answer(200, ((b"content-type", b"application/json"),), b'{"')
    return replace(answer, body=answer.body[: max(1, len(answer.body) // 2)])


def _rewritten(answer: Answer, rewrite: Callable[[Any], Any]) -> Answer:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return answer
    return replace(answer, body=json.dumps(rewrite(body)).encode())
