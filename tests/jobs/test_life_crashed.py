"""Death at any station, and runs at the same time: still one Hevo job for each wish."""

from __future__ import annotations

import threading

import pytest
from harness import Interrupted, Killed, Reaper

from dagster_hevo.jobs.ledger import Note, NoteKind
from dagster_hevo.jobs.plan import IfJobRunning, SyncAction
from dagster_hevo.sandbox import FaultKind

PIPELINES = 40


def die_and_retry(life, pipeline_id, fatal, *names, **settings):
    """Kill a life at its n-th station and let a retry carry out its wish; None if it was done."""
    first, second = f"{pipeline_id}-first", f"{pipeline_id}-second"
    reaper = Reaper(fatal)
    dying = life.life(
        *names,
        pipeline_id=pipeline_id,
        run=first,
        reaper=reaper,
        cancel_on_termination=False,
        **settings,
    )
    try:
        dying.carry_out()
        dying.close()
    except Killed as death:
        if str(death) == "after closed":
            return None  # the wish was carried out: another run is another wish
    else:
        return None
    retry = life.life(*names, pipeline_id=pipeline_id, run=second, retries=(first,), **settings)
    outcome = retry.carry_out()
    retry.close()
    return outcome


def one_job_at_every_death(life, *names, **settings) -> list[int]:
    """Die at every station in turn, each time in a pipeline of its own."""
    deaths = []
    for fatal in range(PIPELINES):
        pipeline_id = 101 + fatal
        outcome = die_and_retry(life, pipeline_id, fatal, *names, **settings)
        if outcome is None:
            return deaths
        deaths.append(fatal)
        jobs = [job.job_id for job in life.asked_jobs(pipeline_id)]
        assert jobs == [outcome.job.job_id], f"died at station {fatal}"
        assert outcome.completion.has_loaded
    raise AssertionError("the life has more stations than there are pipelines")


@pytest.mark.parametrize(
    ("names", "action"),
    [((), SyncAction.RESYNC), (("a", "b"), SyncAction.RESYNC), ((), SyncAction.SYNC_NOW)],
)
def test_a_death_at_any_station_and_a_retry_cause_one_job(world, names, action):
    life = world(pipelines=PIPELINES)
    assert len(one_job_at_every_death(life, *names, action=action)) > 10


def test_a_death_at_any_station_after_a_lost_answer_causes_one_job(world):
    life = world(pipelines=PIPELINES)
    life.fault_on_trigger(FaultKind.CUT_AFTER, times=None)
    assert len(one_job_at_every_death(life, "a")) > 10


@pytest.mark.parametrize("on_conflict", [500, "ignore"])
def test_a_death_at_any_station_while_somebodys_job_is_in_the_way_causes_one_job(
    world, on_conflict
):
    life = world(pipelines=PIPELINES, on_conflict=on_conflict)
    for pipeline_id in range(101, 101 + PIPELINES):
        life.sandbox.start_scheduled_job(
            pipeline_id, type="HISTORICAL", object_ids=life.sandbox.object_ids(pipeline_id, "c")
        )
    assert len(one_job_at_every_death(life, "a")) > 10


def test_a_death_at_any_station_of_the_retry_causes_one_job_too(world):
    life = world(pipelines=PIPELINES)
    for fatal in range(PIPELINES):
        pipeline_id = 101 + fatal
        runs = [f"{pipeline_id}-{number}" for number in range(3)]
        reapers = [Reaper(5), Reaper(fatal), Reaper()]
        for number, reaper in enumerate(reapers):
            attempt = life.life(
                pipeline_id=pipeline_id,
                run=runs[number],
                retries=tuple(reversed(runs[:number])),
                reaper=reaper,
                cancel_on_termination=False,
            )
            try:
                attempt.carry_out()
            except Killed:
                continue
            break
        assert len(life.asked_jobs(pipeline_id)) == 1
        if number == 1:
            return
    raise AssertionError("the retry never lived")


def test_a_wish_that_was_closed_triggers_anew(world):
    life = world()
    first = life.life()
    first.carry_out()
    first.close()
    life.life(run="second", retries=("run",)).carry_out()
    assert life.triggers() == ["accepted", "accepted"]


def test_a_death_before_the_wish_was_closed_does_not_load_again(world):
    life = world()
    done = life.life().carry_out()
    again = life.life(run="second", retries=("run",)).carry_out()
    assert again.job.job_id == done.job.job_id
    assert life.triggers() == ["accepted"]


def test_another_wish_of_the_same_run_is_not_taken_up(world):
    life = world()
    life.life("a").carry_out()
    life.life("b", run="second", retries=("run",)).carry_out()
    assert len(life.asked_jobs()) == 2


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "SKIPPED", "DEFERRED_WITH_FAILURES"])
@pytest.mark.parametrize("was_claimed", [True, False])
def test_a_job_of_an_earlier_attempt_that_ended_badly_is_not_taken_up(world, status, was_claimed):
    life = world(seconds=100)
    life.time.at(
        30 if was_claimed else 1, lambda: life.sandbox.end_job(life.jobs()[0].job_id, status)
    )
    life.time.interrupt_at(30 if was_claimed else 1)
    with pytest.raises(Interrupted):
        life.life(cancel_on_termination=False).carry_out()
    outcome = life.life(run="second", retries=("run",)).carry_out()
    assert outcome.completion.has_loaded
    assert life.triggers() == ["accepted", "accepted"]


def test_a_vanished_job_of_an_earlier_attempt_is_replaced(world):
    life = world()
    first = life.life().carry_out().job.job_id
    life.fault(FaultKind.STATUS_BEFORE, f"*/jobs/{first}", status=404, times=None)
    outcome = life.life(run="second", retries=("run",)).carry_out()
    assert outcome.job.job_id != first
    assert len(life.asked_jobs()) == 2


def test_a_job_of_an_earlier_attempt_hidden_for_two_looks_is_not_replaced(world):
    life = world()
    first = life.life().carry_out().job.job_id
    life.fault(FaultKind.STATUS_BEFORE, f"*/jobs/{first}", status=404, times=2)
    outcome = life.life(run="second", retries=("run",)).carry_out()
    assert outcome.job.job_id == first


def test_an_asking_that_was_refused_is_not_looked_for(world):
    life = world(seconds=600)
    life.when_marked(lambda: life.sandbox.start_scheduled_job(101))
    life.time.interrupt_at(100)
    with pytest.raises(Interrupted):
        life.life().carry_out()
    assert life.book.kinds() == ["marked", "refused"]
    life.sandbox.finish_jobs(101)
    before = life.time.monotonic()
    life.life(run="second", retries=("run",)).start()
    assert life.time.monotonic() - before < 15


def test_a_scheduled_job_since_a_death_before_the_asking_does_not_fail_the_retry(world):
    life = world()
    with pytest.raises(Killed):
        life.life(reaper=Reaper(4)).carry_out()
    assert life.book.kinds() == ["marked"]
    assert life.triggers() == []
    life.sandbox.start_scheduled_job(101)
    life.sandbox.finish_jobs(101)
    outcome = life.life(
        run="second", retries=("run",), if_job_running=IfJobRunning.FAIL
    ).carry_out()
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_a_scheduled_job_since_a_death_before_the_asking_is_not_adopted_when_over(world):
    life = world()
    with pytest.raises(Killed):
        life.life(reaper=Reaper(4)).carry_out()
    life.sandbox.start_scheduled_job(101)
    life.sandbox.finish_jobs(101)
    outcome = life.life(
        run="second", retries=("run",), if_job_running=IfJobRunning.ADOPT
    ).carry_out()
    assert not outcome.is_adopted
    assert [job.job_id for job in life.asked_jobs()] == [outcome.job.job_id]


def test_the_job_of_another_run_is_not_taken_up_once_that_run_is_over(world):
    life = world(on_conflict="ignore", seconds=200)
    other = life.life(run="other")
    life.when_marked(other.start)
    life.time.interrupt_at(150)
    with pytest.raises(Interrupted):
        life.life(cancel_on_termination=False).carry_out()
    life.sandbox.finish_jobs(101)
    life.book.in_progress.discard("other")
    outcome = life.life(run="second", retries=("run",)).carry_out()
    jobs = [job.job_id for job in life.asked_jobs()]
    assert len(jobs) == 2
    assert outcome.job.job_id == jobs[1]


# Two runs at the same time


def at_the_same_time(life, *lives):
    """Carry out lives in threads of their own, in one common time; returns their outcomes."""
    outcomes = [None] * len(lives)
    turn = threading.Lock()

    class CommonTime:
        """Every sleep lets the others do what they do meanwhile."""

        def monotonic(self):
            return life.time.monotonic()

        def sleep(self, seconds):
            wake = self.monotonic() + seconds
            while self.monotonic() < wake:
                with turn:
                    life.time.sleep(min(2.5, max(wake - self.monotonic(), 0.0)))

    def carry_out(place, one):
        outcomes[place] = one.carry_out()
        one.close()

    clock = CommonTime()
    threads = [
        threading.Thread(target=carry_out, args=(place, make(clock)))
        for place, make in enumerate(lives)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return outcomes


APART, WITHIN, SAME = (("a",), ("b", "c")), (("a", "b"), ("b",)), (("a",), ("a",))
ALL_AND_ONE, ALL_TWICE = ((), ("a",)), ((), ())


@pytest.mark.parametrize(
    ("on_conflict", "subsets"),
    [
        (500, APART),
        (409, APART),
        ("ignore", APART),
        (500, WITHIN),
        ("ignore", WITHIN),
        (500, SAME),
        ("ignore", SAME),
        ("ignore", ALL_AND_ONE),
        ("ignore", ALL_TWICE),
    ],
)
def test_two_runs_at_the_same_time_get_a_job_each(world, on_conflict, subsets):
    life = world(on_conflict=on_conflict)
    outcomes = at_the_same_time(
        life,
        *(
            lambda clock, run=run, names=names: life.life(*names, run=run, clock=clock)
            for run, names in zip(("one", "two"), subsets, strict=True)
        ),
    )
    assert None not in outcomes
    jobs = {job.job_id: set(job.object_ids) for job in life.asked_jobs()}
    assert {outcome.job.job_id for outcome in outcomes} == set(jobs)
    assert len(jobs) == 2
    for outcome, names in zip(outcomes, subsets, strict=True):
        assert jobs[outcome.job.job_id] >= set(life.sandbox.object_ids(101, *names))
        assert set(outcome.objects) == set(life.sandbox.object_ids(101, *names))
        assert outcome.completion.has_loaded


def test_a_run_whose_asking_was_lost_does_not_take_the_job_of_another(world):
    life = world(seconds=100)
    life.fault_on_trigger(FaultKind.CUT_BEFORE)
    other = life.life(run="other")
    life.when_marked(lambda: life.time.at(1, other.start))
    outcome = life.life().carry_out()
    jobs = [job.job_id for job in life.asked_jobs()]
    claimed = {note.job_id for note in life.book.of_run("other") if note.kind.value == "claimed"}
    assert len(jobs) == 2
    assert claimed == {jobs[0]}
    assert life.book.kinds().count("claimed") == 1
    assert outcome.job.job_id == jobs[1]


@pytest.mark.parametrize(("earlier", "keeps_it"), [(-1.0, False), (1.0, True)])
def test_of_two_runs_that_claim_one_job_at_once_the_first_keeps_it(world, earlier, keeps_it):
    life = world(seconds=100)

    class ClaimsAtOnce(Reaper):
        """Lets another run claim the same job after our look at the claims, before ours."""

        def pass_by(self, station):
            super().pass_by(station)
            if station == "before claimed" and not life.book.of_run("other"):
                life.book.in_progress.add("other")
                life.book.notes.append(
                    Note(
                        NoteKind.CLAIMED,
                        "another wish",
                        101,
                        job_id=life.jobs()[0].job_id,
                        written_at=life.time.monotonic() + earlier,
                        run_id="other",
                    )
                )

    outcome = life.life(reaper=ClaimsAtOnce()).carry_out()
    jobs = [job.job_id for job in life.asked_jobs()]
    assert (outcome.job.job_id == jobs[0]) is keeps_it
    assert len(jobs) == (1 if keeps_it else 2)
