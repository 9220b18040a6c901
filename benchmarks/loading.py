"""How long a code location waits for a cold load, and what it asks: ours and the peers'.

    python benchmarks/loading.py [--pipelines 100] [--objects 30] [--milliseconds 50] [--rounds 5]
    python benchmarks/loading.py --limited    # 100 requests a minute kept and enforced

Each round is a fresh process with an empty DAGSTER_HOME. The time is from after the imports that a
code location writes until the specs are there; what is imported on the way counts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection

from accounts import HEVO, INSTALL, PEERS, Integration
from stand_in import StandIn


@dataclass(frozen=True)
class Load:
    """One cold load.

    Attributes:
        seconds: Wall time.
        cpu: CPU seconds of the loading process.
        specs: How many specs came of it.
        megabytes: By how much the process grew at its largest; 0 where the system does not say.
    """

    seconds: float
    cpu: float
    specs: int
    megabytes: float


def largest() -> float:
    """How large this process has been, in megabytes."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def load(place: int, url: str, options: dict[str, bool], result: Connection) -> None:
    """Load once, in this fresh process."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        work = (HEVO, *PEERS)[place].loader(url, **options)
        before = largest()
        began, cpu = time.perf_counter(), time.process_time()
        specs = work()
        result.send(
            Load(
                time.perf_counter() - began,
                time.process_time() - cpu,
                len(specs),
                largest() - before,
            )
        )


def measure(
    integration: Integration,
    pipelines: int,
    objects: int,
    milliseconds: float,
    rounds: int,
    limited: bool = False,
) -> None:
    """Load so many times, and print the figures."""
    if not integration.is_installed:
        print(f"{integration.package:18s}{INSTALL}")
        return
    context = multiprocessing.get_context("spawn")
    loads: list[Load] = []
    place = (HEVO, *PEERS).index(integration)
    options = {"limited": True} if limited else {}
    for _ in range(rounds):
        answers = integration.answers(pipelines, objects)
        with StandIn(answers, seconds=milliseconds / 1000, limit=100 if limited else 0) as server:
            here, there = context.Pipe()
            process = context.Process(target=load, args=(place, server.url, options, there))
            process.start()
            there.close()
            loads.append(here.recv())
            process.join()
            counts = (
                f"{server.requests:9d}{server.connections:13d}{server.most_connections:12d}"
                f"{server.refused:9d}"
            )
    seconds = [one.seconds for one in loads]
    cpu = statistics.median(one.cpu for one in loads)
    print(
        f"{integration.package:18s}{statistics.median(seconds):8.2f}{min(seconds):8.2f}{cpu:8.2f}"
        f"{counts}{loads[-1].specs:8d}{loads[-1].megabytes:8.0f}"
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipelines", type=int, default=100)
    parser.add_argument("--objects", type=int, default=30)
    parser.add_argument("--milliseconds", type=float, default=50, help="how long an answer takes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limited", action="store_true", help="ours only, one round")
    options = parser.parse_args()
    shape = (options.pipelines, options.objects, options.milliseconds)
    print(f"{shape[0]} pipelines of {shape[1]} objects, {shape[2]:g} ms a request")
    print(
        f"{'':18s}{'seconds':>8s}{'least':>8s}{'CPU':>8s}{'requests':>9s}{'connections':>13s}"
        f"{'at a time':>12s}{'refused':>9s}{'specs':>8s}{'MB':>8s}"
    )
    if options.limited:
        measure(HEVO, *shape, rounds=1, limited=True)
        return
    for integration in (HEVO, *PEERS):
        measure(integration, *shape, rounds=options.rounds if integration is HEVO else 1)


if __name__ == "__main__":
    main()
