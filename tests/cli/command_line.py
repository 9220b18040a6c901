"""The command line beside a local Hevo: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from dagster_hevo.cli import main
from dagster_hevo.sandbox import HevoSandbox, Scenario

QUICK: dict[str, Any] = {
    "job_appears_after": (0.05, 0.1),
    "restarting_seconds": 0.1,
    "transition_seconds": 0.05,
    "requests_per_minute": 0,
}
SECRET = "a-secret-that-nobody-may-see"


def quick_scenario(pipelines: int = 1, objects: int = 3, **changes: Any) -> Scenario:
    """Plain pipelines whose jobs take a few tenths of a second."""
    return Scenario.simple(
        pipelines, objects, **{**QUICK, "seconds_per_object": 0.3 / objects, **changes}
    )


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which must be JSON and nothing else."""
        return json.loads(self.out)


@dataclass
class CommandLine:
    """Runs `dagster-hevo` with keys of this sandbox in its environment."""

    sandbox: HevoSandbox
    home: str

    def environment(self, **changes: str | None) -> dict[str, str | None]:
        return {
            "HEVO_BASE_URL": self.sandbox.url,
            "HEVO_API_KEY": self.sandbox.api_key,
            "HEVO_API_SECRET": self.sandbox.api_secret,
            "HEVO_REQUESTS_PER_MINUTE": "0",
            "HEVO_REGION": None,
            "HEVO_RATE_LIMIT_STORE": None,
            "DAGSTER_HOME": self.home,
            **changes,
        }

    def run(self, *arguments: object, **environment: str | None) -> Ended:
        """Run a command in this process."""
        result = CliRunner().invoke(
            main, [str(each) for each in arguments], env=self.environment(**environment)
        )
        unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
        assert not unexpected, f"a traceback instead of a message: {result.exception!r}"
        self._assert_no_secret(result.stdout + result.stderr)
        return Ended(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: object, **environment: str | None) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        given = {**os.environ, **self.environment(**environment)}
        return subprocess.Popen(
            [sys.executable, "-m", "dagster_hevo.cli", *(str(each) for each in arguments)],
            env={name: value for name, value in given.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever runs the tests in the background may have it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait(self, process: subprocess.Popen[str], timeout: float = 30.0) -> Ended:
        """Wait for a command in a process of its own."""
        out, err = process.communicate(timeout=timeout)
        self._assert_no_secret(out + err)
        assert "Traceback" not in err, err
        return Ended(process.returncode, out, err)

    def _assert_no_secret(self, text: str) -> None:
        token = b64encode(f"{self.sandbox.api_key}:{SECRET}".encode()).decode()
        assert SECRET not in text
        assert token not in text
