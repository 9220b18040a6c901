"""Carries out what `decide.py` decides: HTTP, ledger, clock, log.

The step of a materialization, the ops and the command line all use this runner.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.models import Job
from dagster_hevo.jobs.decide import next_step
from dagster_hevo.jobs.examining import may_be_ours
from dagster_hevo.jobs.failures import taken_over_error
from dagster_hevo.jobs.finding import CERTAIN_TIMEOUTS
from dagster_hevo.jobs.hevo_api import HevoApi, meaning_of, send_trigger
from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.newness import LONGEST_DELAY, contested_jobs
from dagster_hevo.jobs.objects import ObjectIndex
from dagster_hevo.jobs.outcome import JobOutcome
from dagster_hevo.jobs.polling import begin_polling
from dagster_hevo.jobs.reading import read
from dagster_hevo.jobs.records import Answer, Settlement
from dagster_hevo.jobs.request import SyncRequest
from dagster_hevo.jobs.settings import Clock, JobSettings, SoleWatcher, SystemClock, WatcherCount
from dagster_hevo.jobs.state import Phase, State
from dagster_hevo.jobs.steps import (
    READS,
    Action,
    Began,
    CancelAnswered,
    CancelJob,
    CheckTurn,
    ClaimAnswered,
    ClaimJob,
    Effect,
    Finish,
    Interrupted,
    JobRead,
    JobsRead,
    Observation,
    Read,
    SendTrigger,
    StartOver,
    TriggerAnswered,
    TriggerWithdrawn,
    TurnAnswered,
    Wait,
    WithdrawTrigger,
    WriteBaseline,
)

# Only the run that holds the request may do these: another one may have taken it over.
NEED_HOLD = (WriteBaseline, SendTrigger, WithdrawTrigger, ClaimJob, StartOver)
CANCEL_PATIENCE = 10.0
# A trigger that is cut off may have worked, and an outcome that is not read is lost: poll_timeout
# does not shorten these.
TRIGGER_PATIENCE = 60.0
OUTCOME_READ_PATIENCE = 300.0
# A page may wait this long for the request budget: pages that were read are read again otherwise.
PATIENCE_PER_PAGE = 30.0
OBJECTS_PER_PAGE = 100


@dataclass
class JobRunner:
    """Carries out one request: gets its job, waits for its end, and tells what became of it.

    Args:
        hevo: Hevo's API.
        request: What is requested.
        ledger: Remembers the request, so that a crash repeats nothing.
        index: The pipeline's objects.
        settings: The bounds.
        log: Where each step is told.
        clock: Tells the time and waits.
        budget: Counts the jobs that are polled at once.
        records_outcome: Whether the caller records the outcome as assets; otherwise the job sensor
            does.
        on_job: Called with our job as soon as it is found, and whenever it was polled.
    """

    hevo: HevoApi
    request: SyncRequest
    ledger: Ledger
    index: ObjectIndex
    settings: JobSettings
    log: logging.Logger
    clock: Clock = field(default_factory=SystemClock)
    budget: WatcherCount = field(default_factory=SoleWatcher)
    records_outcome: bool = True
    on_job: Callable[[Job], object] = lambda _: None

    def __post_init__(self) -> None:
        self._state = State(self.request, self.settings, self.index)
        self._is_detached = False
        self._finish: Finish | None = None
        self._watched = f"{self.request.pipeline_id}/{self.request.key}"

    @property
    def state(self) -> State:
        """All that is known; the step reads whether its request was resumed."""
        return self._state

    def start(self) -> Job:
        """Get the job, and leave its end to the job sensor.

        Returns:
            The job, running or ended.

        Raises:
            HevoError: As ``run``.
        """
        self._is_detached = True
        self._carry_out()
        job = self._state.job
        assert job is not None
        return job

    def run(self) -> JobOutcome:
        """Get the job, wait for its end, and find out what became of each object.

        The caller records the outcome, then calls ``settle``.

        Returns:
            The outcome, whether good or bad.

        Raises:
            HevoPipelineBusyError: A foreign job runs, and ``if_job_running`` is FAIL.
            HevoPipelineStateError: The pipeline is in a state in which Hevo starts no job.
            HevoJobNotFoundError: No job came, none is proven ours, or ours vanished.
            HevoJobTimeoutError: ``poll_timeout`` or ``deferred_timeout`` ran out.
            HevoOutageError: Hevo's API was out for too long.
            HevoRequestTakenOverError: Another run carries the request on.
            HevoError: Whatever else Hevo refuses with.
        """
        self._carry_out()
        assert self._finish is not None
        outcome = self._finish.outcome
        assert outcome is not None
        if not self.ledger.is_held(self._state.request_id):
            raise taken_over_error(self.request)
        if not self.records_outcome:
            return outcome
        recorder = self.ledger.begin_recording(self.request, outcome.job.job_id)
        return outcome if recorder is None else replace(outcome, recorded_by=recorder)

    def settle(self, how: Settlement = Settlement.RECORDED) -> None:
        """Write down that the request has ended, so that no other attempt repeats anything.

        Args:
            how: FAILED where a retry is to start over.
        """
        self._settle(how, is_recorded=self.records_outcome)

    def _settle(self, how: Settlement, *, is_recorded: bool) -> None:
        state = self._state
        self.ledger.settle(
            state.request_id, self.request, state.job_id, how, is_recorded=is_recorded
        )

    def follow(self, job: Job, jobs: Iterable[Job] = ()) -> Job:
        """Poll a job until it ends, whoever triggered it. Nothing is triggered or cancelled.

        Args:
            job: The job.
            jobs: The pipeline's jobs, whose durations tell when to poll.

        Returns:
            The job as it ended.

        Raises:
            HevoError: As ``run``.
        """
        now, timeout = self.clock.monotonic(), self.settings.poll_timeout
        state = self._state.but(
            phase=Phase.RUNNING,
            has_answered=True,
            is_adopted=True,
            deadline=None if timeout is None else now + timeout,
        )
        self._state = begin_polling(state, job, jobs, now=now)
        try:
            self._go_on(JobRead(job), until=Phase.READING_OUTCOME)
        finally:
            self.budget.forget_watcher(self._watched)
        assert self._state.job is not None
        return self._state.job

    def _carry_out(self) -> None:
        try:
            self._go_on(self._begin(), until=Phase.RUNNING if self._is_detached else None)
        finally:
            self.budget.forget_watcher(self._watched)

    def _begin(self) -> Began:
        """Resume a request of an earlier attempt, or begin a new one."""
        earlier = self.ledger.resume(self.request)
        return Began(earlier.request_id if earlier else self.ledger.new_request_id(), earlier)

    def _go_on(self, seen: Observation, *, until: Phase | None) -> None:
        """Observe, decide and act, to the end or until this phase is reached."""
        interruption: BaseException | None = None
        observation = self._with_moment(seen)
        while True:
            try:
                self._state, action = next_step(self._state, observation)
                self._tell()
                if isinstance(action, Finish):
                    break
                starts_over = isinstance(action, StartOver)
                if until is not None and not starts_over and self._has_reached(until):
                    return
                observation = self._with_moment(self._do(action))
            except Exception:
                raise  # A defect, or what the caller's callbacks raise: no end from outside.
            except BaseException as error:
                # An end from outside: by Dagster, the keyboard or the system.
                if interruption is not None:
                    raise
                interruption = error
                observation = self._with_moment(Interrupted())
        self._end(action, interruption)

    def _has_reached(self, phase: Phase) -> bool:
        state = self._state
        if state.ending is not None or not state.owns_a_job:
            return False
        return state.phase is phase or state.phase is Phase.READING_OUTCOME

    def _end(self, finish: Finish, interruption: BaseException | None) -> None:
        self._finish = finish
        if interruption is not None:
            raise interruption
        if finish.error is not None:
            raise finish.error

    def _tell(self) -> None:
        for line in self._state.lines:
            self.log.log(line.level, line.text)
        if (job := self._state.job) is not None and self._state.owns_a_job:
            self.on_job(job)

    def _with_moment(self, seen: Observation) -> Observation:
        """The observation with when it was made, and who else polls now."""
        watchers = self._register_and_count_watchers()
        return replace(
            seen, now=self.clock.monotonic(), hevo_ms=self.hevo.hevo_now_ms(), watchers=watchers
        )

    def _register_and_count_watchers(self) -> int:
        """Count this request among those that poll, where it does; tell how many there are."""
        if self._state.phase not in {Phase.RUNNING, Phase.BLOCKED, Phase.FINDING}:
            return 1
        self.budget.register_watcher(self._watched)
        return self.budget.watchers()

    # Actions

    def _do(self, action: Action) -> Observation:
        if isinstance(action, Wait):
            self.clock.sleep(action.seconds)
            return self._do(action.then)
        assert not isinstance(action, Finish)
        if isinstance(action, READS):
            return self._read(action)
        return self._act(action)

    def _act(self, action: Effect) -> Observation:
        state = self._state
        if isinstance(action, NEED_HOLD) and not self.ledger.is_held(state.request_id):
            raise taken_over_error(self.request)
        if isinstance(action, WriteBaseline):
            return self._write_baseline(action.given_up)
        if isinstance(action, CheckTurn):
            return TurnAnswered(ahead=self._another_starting(action.given_up))
        if isinstance(action, SendTrigger):
            return self._trigger()
        if isinstance(action, WithdrawTrigger):
            self.ledger.withdraw_trigger(state.request_id, self.request)
            return TriggerWithdrawn()
        if isinstance(action, ClaimJob):
            return self._claim(action)
        if isinstance(action, StartOver):
            self._settle(Settlement.FAILED, is_recorded=False)
            return self._begin()
        assert isinstance(action, CancelJob)
        return self._cancel(action.job_id)

    def _read(self, action: Read) -> Observation:
        seen = read(self._hevo_in_time(), self.request.pipeline_id, action)
        is_finding = self._state.phase is Phase.FINDING
        return self._with_owners(seen) if is_finding and isinstance(seen, JobsRead) else seen

    def _with_owners(self, seen: JobsRead) -> JobsRead:
        """A job list, with those of the jobs that other requests own or may own."""
        state, hevo_ms = self._state, self.hevo.hevo_now_ms()
        possible = may_be_ours(state, seen.jobs, hevo_ms)
        unknown = [job.job_id for job in possible if job.job_id not in state.owned_by_others]
        owned = self.ledger.owners(state.request_id, self.request, unknown)
        rivals = self.ledger.pipeline(self.request).rivals(state.request_id)
        timeout = self.settings.job_discovery_timeout
        contested = contested_jobs(possible, rivals, timeout=timeout, now_ms=hevo_ms)
        return replace(seen, owned_by_others=frozenset(owned), contested=contested)

    def _hevo_in_time(self) -> HevoApi:
        """Hevo's API, bounded by the time that is left."""
        state = self._state
        if state.phase is Phase.READING_OUTCOME:
            pages = 1 + (0 if state.job is None else state.job.objects_total // OBJECTS_PER_PAGE)
            patience = min(max(OUTCOME_READ_PATIENCE, pages * PATIENCE_PER_PAGE), LONGEST_DELAY)
            return self.hevo.within(patience)
        until = state.deadline if state.ending is None else state.stop_by
        if until is None:
            return self.hevo
        least = TRIGGER_PATIENCE if state.phase is Phase.TRIGGERING else 1.0
        return self.hevo.within(max(until - self.clock.monotonic(), least))

    def _write_baseline(self, given_up: frozenset[str]) -> Observation:
        state = self._state
        assert state.baseline is not None
        self.ledger.announce(state.request_id, self.request)
        starting = self._another_starting(given_up)
        if starting is not None:
            self.ledger.withdraw(state.request_id, self.request)
            return TurnAnswered(ahead=starting)
        triggers = state.triggers + 1
        self.ledger.write_baseline(state.request_id, self.request, state.baseline, triggers)
        return TurnAnswered()

    def _another_starting(self, given_up: frozenset[str]) -> str | None:
        """The request of another run that is starting a job, before ours."""
        return self.ledger.another_starting(
            self._state.request_id,
            self.request,
            hevo_ms=self.hevo.hevo_now_ms(),
            may_appear_within=self._listing_time(),
            given_up=given_up,
        )

    def _listing_time(self) -> float:
        """Seconds after its trigger in which the job of a run that is gone may appear."""
        usual = CERTAIN_TIMEOUTS * self.settings.job_discovery_timeout
        restarting_at = self._state.restarting_at
        if restarting_at is None or self.clock.monotonic() - restarting_at > usual:
            return usual
        return LONGEST_DELAY

    def _may_be_anothers(self) -> bool:
        """Whether a job that is to be adopted may be the result of another run's trigger."""
        hevo_ms, ours = self.hevo.hevo_now_ms(), {self._state.request_id}
        other = self.ledger.another_starting(
            "", self.request, hevo_ms=hevo_ms, may_appear_within=LONGEST_DELAY, given_up=ours
        )
        return other is not None

    def _trigger(self) -> Observation:
        error: HevoError | None = None
        is_unknown = False
        try:
            send_trigger(self._hevo_in_time(), self.request)
        except HevoError as caught:
            error = caught
            answer, is_unknown = meaning_of(caught)
        else:
            answer = Answer.ACCEPTED
        hevo_ms = self.hevo.hevo_now_ms()
        self.ledger.write_answer(
            self._state.request_id,
            self.request,
            answer,
            hevo_ms=hevo_ms,
            may_have_started_a_job=answer.may_have_started_a_job,
        )
        return TriggerAnswered(answer, error, is_unknown)

    def _claim(self, action: ClaimJob) -> Observation:
        # A job that another run may have triggered a moment ago is not a foreign one.
        if action.is_adopted and self._may_be_anothers():
            return ClaimAnswered(action.job_id, is_owner=False)
        is_owner = self.ledger.claim(
            self._state.request_id,
            self.request,
            action.job_id,
            is_adopted=action.is_adopted,
            may_be_cancelled=action.may_be_cancelled,
            is_detached=self._is_detached,
        )
        return ClaimAnswered(action.job_id, is_owner)

    def _cancel(self, job_id: str) -> Observation:
        if not self.ledger.is_held(self._state.request_id):
            return CancelAnswered(taken_over_error(self.request))
        try:
            self.hevo.within(CANCEL_PATIENCE).cancel_job(self.request.pipeline_id, job_id)
        except HevoError as error:
            return CancelAnswered(error)
        return CancelAnswered()
