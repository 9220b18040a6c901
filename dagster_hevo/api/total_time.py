"""A bound on the total time of one HTTP exchange: connect, send, headers and body together.

The timeout of `requests` counts between two bytes, so a server that sends one byte per second is
never timed out, neither in the headers nor in the body. Here every wait on a socket gets what is
left of the total: connecting to each address of the host, opening a proxy's tunnel, the TLS
handshake, each piece that is sent, and each read. Waiting for a free connection counts too.

Looking up the host's name is not included: no timeout can be given to the system's resolver, which
has its own.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util.connection import allowed_gai_family

SENT_AT_ONCE = 64 * 1024
"""Bytes in one piece of a request; with TLS, one piece could wait for several timeouts."""

SWITCHING_PROTOCOLS = 101

_ends_at: ContextVar[float | None] = ContextVar("_ends_at", default=None)
"""When the exchange of this thread must be over, by `time.monotonic`; None: no bound.

A socket waits in real time, so no other clock can be used.
"""


class BoundedAdapter(HTTPAdapter):
    """An adapter whose ``timeout`` is the total time until the body is read, not between bytes."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _bound_pools_of(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        _bound_pools_of(manager)
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        ends_at = time.monotonic() + timeout if isinstance(timeout, int | float) else None
        before = _ends_at.set(ends_at)
        try:
            return super().send(request, stream, timeout, verify, cert, proxies)
        finally:
            _ends_at.reset(before)


def _left(until: float | None) -> float | None:
    """Seconds left, None without a bound.

    Raises:
        TimeoutError: None are left.
    """
    if until is None:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _BoundedReads(io.RawIOBase):
    """A socket's bytes, each read waiting no longer than what is left of the exchange's time."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, until: float) -> None:
        self._raw = raw
        self._sock = sock
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(_left(self._until))
        return cast("int | None", cast("Any", self._raw).readinto(buffer))

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """An answer whose status, headers and body are read within the exchange's time.

    Interim answers (1xx, such as 103 Early Hints) are passed over, which `http.client` does for 100
    only: taken for the answer, one would leave the real answer to the next request.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        until = _ends_at.get()
        if until is not None:
            self.fp = io.BufferedReader(_BoundedReads(self.fp.detach(), sock, until))

    def begin(self) -> None:
        super().begin()
        # What is no header goes unread: `urllib3` would write it into the log as it came.
        self.msg.set_payload("")
        self.msg.defects = []

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = cast("Any", super())._read_status()
            if status == SWITCHING_PROTOCOLS:
                raise http.client.BadStatusLine("another protocol, which nobody asked for")
            if not 100 <= status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _BoundedConnection(HTTPConnection):
    """A connection that is opened, and sends, within the exchange's time."""

    response_class = _BoundedResponse
    connects_directly = True

    def _new_conn(self) -> socket.socket:
        sock = self._connect_directly() if self.connects_directly else self._connect_once()
        sock.settimeout(_left(_ends_at.get()))  # for the TLS handshake
        return sock

    def _connect_directly(self) -> socket.socket:
        """Connect to the first address that answers; each gets an equal share of the time left."""
        name = self._dns_host
        addresses = self._addresses(name)
        try:
            for place, address in enumerate(addresses, start=1):
                self._dns_host = address
                try:
                    return self._connect_once(len(addresses) - place + 1)
                except (NewConnectionError, ConnectTimeoutError):
                    if place == len(addresses):
                        raise
        finally:
            self._dns_host = name
        raise NewConnectionError(self, "the name resolves to no address")

    def _addresses(self, name: str) -> list[str]:
        family, kind = allowed_gai_family(), socket.SOCK_STREAM
        try:
            found = socket.getaddrinfo(name.strip("[]"), self.port, family, kind)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(f"{name!r}, label empty or too long") from None
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def _connect_once(self, share: int = 1) -> socket.socket:
        try:
            left = _left(_ends_at.get())
        except TimeoutError:
            raise ConnectTimeoutError(self, "no time was left to connect") from None
        if left is not None:
            self.timeout = left / share
        return super()._new_conn()

    def _tunnel(self) -> None:
        cast("Any", super())._tunnel()
        if self.sock is not None:
            self.sock.settimeout(_left(_ends_at.get()))  # for the TLS handshake

    def send(self, data: Any) -> None:
        if not isinstance(data, bytes) or self.sock is None:
            super().send(data)
            return
        for start in range(0, len(data), SENT_AT_ONCE):
            self.sock.settimeout(_left(_ends_at.get()))
            super().send(data[start : start + SENT_AT_ONCE])


class _BoundedPool(HTTPConnectionPool):
    """A pool that waits for a free connection no longer than the exchange's time."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        try:
            left = _left(_ends_at.get())
        except TimeoutError:
            left = 0.001
        return super()._get_conn(timeout if left is None else left)


def _bound_pools_of(manager: Any) -> None:
    classes = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {
        scheme: _bounded_pool(kind) for scheme, kind in classes.items()
    }


@cache
def _bounded_pool(kind: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    if issubclass(kind, _BoundedPool):
        return kind
    connection = kind.ConnectionCls
    # Whoever connects in another way (SOCKS) resolves the host's name elsewhere.
    is_direct = cast("Any", connection)._new_conn is cast("Any", HTTPConnection)._new_conn
    bounded = type(
        connection.__name__,
        (_BoundedConnection, connection),
        {"connects_directly": is_direct},
    )
    return type(kind.__name__, (_BoundedPool, kind), {"ConnectionCls": bounded})
