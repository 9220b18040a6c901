"""Runs every benchmark, one after another, and prints their reports with the machine.

    python benchmarks/all.py [--quick] > report.txt

`--quick` leaves out those that take minutes: the limiter, the limited load, the job sensor.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

COMMANDS = (
    ("loading.py",),
    ("specs.py",),
    ("reload.py",),
    ("imports.py",),
    ("watching.py",),
    ("catalogs.py",),
)
SLOW = (("loading.py", "--limited"), ("limiter.py", "--seconds", "120"), ("sensor.py",))
PACKAGES = ("dagster", "dagster-fivetran", "dagster-airbyte", "requests", "pydantic")


def machine() -> str:
    """What the figures were measured on, and how busy it was."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    found: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, load {load}\n"
        f"Python {platform.python_version()}, {', '.join(found)}"
    )


def main() -> int:
    """Run them; the exit code is 0 if all of them ran."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    failed = 0
    print(machine(), flush=True)
    for script, *arguments in COMMANDS if options.quick else (*COMMANDS, *SLOW):
        print(f"\n$ python benchmarks/{' '.join((script, *arguments))}", flush=True)
        place = Path(__file__).parent / script
        failed += subprocess.run([sys.executable, str(place), *arguments]).returncode != 0
    print(f"\n{machine()}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
