"""What catalogs add to loading 10,000 objects: CPU and wall time of a code location's cold load.

    python benchmarks/catalogs.py [--objects 10000] [--rounds 7] [--milliseconds 50]

The objects are those of Front, over and over, once as pipelines of Front and once as pipelines of
a source that has no catalog; they are loaded over HTTP from a stand-in. Printed beside it is the
CPU time from answers to specs, without HTTP.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from stand_in import StandIn

from dagster_hevo import HevoResource
from dagster_hevo.api.models import Pipeline, PipelineObject
from dagster_hevo.catalog import find_catalog
from dagster_hevo.definitions.loader import tell_findings
from dagster_hevo.definitions.reading import Wanted
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineWithObjects, no_collection
from dagster_hevo.definitions.specs import AccountSpecs


def answers(objects: int, source_type: str) -> list[tuple[str, str]]:
    """Hevo's answers for pipelines of 29 objects each: the pipeline, and its page of objects."""
    catalog = find_catalog("Front")
    assert catalog is not None
    found: list[tuple[str, str]] = []
    for number in range(1, objects // len(catalog.objects) + 1):
        pipeline = {
            "id": number,
            "name": f"Front {number}",
            "status": "INITIALIZED",
            "source": {"name": "Front", "source_type": source_type},
            "destination": {"id": 1, "name": "wh", "destination_type": "SNOWFLAKE"},
        }
        page = [
            {
                "object_id": f"obj-{number}-{at}",
                "source_namespace": {"k0": item.name, "k1": "front"},
                "destination_namespace": {"k0": item.name.lower(), "k1": f"front_{number}"},
                "field_count": 9,
                "status": "ACTIVE",
                "replication_status": "REPLICATED",
            }
            for at, item in enumerate(catalog.objects)
        ]
        found.append((json.dumps(pipeline), json.dumps(page)))
    return found


def load(pages: list[tuple[str, str]]) -> None:
    """From answers to specs."""
    account = AccountSnapshot.of(
        PipelineWithObjects.model_construct(
            pipeline=Pipeline.model_validate(json.loads(pipeline)),
            objects=tuple(PipelineObject.model_validate(item) for item in json.loads(page)),
        )
        for pipeline, page in pages
    )
    tell_findings(account)
    AccountSpecs().by_pipeline(account)


def over_http(url: str) -> tuple[float, float]:
    """CPU and wall seconds of one cold load, in a process that has loaded before."""
    hevo = HevoResource(
        api_key="key",
        api_secret="secret",
        base_url=url,
        requests_per_minute=0,
        definitions_max_age=0,
    )
    gc.collect()
    began, cpu = time.perf_counter(), time.process_time()
    account_specs = AccountSpecs()
    wanted = Wanted(on_loaded=account_specs.make_early)
    with no_collection():
        account = hevo.loader.read(wanted, force_refresh=True)
        tell_findings(account)
        account_specs.by_pipeline(account)
    return time.process_time() - cpu, time.perf_counter() - began


def timed(url: str, place: int) -> float:
    """One of both figures of a cold load."""
    return over_http(url)[place]


def served(pages: list[tuple[str, str]]) -> dict[str, Any]:
    """The same answers for the stand-in."""
    pipelines = [json.loads(pipeline) for pipeline, _ in pages]
    return {
        "GET /api/v1/pipelines": pipelines,
        **{
            f"GET /api/v1/pipelines/{pipeline['id']}/objects": json.loads(page)
            for pipeline, (_, page) in zip(pipelines, pages, strict=True)
        },
    }


def compare(name: str, rounds: int, loads: tuple[Callable[[], float], Callable[[], float]]) -> None:
    """Print the medians of both, and the median of their ratios."""
    pairs = [(loads[0](), loads[1]()) for _ in range(rounds)]
    without = statistics.median(one for one, _ in pairs)
    with_one = statistics.median(one for _, one in pairs)
    ratio = statistics.median(there / here for here, there in pairs)
    print(f"{name:34s}{without:9.3f}{with_one:9.3f}{ratio:9.3f}")


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--milliseconds", type=float, default=50, help="how long an answer takes")
    options = parser.parse_args()
    known, unknown = answers(options.objects, "Front"), answers(options.objects, "Nowhere")
    print(f"{options.objects:,} objects, median of {options.rounds}")
    print(f"{'':34s}{'without':>9s}{'with':>9s}{'ratio':>9s}")
    wait = options.milliseconds / 1000
    logging.disable(logging.WARNING)
    with (
        StandIn(served(unknown), seconds=wait) as without,
        StandIn(served(known), seconds=wait) as with_one,
    ):
        urls = (without.url, with_one.url)
        for url in urls:
            over_http(url)
        for place, name in enumerate(("cold load over HTTP, s CPU", "cold load over HTTP, s wall")):
            compare(name, options.rounds, tuple(partial(timed, url, place) for url in urls))
    load(known), load(unknown)
    loads = tuple(partial(cpu_seconds, partial(load, pages)) for pages in (unknown, known))
    compare("from answers to specs, s CPU", options.rounds, loads)


if __name__ == "__main__":
    main()
