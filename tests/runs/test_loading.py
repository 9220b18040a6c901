"""What loading a code location costs: an account is read once, by a step's process never."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from dagster_hevo import (
    DagsterHevoTranslator,
    HevoObjectProps,
    build_hevo_job_sensor,
    load_hevo_asset_specs,
)
from dagster_hevo.execution.run_ledger import InstanceStore


@dg.job
def shop_job() -> None:
    """A job for the sake of its run."""


def sent_to(sandbox) -> Counter[str]:
    """How often each path was requested, ids left out."""
    return Counter(seen.path.removeprefix("/api/v1") for seen in sandbox.requests)


def loading(sandbox) -> Counter[str]:
    """The requests that only loading makes: lists of pipelines and of their objects."""
    return Counter(
        {
            path: count
            for path, count in sent_to(sandbox).items()
            if path == "/pipelines" or (path.endswith("/objects") and "/jobs/" not in path)
        }
    )


def test_factory_sensor_and_specs_share_one_loading(shop):
    place = shop(pipelines=4)
    assets = place.assets()
    sensor = build_hevo_job_sensor(workspace=place.hevo)
    specs = load_hevo_asset_specs(place.hevo)
    assert len(specs) == 12
    assert dg.Definitions(assets=assets, sensors=[sensor], resources={"hevo": place.hevo})
    assert sent_to(place.sandbox) == {
        "/pipelines": 1,
        **{f"/pipelines/{number}/objects": 1 for number in (101, 102, 103, 104)},
    }


def test_each_object_is_translated_once(shop):
    seen: Counter[str] = Counter()

    class Counting(DagsterHevoTranslator):
        def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
            seen[props.pipeline_object.object_id] += 1
            return super().get_asset_spec(props)

    place = shop(pipelines=3, objects=2)
    specs = load_hevo_asset_specs(place.hevo, Counting())
    assert len(specs) == 6
    assert set(seen.values()) == {1}
    assert len(seen) == 6


def test_what_a_translator_raises_comes_through_and_costs_no_second_loading(shop):
    class Broken(DagsterHevoTranslator):
        def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
            raise KeyError(props.pipeline_object.object_id)

    place = shop(pipelines=3, objects=2)
    with pytest.raises(KeyError):
        load_hevo_asset_specs(place.hevo, Broken())
    sent = loading(place.sandbox)
    assert len(load_hevo_asset_specs(place.hevo)) == 6
    assert loading(place.sandbox) == sent


def test_a_run_with_a_process_a_step_loads_once_and_its_steps_lose_no_note(station):
    place = station(pipelines=3, seconds_per_object=0.3)
    assert place.run("in_steps") == 0, place.output()
    assert loading(place.shop.sandbox) == {
        "/pipelines": 1,
        # Once to load, and once before each step triggers: has an object changed since?
        **{f"/pipelines/{number}/objects": 2 for number in (101, 102, 103)},
    }
    (run,) = place.runs
    assert run.is_success
    assert len(place.materialized(run.run_id)) == 9
    entries = place.records(run.run_id)
    for pipeline_id in (101, 102, 103):
        step = f"hevo_shop_{pipeline_id - 100}_{pipeline_id}"
        kinds = [entry["kind"] for key, entry in entries if key == step]
        assert kinds == ["baseline", "answered", "claimed", "settled"]
    claimed = {entry["job"] for _, entry in entries if entry["kind"] == "claimed"}
    assert claimed == {job.job_id for job in place.shop.sandbox.jobs()}
    assert len(claimed) == 3


def test_many_threads_that_write_to_one_list_lose_nothing(station):
    """The same without the wait for processes to start: thirty entries each from six at a time."""
    place = station()
    store = InstanceStore(place.instance)

    def write(writer: int) -> None:
        for number in range(30):
            store.append("a list", [f"{writer}-{number}"])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    entries = store.read("a list")
    assert len(set(entries)) == len(entries) == 180
    for writer in range(6):
        mine = [entry for entry in entries if entry.startswith(f"{writer}-")]
        assert mine == [f"{writer}-{number}" for number in range(30)]
