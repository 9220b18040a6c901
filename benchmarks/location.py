"""How much CPU a code location takes that loads from its kept state, against bare multi-assets.

    python benchmarks/location.py [--pipelines 1000] [--objects 30] [--rounds 3]

Both have as many steps and assets, and end as a `dg.Definitions`; both are measured in one run, by
turns, each round in a fresh process. Ours reads the state from DAGSTER_HOME first, and its assets
have the checks that they have by default. Beside it is ours without checks, as the bare ones are.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
from specs import account_of

from dagster_hevo import HevoResource, build_hevo_assets_definitions
from dagster_hevo.definitions.kept_state import kept_state_of


def resource() -> HevoResource:
    """An account that nobody answers for: all comes from the kept state."""
    return HevoResource(api_key="key", api_secret="secret", region="eu", rate_limit_store="memory")


def keep(pipelines: int, objects: int) -> None:
    """Keep the state of an account under DAGSTER_HOME, as a load before has done."""
    store = kept_state_of("dagster_home", resource())
    assert store is not None
    state = account_of(pipelines, objects)
    store.write(state.model_copy(update={"is_listed": True, "fetched_at": time.time()}))


def bare(pipelines: int, objects: int) -> list[dg.AssetsDefinition]:
    """As many steps and assets, made with Dagster alone."""

    def make(number: int) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name=f"shop_{number}",
            specs=[
                dg.AssetSpec(
                    key=[f"shop_{number}", f"table_{item}"],
                    group_name="shop",
                    kinds={"hevo", "snowflake"},
                    skippable=True,
                    metadata={"dagster/table_name": f"ANALYTICS.shop_{number}.table_{item}"},
                )
                for item in range(objects)
            ],
            can_subset=True,
        )
        def step(context): ...

        return step

    return [make(number) for number in range(pipelines)]


def ours(*, checks: bool) -> list[dg.AssetsDefinition]:
    """The definitions of the kept state."""
    return list(build_hevo_assets_definitions(workspace=resource(), include_checks=checks))


def measure(kind: str, pipelines: int, objects: int, result: Connection) -> None:
    """Load once in this fresh process, and report CPU seconds and how many assets."""
    warnings.simplefilter("ignore")
    works: dict[str, Callable[[], list[dg.AssetsDefinition]]] = {
        "bare": lambda: bare(pipelines, objects),
        "ours": lambda: ours(checks=True),
        "ours, no checks": lambda: ours(checks=False),
    }
    began = time.process_time()
    definitions = dg.Definitions(assets=works[kind](), resources={"hevo": resource()})
    seconds = time.process_time() - began
    result.send((seconds, sum(len(each.keys) for each in definitions.assets or ())))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pipelines", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    kinds = ("bare", "ours", "ours, no checks")
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAGSTER_HOME"] = home
        keep(options.pipelines, options.objects)
        (kept,) = Path(home).rglob("state-*.json")
        print(
            f"{options.pipelines} pipelines of {options.objects} objects, a state of "
            f"{kept.stat().st_size / 1e6:.1f} MB"
        )
        for _ in range(options.rounds):
            for kind in kinds:
                here, there = context.Pipe()
                process = context.Process(
                    target=measure, args=(kind, options.pipelines, options.objects, there)
                )
                process.start()
                there.close()
                taken, found = here.recv()
                process.join()
                assert found == options.pipelines * options.objects, found
                seconds[kind].append(taken)
    reference = statistics.median(seconds["bare"])
    for kind in kinds:
        median = statistics.median(seconds[kind])
        print(f"{kind:18s}{median:7.2f} s CPU{median / reference:7.2f} times bare")


if __name__ == "__main__":
    main()
