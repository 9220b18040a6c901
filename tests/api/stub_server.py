"""A server that answers exactly what a test wrote down, where the sandbox is too well-behaved.

It knows nothing of Hevo: raw statuses, headers and bodies, cut connections, TLS. It also serves
as a plain proxy, since a proxy's requests only differ in naming the whole address.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        body: Sent as it is if text or bytes, else as JSON; None is no body.
        cut: Close the connection instead of answering, or in the middle of the body.
        delay: Seconds before the answer.
        drip: Send the headers, or the body, byte by byte, one every 30 ms.
        interim: Bytes to send first, before the delay.
        verbatim: All bytes of the answer, in place of a status, headers and a body.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Literal["at once", "in the body"] | None = None
    delay: float = 0.0
    drip: Literal["headers", "body"] | None = None
    interim: bytes = b""
    verbatim: bytes | None = None

    @property
    def raw(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


@dataclass(frozen=True)
class Seen:
    """A request as it came in; `connection` is the port that it came from."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def keys(self) -> tuple[str, str]:
        scheme, _, token = self.headers["Authorization"].partition(" ")
        assert scheme == "Basic"
        key, _, secret = base64.b64decode(token).decode().partition(":")
        return key, secret


class StubServer:
    """Serves the answers in their order, then the last one for ever.

    Args:
        answers: What to answer.
        certificate: A certificate and its key in one file; with it, the server speaks TLS.
    """

    def __init__(self, *answers: Answer, certificate: Path | None = None) -> None:
        self.answers = list(answers)
        self.requests: list[Seen] = []
        self._scheme = "http"
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake is left to each connection's own thread, where it may fail.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,))
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next(self, seen: Seen) -> Answer:
        with self._lock:
            self.requests.append(seen)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _handler(stub) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the client hung up, as some tests make it
                    super().handle()

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                answer = stub._next(
                    Seen(
                        self.command,
                        self.path,
                        dict(self.headers.items()),
                        self.rfile.read(length),
                        self.client_address[1],
                    )
                )
                self.wfile.write(answer.interim)
                time.sleep(answer.delay)
                if answer.cut == "at once":
                    self._cut()
                    return
                if answer.verbatim is not None:
                    self.wfile.write(answer.verbatim)
                    return
                raw = answer.raw
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status not in (204, 304):
                    self.send_header("Content-Length", str(len(raw)))
                if answer.drip == "headers":
                    self._drip(b"".join(self._headers_buffer) + b"X-More: " + b"x" * 1000)
                    return
                self.end_headers()
                if answer.drip == "body":
                    self._drip(raw)
                    return
                if answer.cut == "in the body":
                    self.wfile.write(raw[: len(raw) // 2])
                    self._cut()
                    return
                self.wfile.write(raw)

            do_GET = do_POST = do_PATCH = do_CONNECT = answer

            def _drip(self, content: bytes) -> None:
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.03)

            def _cut(self) -> None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both
