"""A server that answers with exactly these bytes: what no well-behaved server would send."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

Answering = Callable[[bytes], bytes]


def http(
    body: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None, line: str = "Odd"
) -> bytes:
    """An answer with a length; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} {line}", f"Content-Length: {len(content)}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + content


class RawServer:
    """Answers each connection's one request with bytes, then closes it.

    Args:
        answer: Given a request's bytes, makes the answer's.

    Attributes:
        requests: The requests' bytes, in their order.
    """

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listening.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        # A connection wakes the thread that waits for one.
        listening, self._listening = self._listening, None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._thread.join(5)
        listening.close()

    def _serve(self) -> None:
        listening = self._listening
        while self._listening is not None:
            connection, _ = listening.accept()
            with contextlib.suppress(OSError), connection:
                connection.settimeout(5)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        seen = b""
        while b"\r\n\r\n" not in seen:
            piece = connection.recv(65536)
            if not piece:
                return
            seen += piece
        head, _, body = seen.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        connection.sendall(self.answer(self.requests[-1]))
        connection.shutdown(socket.SHUT_WR)
