"""Processes beside this one: started with what they need, and ended whatever happens.

Which ones there are is in `demo.py` and `dev.py`.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

PROJECT = Path(__file__).resolve().parent
ROOT = PROJECT.parent
START_SECONDS = 30.0
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 48 * 2**20  # several times what a run of the example writes


@dataclass(frozen=True)
class LocalHevo:
    """A local Hevo in a process of its own: what it told us when it was ready.

    Attributes:
        environment: The variables with its address and keys.
    """

    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        """Its base URL."""
        return self.environment["HEVO_BASE_URL"]


@contextmanager
def ended_with(
    command: Sequence[str | os.PathLike[str]],
    *,
    stop_signal: int = signal.SIGTERM,
    patience: float = 10.0,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Generator[subprocess.Popen[str], None, None]:
    """Run a command for as long as the block lasts.

    It is in a session of its own, so that Ctrl-C reaches us alone: the order in which processes
    end is ours to choose, and none gets the signal twice.

    Args:
        command: The command and its arguments.
        stop_signal: What asks it to end.
        patience: Seconds until it is killed.
        environment: Variables on top of our own.
        stdout: As for `subprocess.Popen`; errors go the same way if given.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=stdout,
        stderr=None if stdout is None else subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(stop_signal)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
        finally:
            _end_group(process.pid)
            process.wait()


def _end_group(group: int, patience: float = 10.0) -> None:
    """See the end of what a process left running: by itself in a moment, else killed."""
    give_up = time.monotonic() + patience
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < give_up:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


@contextmanager
def local_hevo(
    warehouse: Path, *, scenario: Path = PROJECT / "scenario.yaml", speed: float = 1.0
) -> Generator[LocalHevo, None, None]:
    """A local Hevo on a free port.

    Args:
        warehouse: The DuckDB file that its jobs load into.
        scenario: What it holds.
        speed: Sandbox seconds a real second.

    Raises:
        RuntimeError: It did not start.
    """
    command = [
        *(sys.executable, "-m", "dagster_hevo.cli", "sandbox", "--port", "0"),
        *("--scenario", str(scenario)),
        *("--speed", f"{speed:g}", "--warehouse", str(warehouse)),
    ]
    with ended_with(command, stdout=subprocess.PIPE) as process:
        yield LocalHevo(_told_environment(process))


def _told_environment(process: subprocess.Popen[str]) -> dict[str, str]:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    told: list[str] = []
    found: dict[str, str] = {}
    wanted = {"HEVO_BASE_URL", "HEVO_API_KEY", "HEVO_API_SECRET"}
    while wanted - found.keys():
        try:
            line = lines.get(timeout=START_SECONDS)
        except queue.Empty:
            line = None
        if line is None:
            raise RuntimeError("The local Hevo did not start:\n" + "".join(told))
        told.append(line)
        name, _, value = line.strip().partition("=")
        if name in wanted:
            found[name] = value
    return found


def free_port(wanted: int = 0) -> int:
    """The wanted port of the loopback address if it is free, else any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lines_of(process: subprocess.Popen[str], log: Path) -> Iterator[str]:
    """The lines that a process writes, as they come; all of them go to a log file too."""
    with log.open("w", encoding="utf-8") as file:
        for line in process.stdout or ():
            file.write(line)
            yield line.rstrip("\n")


def dagster_home(folder: Path) -> Path:
    """A folder for Dagster to keep its runs and events in, apart from any other on this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    return folder


@contextmanager
def in_memory(kept: Path) -> Generator[Path, None, None]:
    """A folder that is in memory while the block lasts and is kept on disk after it.

    A run commits to its database hundreds of times, and each commit waits for the disk. Where
    there is no folder in memory, or no room in it, the block works in the kept folder itself.
    """
    if not _has_room(MEMORY):
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="dagster-hevo-") as folder:
        try:
            yield Path(folder)
        finally:
            shutil.copytree(folder, kept, dirs_exist_ok=True)


def _has_room(folder: Path) -> bool:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    return shutil.disk_usage(folder).free >= MEMORY_BYTES


def interrupted_by_sigterm() -> Callable[[], object]:
    """Let SIGTERM end this process as Ctrl-C does, so that it ends its children first."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    return lambda: signal.signal(signal.SIGTERM, before)
