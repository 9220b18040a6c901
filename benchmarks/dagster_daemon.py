"""A real Dagster daemon with its code server, and a folder for its instance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MEMORY_DISK = Path("/dev/shm")


@dataclass
class Daemon:
    """A daemon with its code server, in a group of their own."""

    home: Path
    workspace: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        log = (self.home / f"daemon-{len(self.started)}.log").open("wb")
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run"]
        self.started.append(
            subprocess.Popen(
                [*command, "-w", str(self.workspace)],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.home,
            )
        )

    def stop(self, how: signal.Signals) -> None:
        """End the daemon; its code server notices and ends, or goes on for a while."""
        self.started[-1].send_signal(how)
        self.started[-1].wait(60)

    def sweep(self) -> None:
        for process in self.started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()


@contextmanager
def folder() -> Iterator[Path]:
    """A DAGSTER_HOME, in memory where there is such a disk: it is not the disk that counts."""
    place = MEMORY_DISK if os.access(MEMORY_DISK, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="hevo-sensor-") as home:
        (Path(home) / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        yield Path(home)
