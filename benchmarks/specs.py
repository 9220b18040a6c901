"""How much CPU it takes to turn loaded objects into asset specs, against bare specs alike.

    python benchmarks/specs.py [--objects 6000] [--rounds 5]

Prints CPU seconds for bare `dg.AssetSpec`s with like metadata, for ours, and for 20,000 objects in
one pipeline; and for the peers, whose four requests to load as many objects are part of the figure.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection

import dagster as dg
from accounts import HEVO, INSTALL, PEERS, Integration
from stand_in import StandIn

from dagster_hevo.api.models import Destination, Namespace, Pipeline, PipelineObject
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineWithObjects
from dagster_hevo.definitions.specs import AccountSpecs


def account_of(pipelines: int, objects: int) -> AccountSnapshot:
    """An account as it is after loading."""
    return AccountSnapshot.of(
        PipelineWithObjects(
            pipeline=Pipeline(
                id=number,
                name=f"Shop {number}",
                status="INITIALIZED",
                destination=Destination(destination_type="SNOWFLAKE"),
            ),
            objects=tuple(
                PipelineObject(
                    object_id=f"obj-{number}-{item}",
                    source_namespace=Namespace(k0=f"table_{item}", k1="public", k2="shop"),
                    destination_namespace=Namespace(
                        k0=f"table_{item}", k1=f"shop_{number}", k2="ANALYTICS"
                    ),
                    field_count=12,
                    status="ACTIVE",
                    replication_status="REPLICATED",
                )
                for item in range(objects)
            ),
        )
        for number in range(1, pipelines + 1)
    )


def bare_specs(account: AccountSnapshot) -> list[dg.AssetSpec]:
    """What Dagster itself needs for specs with like metadata."""
    return [
        dg.AssetSpec(
            key=[f"shop_{item.pipeline.id}", str(known.destination_namespace.k0)],
            group_name="shop",
            kinds={"hevo", "snowflake"},
            skippable=True,
            metadata={
                "dagster/table_name": "ANALYTICS.shop.table",
                "dagster-hevo/pipeline_id": item.pipeline.id,
                "dagster-hevo/pipeline_name": item.pipeline.name,
                "dagster-hevo/object_id": known.object_id,
                "dagster-hevo/object_name": "table",
                "dagster-hevo/source_path": "shop.public.table",
            },
        )
        for item in account.pipelines
        for known in item.objects
    ]


def cpu_seconds(work: Callable[[], object], rounds: int) -> float:
    """The median CPU time of some rounds, after one that does not count."""
    work()
    times: list[float] = []
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return sorted(times)[len(times) // 2]


def load(place: int, url: str, result: Connection) -> None:
    """Load an account over HTTP and make specs of it; report CPU seconds and how many."""
    warnings.simplefilter("ignore")
    work = (HEVO, *PEERS)[place].loader(url)
    began = time.process_time()
    specs = work()
    result.send((time.process_time() - began, len(specs)))


def loaded_seconds(integration: Integration, objects: int, rounds: int) -> float:
    """The median CPU time to load one pipeline of so many objects, each in a fresh process."""
    context = multiprocessing.get_context("spawn")
    place = (HEVO, *PEERS).index(integration)
    times: list[float] = []
    with StandIn(integration.answers(1, objects), seconds=0) as server:
        for _ in range(rounds):
            here, there = context.Pipe()
            process = context.Process(target=load, args=(place, server.url, there))
            process.start()
            seconds, found = here.recv()
            process.join()
            assert found == objects, f"{found} specs of {objects} objects"
            times.append(seconds)
    return sorted(times)[len(times) // 2]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    many = account_of(options.objects // 30, 30)
    one = account_of(1, 20_000)
    bare = cpu_seconds(lambda: bare_specs(many), options.rounds)
    ours = cpu_seconds(lambda: AccountSpecs().by_pipeline(many), options.rounds)
    large = cpu_seconds(lambda: AccountSpecs().by_pipeline(one), options.rounds)
    print(f"bare specs, {options.objects:,} objects: {bare:.3f} s CPU")
    print(
        f"our specs, {options.objects:,} objects:  {ours:.3f} s CPU, {ours / bare:.2f} times bare"
    )
    print(f"our specs, 20,000 objects in one pipeline: {large:.3f} s CPU, {large / ours:.2f} times")
    print(f"\nrequests and specs, one pipeline of {options.objects:,} objects, a fresh process:")
    for integration in (HEVO, *PEERS):
        if not integration.is_installed:
            print(f"{integration.package}: {INSTALL}")
            continue
        seconds = loaded_seconds(integration, options.objects, 3)
        print(f"{integration.package}: {seconds:.2f} s CPU, {seconds / bare:.1f} times bare")


if __name__ == "__main__":
    main()
