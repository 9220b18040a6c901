"""Threads and sockets of the local Hevo: uvicorn in the background or in the foreground.

What is served is in `gate.py` and `app.py`; who starts it, in `server.py`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from dagster_hevo.api.settings import is_loopback
from dagster_hevo.sandbox.connections import Connections
from dagster_hevo.sandbox.gate import Gate

_BESIDE_PAUSE = 0.03
_START_PATIENCE = 10.0
_TICK = 0.2


class SandboxPortError(OSError):
    """The sandbox cannot listen on the port that it was told to."""


class SandboxHostError(ValueError):
    """The sandbox is not to listen where other machines reach it."""


def check_host(host: str, *, allow_remote: bool) -> None:
    """Refuse an address that other machines reach, unless that is allowed.

    Raises:
        SandboxHostError: It is such an address, and it is not allowed.
    """
    if not allow_remote and not is_loopback(host):
        raise SandboxHostError(
            f"the sandbox would listen on {host}, where other machines reach it, over plain http. "
            "Use 127.0.0.1; or, in a network that you trust, allow_remote (--allow-remote)."
        )


def names_of(host: str, port: int) -> frozenset[str] | None:
    """What requests may call a server on this address; None for anything, where others reach it."""
    if not is_loopback(host):
        return None
    return frozenset(f"{name}:{port}" for name in {host.lower(), "127.0.0.1", "localhost"})


class PromptServer(uvicorn.Server):
    """uvicorn's server, ending at once: its own way takes 0.2 s, which each test would pay."""

    async def main_loop(self) -> None:
        """Serve until asked to end."""
        self._loop = asyncio.get_running_loop()
        self._asked_to_end = asyncio.Event()
        while not self.should_exit:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._asked_to_end.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port and every connection, whether or not a request is being answered."""
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.sleep(0)

    def end(self) -> None:
        """Ask it to end, from any thread."""
        self.should_exit = True
        loop = getattr(self, "_loop", None)
        if loop is not None and not loop.is_closed():
            with suppress(RuntimeError):  # closed between the question and the call
                loop.call_soon_threadsafe(self._asked_to_end.set)


class ServedApp:
    """An application on a port.

    Args:
        app: The application.
        connections: Notes the open connections.
        beside: Called every few hundredths of a second while it is served.
    """

    def __init__(
        self, app: Gate, connections: Connections, beside: Callable[[], object] | None
    ) -> None:
        self._server = PromptServer(
            uvicorn.Config(
                app,  # pyright: ignore[reportArgumentType]
                http=connections.protocol(),
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
                server_header=False,
                date_header=False,  # the gate writes it, from the sandbox's clock
            )
        )
        self._app = app
        self._beside = beside
        self._listening: socket.socket | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def listen(self, host: str, port: int) -> int:
        """Take the port, any free one for 0, and return it.

        Raises:
            SandboxPortError: It is in use.
        """
        # With the protocol named, asyncio switches Nagle's algorithm off: it costs 40 ms an answer.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(512)
        except OSError as refused:
            listening.close()
            raise SandboxPortError(
                f"cannot listen on {host}:{port} ({refused.strerror}): "
                "choose another port, or 0 for any free one"
            ) from refused
        self._listening = listening
        taken = int(listening.getsockname()[1])
        self._app.hosts = names_of(host, taken)
        return taken

    def start(self) -> None:
        """Serve on a background thread; returns once requests are answered."""
        serving = self._start_thread("hevo-sandbox", self._serve)
        self._start_beside()
        deadline = time.monotonic() + _START_PATIENCE
        while not self._server.started:
            if time.monotonic() > deadline or not serving.is_alive():
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.002)

    def run(self) -> None:
        """Serve on this thread until interrupted."""
        self._start_beside()
        try:
            with suppress(KeyboardInterrupt):
                self._serve()
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop serving and wait for the threads to end."""
        self._stopping.set()
        self._server.end()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listening] if self._listening else None)

    def _start_beside(self) -> None:
        if self._beside is not None:
            self._start_thread("hevo-sandbox-writer", self._work_beside)

    def _work_beside(self) -> None:
        while self._beside is not None and not self._stopping.wait(_BESIDE_PAUSE):
            self._beside()

    def _start_thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread
