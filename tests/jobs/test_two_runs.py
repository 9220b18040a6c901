"""Two runs that trigger one pipeline at the same time get one job each."""

from __future__ import annotations

import threading

import pytest
from harness import Killed

from dagster_hevo.api.errors import HevoRequestTakenOverError
from dagster_hevo.jobs.request import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind


class CommonTime:
    """A time that several threads share: it moves on when all of them sleep."""

    def __init__(self, world, threads):
        self._world = world
        self._awake = threads
        self._wakes = []
        self._changed = threading.Condition()

    def monotonic(self):
        return self._world.time.monotonic()

    def sleep(self, seconds):
        with self._changed:
            wake = self.monotonic() + seconds
            self._wakes.append(wake)
            self._awake -= 1
            self._changed.notify_all()
            while self.monotonic() < wake:
                if self._awake == 0 and wake == min(self._wakes):
                    self._world.time.sleep(max(wake - self.monotonic(), 1e-6))
                    self._changed.notify_all()
                else:
                    self._changed.wait()
            self._wakes.remove(wake)
            self._awake += 1

    def leave(self):
        """A thread has ended."""
        with self._changed:
            self._awake -= 1
            self._changed.notify_all()


def at_the_same_time(world, *requests, **settings):
    """Materialize in one thread per request, in one common time; returns the outcomes by run."""
    clock = CommonTime(world, len(requests))
    outcomes = {}
    failures = []

    def materialize(run, names):
        try:
            outcomes[run] = world.materialize(*names, run=run, clock=clock, **settings)
        except Exception as error:  # noqa: BLE001 - shown by the test's own thread
            failures.append(error)
        finally:
            clock.leave()

    runs = [f"run-{number}" for number in range(len(requests))]
    threads = [
        threading.Thread(target=materialize, args=given, daemon=True)
        for given in zip(runs, requests, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert outcomes.keys() == set(runs)
    return [outcomes[run] for run in runs]


def each_has_its_own_job(world, outcomes, requests):
    jobs = {job.job_id: set(job.object_ids) for job in world.jobs("api")}
    assert {outcome.job.job_id for outcome in outcomes} == set(jobs)
    assert len(jobs) == len(requests)
    for outcome, names in zip(outcomes, requests, strict=True):
        assert jobs[outcome.job.job_id] >= world.ids(*names)
        assert outcome.objects.keys() == world.ids(*names)
        assert all(item.result.is_fresh for item in outcome.objects.values())


APART, WITHIN, SAME = (("a",), ("b", "c")), (("a", "b"), ("b",)), (("a",), ("a",))
ALL_AND_ONE, ALL_TWICE, THREE = ((), ("a",)), ((), ()), (("a",), ("b",), ("a", "b"))


@pytest.mark.parametrize("requests", [APART, WITHIN, SAME, ALL_AND_ONE, ALL_TWICE, THREE])
@pytest.mark.parametrize("on_conflict", [500, 409, "ignore", "accept"])
def test_runs_at_the_same_time_get_a_job_each(make_world, on_conflict, requests):
    world = make_world(on_conflict=on_conflict)
    outcomes = at_the_same_time(world, *requests)
    each_has_its_own_job(world, outcomes, requests)


@pytest.mark.parametrize("on_conflict", [500, "ignore", "accept"])
def test_syncs_at_the_same_time_get_a_job_each(make_world, on_conflict):
    world = make_world(on_conflict=on_conflict)
    outcomes = at_the_same_time(world, (), (), action=SyncAction.SYNC_NOW)
    each_has_its_own_job(world, outcomes, ((), ()))


@pytest.mark.parametrize("fault", [FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER])
@pytest.mark.parametrize("on_conflict", [500, "accept"])
def test_runs_at_the_same_time_get_a_job_each_where_an_answer_is_lost(
    make_world, on_conflict, fault
):
    world = make_world(on_conflict=on_conflict)
    world.fault_on_trigger(fault)
    outcomes = at_the_same_time(world, *ALL_TWICE)
    each_has_its_own_job(world, outcomes, ALL_TWICE)


def test_runs_at_the_same_time_do_not_adopt_each_others_jobs(make_world):
    world = make_world(seconds=60)
    outcomes = at_the_same_time(world, *SAME, if_job_running=IfJobRunning.ADOPT)
    each_has_its_own_job(world, outcomes, SAME)
    assert not any(outcome.is_adopted for outcome in outcomes)


def dies_before_its_trigger(world, run):
    """Kill a run between its baseline and its trigger."""

    def die():
        raise Killed

    world.before_trigger(die)
    with pytest.raises(Killed):
        world.runner(run=run).run()


def test_a_run_that_died_before_its_trigger_does_not_stop_the_others(make_world):
    world = make_world()
    dies_before_its_trigger(world, "dead")
    world.book.end("dead", has_succeeded=False)
    outcome = world.materialize()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.time.monotonic() < 600


def test_a_run_that_hangs_before_its_trigger_does_not_stop_the_others_for_ever(make_world):
    world = make_world()
    dies_before_its_trigger(world, "hanging")
    assert "hanging" in world.book.in_progress
    outcome = world.materialize()
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert world.time.monotonic() < 1800


def test_a_run_that_dagster_took_for_gone_triggers_nothing_any_more(make_world):
    world = make_world(seconds=100)
    world.sandbox.start_scheduled_job(101)
    world.time.at(20, lambda: world.book.end("run", has_succeeded=False))
    with pytest.raises(HevoRequestTakenOverError, match="nothing"):
        world.runner().run()
    assert world.triggers() == []
