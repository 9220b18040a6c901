"""The chaos of `benchmarks/chaos.py`, small enough for every day."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


def test_everything_goes_wrong_at_once_and_each_request_has_one_job():
    ran = subprocess.run(
        [sys.executable, CHAOS, "--requests", "24", "--pipelines", "8", "--processes", "4"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = dict(line.rsplit(None, 1) for line in ran.stdout.splitlines() if line[:1].isalpha())
    assert rows["materializations requested"] == rows["Hevo jobs created"] == "24"
    assert rows["wrong records"] == rows["missing records"] == rows["stuck runs"] == "0"
    assert int(rows["requests struck by a fault"]) > 24
