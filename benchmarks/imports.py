"""What importing an integration costs beyond `import dagster`: ours, the peers', and `requests`.

    python benchmarks/imports.py [--rounds 7]

Each round is a fresh process, and the packages take turns. Prints the median and the least wall
time and the median CPU time, in milliseconds. On a busy machine compare with `requests`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from importlib.util import find_spec

from accounts import INSTALL

IMPORTS = {
    "dagster_hevo": "from dagster_hevo import HevoResource, HevoSyncConfig, "
    "build_hevo_assets_definitions, build_hevo_job_sensor, DagsterHevoTranslator",
    "dagster_fivetran": "import dagster_fivetran",
    "dagster_airbyte": "import dagster_airbyte",
    "requests": "import requests",
}
PROGRAM = """
import time, warnings
import dagster
warnings.simplefilter("ignore")
began, cpu = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - began, time.process_time() - cpu)
"""


def milliseconds(statement: str) -> tuple[float, float]:
    """Wall and CPU time of a statement in a fresh process that has imported dagster."""
    command = [sys.executable, "-c", PROGRAM.format(statement)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(told[0]) * 1000, float(told[1]) * 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    measured: dict[str, list[tuple[float, float]]] = {
        package: [] for package in IMPORTS if find_spec(package) is not None
    }
    for package in measured:
        milliseconds(IMPORTS[package])  # writes the bytecode
    for _ in range(options.rounds):
        for package, times in measured.items():
            times.append(milliseconds(IMPORTS[package]))
    print(f"{'beyond import dagster, ms':28s}{'median':>8s}{'least':>8s}{'CPU':>8s}")
    for package in IMPORTS:
        if package not in measured:
            print(f"{package:28s}{INSTALL}")
            continue
        wall, cpu = zip(*measured[package], strict=True)
        print(
            f"{package:28s}{statistics.median(wall):8.0f}{min(wall):8.0f}"
            f"{statistics.median(cpu):8.0f}"
        )


if __name__ == "__main__":
    main()
