"""The sensor under a real daemon that gets SIGKILL: the benchmark, small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sensor_daemon.py"


@pytest.mark.skipif(not BENCHMARK.exists(), reason="the benchmarks are not in the package")
def test_a_daemon_that_is_killed_records_every_object_once():
    command = [sys.executable, str(BENCHMARK), "--pipelines", "3", "--objects", "2"]
    command += ["--minutes", "45", "--speed", "300", "--restarts", "1", "--patience", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "after SIGKILL" in done.stdout
