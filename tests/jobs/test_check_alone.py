"""A check that is run without its asset: over real HTTP, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from dagster_hevo.api import ResyncMode
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.definitions.checks import CHECK_NAME, LATENCY_CHECK_NAME, latency_check_spec
from dagster_hevo.execution.check_alone import answer_checks
from dagster_hevo.execution.events import ObjectAsset
from dagster_hevo.jobs.settings import JobSettings

SETTINGS = replace(JobSettings(), poll_interval=5.0, job_objects_timeout=60.0)


def load(world, *names):
    """Load some objects, or the whole pipeline, and wait until the job has ended."""
    if names:
        world.client().resync_objects(101, sorted(world.ids(*names)), False)
    else:
        world.client().resync_pipeline(101, ResyncMode.EVOLVE_AND_MERGE)
    count = len(world.triggered_jobs())
    ended: list[str] = []
    while len(ended) < count:
        world.time.sleep(1)
        ended = [job.job_id for job in world.client().list_jobs(101) if job.is_terminal]


def answers(world, *names, specs=()):
    """The checks of some objects by name, and whether they pass."""
    index = world.runner().index
    assets = [ObjectAsset(dg.AssetKey(k.name), 101, "Shop", k) for k in index.objects.values()]
    checked = frozenset(
        [spec.key for spec in specs]
        or [dg.AssetCheckKey(dg.AssetKey(name), CHECK_NAME) for name in names]
    )
    found = answer_checks(
        world.client(),
        assets,
        checked,
        specs,
        settings=SETTINGS,
        log=world.log,
        clock=world.time,
    )
    return {
        result.asset_key.to_user_string()
        + ("" if result.check_name == CHECK_NAME else f" {result.check_name}"): result.passed
        for result in found
    }


def test_the_list_of_a_job_that_has_just_ended_is_waited_for(make_world):
    objects = ["a", {"name": "b", "outcome": "failed"}]
    world = make_world(objects=objects, job_objects="late", job_objects_late_seconds=40)
    load(world)
    assert answers(world, "a", "b") == {"a": True, "b": False}
    assert world.triggers() == ["accepted"]


def test_a_job_whose_list_stays_incomplete_is_told_and_passed_over(make_world):
    world = make_world(job_objects_leave_out=1)
    load(world)
    assert answers(world, "a") == {"a": True}
    assert world.told.warnings("does not agree with its counts")
    with pytest.raises(HevoConfigurationError, match="materialize the assets first"):
        answers(world, "c")


def test_a_job_of_whose_objects_hevo_knows_nothing_is_passed_over(make_world):
    world = make_world(job_objects="never")
    load(world)
    with pytest.raises(HevoConfigurationError, match="None of the last"):
        answers(world, "a")


def test_the_newest_job_that_lists_an_object_answers_for_it(make_world):
    world = make_world(objects=["a", {"name": "b", "outcome": "failed"}])
    load(world)
    world.sandbox.set_object(101, "b", outcome="completed")
    load(world, "b")
    assert answers(world, "a", "b") == {"a": True, "b": True}


@pytest.mark.parametrize(("minutes", "passed"), [(1, False), (60, True)])
def test_the_latency_check_alone_is_answered_alone(make_world, minutes, passed):
    world = make_world(seconds=100)
    load(world)
    spec = latency_check_spec(dg.AssetKey("a"), minutes)
    assert answers(world, "a", specs=[spec]) == {f"a {LATENCY_CHECK_NAME}": passed}
