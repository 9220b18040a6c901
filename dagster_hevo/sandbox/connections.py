"""The TCP connections of the local Hevo, so that a fault can close one or write to it directly.

uvicorn keeps its transports to itself; a protocol of our own notes them by the client's host and
port.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connections:
    """The open connections by the client's (host, port)."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Note a connection."""
        self._open[_client(transport)] = transport

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._open.pop(_client(transport), None)

    def cut(self, client: tuple[str, int] | None) -> None:
        """Close a client's connection; what was sent before still arrives."""
        transport = self._of(client)
        if transport is not None:
            transport.close()

    def write(self, client: tuple[str, int] | None, data: bytes) -> None:
        """Send bytes to a client as they are, past the HTTP server; none if it is gone."""
        transport = self._of(client)
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def protocol(self) -> type[asyncio.Protocol]:
        """A protocol for uvicorn that notes its connections here."""
        connections = self

        class NotedProtocol(H11Protocol):
            def connection_made(self, transport: Any) -> None:
                connections.opened(transport)
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.closed(self.transport)
                super().connection_lost(exc)

        return NotedProtocol

    def _of(self, client: tuple[str, int] | None) -> asyncio.Transport | None:
        return self._open.get((client[0], client[1])) if client else None


def _client(transport: asyncio.Transport) -> tuple[str, int]:
    host, port = transport.get_extra_info("peername")[:2]
    return str(host), int(port)
