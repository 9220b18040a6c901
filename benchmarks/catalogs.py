"""What catalogs add to loading 10,000 objects: CPU seconds from Hevo's answers to asset specs.

    python benchmarks/catalogs.py [--objects 10000] [--rounds 7]

The objects are those of Front, over and over, once as pipelines of Front and once as pipelines of
a source that has no catalog. Loading is reading the pages of JSON into models and making the specs;
HTTP itself is left out, which would only make the share of the catalogs smaller.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable

from dagster_hevo.api.models import Pipeline, PipelineObject
from dagster_hevo.assets import tell_findings
from dagster_hevo.catalog import find_catalog
from dagster_hevo.specs import AccountSpecs
from dagster_hevo.workspace import HevoWorkspaceData, PipelineWithObjects


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
    account = HevoWorkspaceData.of(
        PipelineWithObjects.model_construct(
            pipeline=Pipeline.model_validate(json.loads(pipeline)),
            objects=tuple(PipelineObject.model_validate(item) for item in json.loads(page)),
        )
        for pipeline, page in pages
    )
    tell_findings(account)
    AccountSpecs().by_pipeline(account)


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
    options = parser.parse_args()
    known, unknown = answers(options.objects, "Front"), answers(options.objects, "Nowhere")
    load(known), load(unknown)
    pairs = [
        (cpu_seconds(lambda: load(known)), cpu_seconds(lambda: load(unknown)))
        for _ in range(options.rounds)
    ]
    middle = len(pairs) // 2
    print(f"without a catalog: {sorted(without for _, without in pairs)[middle]:.3f} s CPU")
    print(f"with a catalog:    {sorted(with_one for with_one, _ in pairs)[middle]:.3f} s CPU")
    ratio = sorted(with_one / without for with_one, without in pairs)[middle]
    print(f"ratio, median of {options.rounds} pairs: {ratio:.3f}")


if __name__ == "__main__":
    main()
