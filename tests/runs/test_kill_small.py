"""The deaths of `benchmarks/kill.py`, a few of the thirty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"


def test_a_run_that_is_killed_and_executed_again_has_one_job_at_four_points():
    ran = subprocess.run(
        [sys.executable, KILL, "--points", "4"], capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 of 4 points: one Hevo job, all recorded" in ran.stdout
