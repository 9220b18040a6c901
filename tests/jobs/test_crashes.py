"""A run that dies at any of its stations, and is retried: still one Hevo job for each request."""

from __future__ import annotations

import pytest
from ended_runs import REEXECUTION, die_before_the_trigger, terminate_run
from harness import Killed, Reaper

from dagster_hevo.api.errors import HevoJobNotFoundError
from dagster_hevo.jobs.records import Settlement
from dagster_hevo.jobs.request import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind

PIPELINES = 90


def die_and_retry(world, pipeline_id, fatal, *names, **settings):
    """Kill a run at its n-th station and let a re-execution go on; None if it did not die."""
    first, second = f"{pipeline_id}-first", f"{pipeline_id}-second"
    given = {"pipeline_id": pipeline_id, "cancel_on_termination": False, **settings}
    try:
        world.materialize(*names, run=first, reaper=Reaper(fatal), **given)
    except Killed:
        return world.materialize(*names, run=second, reexecutes=first, **given)
    return None


def one_job_at_every_death(world, *names, **settings) -> int:
    """Die at every station in turn, each time in a pipeline of its own; returns how many."""
    for fatal in range(PIPELINES):
        pipeline_id = 101 + fatal
        outcome = die_and_retry(world, pipeline_id, fatal, *names, **settings)
        if outcome is None:
            return fatal
        died = f"died at station {fatal}"
        assert world.triggered_jobs(pipeline_id) == [outcome.job.job_id], died
        assert outcome.completion.has_loaded, died
    raise AssertionError("the run has more stations than there are pipelines")


@pytest.mark.parametrize(
    ("names", "action"),
    [((), SyncAction.RESYNC), (("a", "b"), SyncAction.RESYNC), ((), SyncAction.SYNC_NOW)],
)
def test_a_death_at_any_station_and_a_retry_cause_one_job(make_world, names, action):
    world = make_world(pipelines=PIPELINES)
    assert one_job_at_every_death(world, *names, action=action) > 15


def test_a_death_at_any_station_after_a_lost_answer_causes_one_job(make_world):
    world = make_world(pipelines=PIPELINES)
    world.fault_on_trigger(FaultKind.CUT_AFTER, times=None)
    assert one_job_at_every_death(world, "a") > 15


@pytest.mark.parametrize("on_conflict", [500, "ignore", "accept"])
def test_a_death_at_any_station_while_a_foreign_job_runs_causes_one_job(make_world, on_conflict):
    world = make_world(pipelines=PIPELINES, on_conflict=on_conflict)
    for pipeline_id in range(101, 101 + PIPELINES):
        world.sandbox.start_scheduled_job(
            pipeline_id, type="HISTORICAL", object_ids=world.ids("c", pipeline_id=pipeline_id)
        )
    assert one_job_at_every_death(world, "a") > 15


@pytest.mark.parametrize("first_death", [5, 8, 18])
def test_a_death_at_any_station_of_the_retry_causes_one_job_too(make_world, first_death):
    world = make_world(pipelines=PIPELINES)
    for fatal in range(PIPELINES):
        pipeline_id = 101 + fatal
        runs = [f"{pipeline_id}-{number}" for number in range(3)]
        parent = None
        for run, reaper in zip(runs, [Reaper(first_death), Reaper(fatal), Reaper()], strict=True):
            try:
                world.materialize(
                    run=run,
                    reexecutes=parent,
                    reaper=reaper,
                    pipeline_id=pipeline_id,
                    cancel_on_termination=False,
                )
            except Killed:
                parent = run
                continue
            break
        assert len(world.triggered_jobs(pipeline_id)) == 1, f"died at station {fatal}"
        if parent == runs[0]:
            return
    raise AssertionError("the retry has more stations than there are pipelines")


# Which requests are resumed


def test_a_settled_request_is_not_resumed_by_a_re_execution(make_world):
    world = make_world()
    first = world.materialize()
    again = world.materialize(**REEXECUTION)
    assert first.job.job_id != again.job.job_id
    assert world.triggers() == ["accepted", "accepted"]


@pytest.mark.parametrize("how", list(Settlement))
def test_a_settled_request_is_not_resumed_by_a_sibling_re_execution(make_world, how):
    world = make_world()
    world.runner().run()
    world.book.end("run", has_succeeded=False)
    second = world.runner(**REEXECUTION)
    second.run()
    second.settle(how)
    world.book.end("second")
    third = world.materialize(run="third", reexecutes="run")
    assert len(world.triggered_jobs()) == 2
    assert third.job.job_id == world.triggered_jobs()[1]


def test_a_settled_request_is_resumed_where_its_step_failed_afterwards(make_world):
    world = make_world()
    runner = world.runner()
    first = runner.run()
    runner.settle()
    world.book.end("run", has_succeeded=False)
    again = world.materialize(**REEXECUTION)
    assert again.job.job_id == first.job.job_id
    assert again.recorded_by == "run"
    assert world.triggers() == ["accepted"]


def test_a_settled_request_is_resumed_by_the_next_attempt_of_its_step(make_world):
    world = make_world()
    runner = world.runner()
    first = runner.run()
    runner.settle()
    again = world.materialize(attempt=1)
    assert again.job.job_id == first.job.job_id
    assert world.triggers() == ["accepted"]


def test_the_same_attempt_that_requests_twice_gets_two_jobs(make_world):
    world = make_world()
    for _ in range(2):
        runner = world.runner()
        runner.run()
        runner.settle()
    assert len(world.triggered_jobs()) == 2


def test_a_death_before_the_request_was_settled_does_not_load_again(make_world):
    world = make_world()
    done = world.runner().run()
    again = world.runner(**REEXECUTION).run()
    assert again.job.job_id == done.job.job_id
    assert again.recorded_by is None
    assert world.triggers() == ["accepted"]


@pytest.mark.parametrize(
    ("first", "then"), [(("a", "b"), ("a",)), ((), ("b",)), (("a", "b"), ("b", "a")), ((), ())]
)
@pytest.mark.parametrize("moment", [1, 30])
def test_a_re_execution_of_a_subset_resumes_the_open_request(make_world, moment, first, then):
    world = make_world(seconds=60)
    terminate_run(world, moment, *first, cancel_on_termination=False)
    outcome = world.materialize(*then, **REEXECUTION)
    assert world.triggered_jobs() == [outcome.job.job_id]
    assert outcome.objects.keys() >= world.ids(*then)
    assert all(outcome.objects[item].result.is_fresh for item in world.ids(*then))


@pytest.mark.parametrize(
    ("first", "then"), [(("a",), ("b",)), (("a",), ("a", "b")), (("a", "b"), ())]
)
def test_a_re_execution_that_wants_more_or_other_objects_is_a_new_request(make_world, first, then):
    world = make_world()
    world.runner(*first).run()
    world.runner(*then, **REEXECUTION).run()
    assert len(world.triggered_jobs()) == 2


@pytest.mark.parametrize("moment", [1, 30])
def test_a_request_of_a_run_that_is_still_in_progress_is_left_to_it(make_world, moment):
    world = make_world(seconds=60)
    terminate_run(world, moment, cancel_on_termination=False)
    second = world.runner(**REEXECUTION)
    world.book.in_progress.add("run")
    world.time.sleep(300)
    world.book.lists.lists.pop(f"starting/{world.sandbox.url}/101", None)
    outcome = second.run()
    assert outcome.job.job_id == world.triggered_jobs()[1]


def test_of_two_re_executions_at_once_one_resumes_the_request(make_world):
    world = make_world(seconds=60)
    terminate_run(world, 30, cancel_on_termination=False)
    second = world.runner(**REEXECUTION).start()
    third = world.runner(run="third", reexecutes="run").run()
    assert world.triggered_jobs() == [second.job_id, third.job.job_id]


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "SKIPPED", "DEFERRED_WITH_FAILURES"])
@pytest.mark.parametrize("was_claimed", [True, False])
def test_a_job_of_an_earlier_attempt_that_ended_badly_lets_the_retry_start_over(
    make_world, status, was_claimed
):
    world = make_world(seconds=100)
    moment = 30 if was_claimed else 1
    world.time.at(moment, lambda: world.sandbox.end_job(world.jobs()[0].job_id, status))
    terminate_run(world, moment, cancel_on_termination=False)
    outcome = world.runner(**REEXECUTION).run()
    assert outcome.completion.has_loaded
    assert world.triggers() == ["accepted", "accepted"]


@pytest.mark.parametrize("moment", [1, 30])
def test_a_started_job_is_resumed_by_the_retry(make_world, moment):
    world = make_world(seconds=100)
    terminate_run(world, moment, cancel_on_termination=False)
    job = world.runner(**REEXECUTION).start()
    assert world.triggered_jobs() == [job.job_id]


@pytest.mark.parametrize("moment", [1, 30])
def test_a_started_job_that_ended_badly_lets_the_retry_start_another(make_world, moment):
    world = make_world(seconds=100)
    world.time.at(moment, lambda: world.sandbox.end_job(world.jobs()[0].job_id, "FAILED"))
    terminate_run(world, moment, cancel_on_termination=False)
    job = world.runner(**REEXECUTION).start()
    assert world.triggered_jobs()[1:] == [job.job_id]


def test_a_job_of_an_earlier_attempt_that_vanished_is_an_error(make_world):
    world = make_world()
    first = world.runner().run().job.job_id
    world.fault(FaultKind.STATUS_BEFORE, f"*/jobs/{first}", status=404, times=None)
    with pytest.raises(HevoJobNotFoundError, match="vanished"):
        world.runner(**REEXECUTION).run()
    assert world.triggers() == ["accepted"]


def test_a_job_of_an_earlier_attempt_that_is_missing_from_two_polls_is_resumed(make_world):
    world = make_world()
    first = world.runner().run().job.job_id
    world.fault(FaultKind.STATUS_BEFORE, f"*/jobs/{first}", status=404, times=2)
    outcome = world.runner(**REEXECUTION).run()
    assert outcome.job.job_id == first


def test_a_trigger_that_was_refused_is_not_looked_for(make_world):
    world = make_world(seconds=600)
    world.job_between()
    terminate_run(world, 100)
    assert world.book.kinds() == ["baseline", "answered"]
    world.sandbox.finish_jobs(101)
    before = world.time.monotonic()
    world.runner(**REEXECUTION).start()
    assert world.time.monotonic() - before < 15


# A death between baseline and trigger


@pytest.mark.parametrize("pause", [0, 30, 600, 26 * 3600])
@pytest.mark.parametrize("names", [(), ("a",)])
def test_a_death_before_the_trigger_is_triggered_by_the_retry(make_world, names, pause):
    world = make_world()
    die_before_the_trigger(world, *names)
    world.time.sleep(pause)
    outcome = world.runner(*names, **REEXECUTION).run()
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("setting", [IfJobRunning.FAIL, IfJobRunning.ADOPT])
def test_a_foreign_job_since_a_death_before_the_trigger_is_not_taken(make_world, setting):
    world = make_world()
    die_before_the_trigger(world)
    world.sandbox.start_scheduled_job(101)
    world.sandbox.finish_jobs(101)
    outcome = world.runner(**REEXECUTION, if_job_running=setting).run()
    assert not outcome.is_adopted
    assert world.triggered_jobs() == [outcome.job.job_id]


@pytest.mark.parametrize("hours", [2, 26])
def test_a_job_made_long_after_an_open_baseline_is_not_adopted(make_world, hours):
    world = make_world()
    die_before_the_trigger(world)
    world.time.sleep(hours * 3600)
    world.sandbox.start_scheduled_job(101, type="RESYNC", requested_by="user")
    world.sandbox.finish_jobs(101)
    outcome = world.runner(**REEXECUTION).run()
    assert world.triggered_jobs() == [outcome.job.job_id]


# Claims of other runs


@pytest.mark.parametrize("names", [(), ("a",)])
@pytest.mark.parametrize("is_over", [True, False])
def test_the_claim_of_another_run_counts_finished_or_not(make_world, is_over, names):
    world = make_world(seconds=30)
    die_before_the_trigger(world, *names)
    if is_over:
        other = world.materialize(*names, run="other").job
    else:
        other = world.runner(*names, run="other").start()
    outcome = world.materialize(*names, **REEXECUTION)
    jobs = world.triggered_jobs()
    assert jobs == [other.job_id, outcome.job.job_id]
    assert len(set(jobs)) == 2


def test_a_request_whose_trigger_was_lost_does_not_take_the_job_of_another(make_world):
    world = make_world(seconds=100)
    world.fault_on_trigger(FaultKind.CUT_BEFORE)
    terminate_run(world, 1, cancel_on_termination=False)
    world.book.end("run", has_succeeded=False)
    other = world.runner(run="other").start()
    outcome = world.runner(**REEXECUTION).run()
    assert world.book.claimed("other") == [other.job_id]
    assert world.triggered_jobs() == [other.job_id, outcome.job.job_id]


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_requests_that_claim_one_job_at_once_the_first_keeps_it(make_world, is_first):
    world = make_world(seconds=100)

    class ClaimsAtOnce(Reaper):
        """Lets another request claim the same job once, just before or just after ours.

        The later one gives way when it has read the list.
        """

        name = ""

        def pass_by(self, station):
            super().pass_by(station)
            when, _, name = station.partition(" ")
            is_moment = when == ("after" if is_first else "before")
            if name.startswith("job/") and is_moment and not self.name:
                self.name = name
                world.book.lists.append(name, ["another-request"])
            elif station == "pause" and is_first:
                world.book.lists.remove(self.name, "another-request")

    outcome = world.runner(reaper=ClaimsAtOnce()).run()
    jobs = world.triggered_jobs()
    assert len(jobs) == (1 if is_first else 2)
    assert world.book.claimed() == [outcome.job.job_id] == jobs[-1:]
