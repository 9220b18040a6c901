"""What must hold at the end of a history, by the model's truth.

How requests are counted: a materialization is one run and all that re-executes it, until a step of
them has succeeded, the job sensor has recorded its job, or its job has ended without loading. What
follows then is a new materialization. So is a run that re-executes another one whose request a
third run is still busy with.

Named cases (`twins.py`) are counted, and nothing else is forgiven.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from dagster_hevo.jobs.ledger_store import MemoryStore, read_records, records_list, resuming_list
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger
from dagster_hevo.jobs.records import RecordedRequest, requests_in
from simulation.dagster_world import Run
from simulation.model import ModelJob, Trigger
from simulation.runs import BASE_URL, STEP, Attempt
from simulation.server import PIPELINE
from simulation.twins import Twins, job_text, trigger_text

if TYPE_CHECKING:
    from simulation.play import Game

SHOWN_SOON = 30.0
MISLEADING_LISTS = (
    "objects: leaves one out of one read",
    "objects: statuses without meaning",
    "objects: equal names in two schemas",
    "objects: words that nobody knows",
)


@dataclass
class Verdict:
    """What the check found.

    Attributes:
        violations: What must not happen.
        cases: How often each named case occurred.
    """

    violations: list[str] = field(default_factory=list[str])
    cases: Counter[str] = field(default_factory=Counter[str])


def check(game: Game) -> Verdict:
    """Hold a history against all invariants."""
    checker = _Checker(game)
    checker.nothing_broke()
    checker.claims_are_right()
    checker.one_job_per_request()
    checker.one_load_per_materialization()
    checker.fresh_means_loaded()
    checker.shown_means_recorded()
    checker.recorded_once()
    checker.only_own_jobs_are_cancelled()
    checker.everything_ended()
    return checker.verdict


class _Checker:
    def __init__(self, game: Game) -> None:
        self.verdict = Verdict()
        self._game = game
        self._instance = game.instance
        self._server = game.server
        self._jobs = {job.job_id: job for job in game.server.jobs}
        self._job_of = {
            job.trigger.number: job for job in game.server.jobs if job.trigger is not None
        }
        self._store = _Reader(game.instance.lists)
        self._ledger = PipelineLedger(self._store, BASE_URL, PIPELINE)
        self._holders: dict[str, set[str]] = {}
        self._requests = self._read_requests()
        self._twins = Twins(game)

    def _violated(self, text: str) -> None:
        self.verdict.violations.append(text)

    def _read_requests(self) -> dict[str, RecordedRequest]:
        found: dict[str, RecordedRequest] = {}
        for root in {run.root for run in self._instance.runs.values()}:
            records = read_records(self._store, records_list(root, STEP))
            for record in records:
                self._holders.setdefault(record.request_id, set()).add(record.run_id)
            for request in requests_in(records):
                found[request.request_id] = request
                resuming = self._store.read(resuming_list(root, STEP, request.request_id))
                self._holders[request.request_id].update(resuming)
        return found

    # Invariants

    def nothing_broke(self) -> None:
        """Nothing but HevoError leaves the runner, and every process ends."""
        for error in self._game.world.errors:
            self._violated(f"broke: {type(error).__name__}: {error}")

    def one_job_per_request(self) -> None:
        """No request starts a second job, unless the first did not load."""
        first: dict[str, ModelJob] = {}
        for trigger in self._server.triggers:
            job = self._job_of.get(trigger.number)
            if job is None:
                continue
            earlier = first.get(trigger.request_id)
            if earlier is not None and earlier.has_loaded and not self._is_named(trigger, earlier):
                self._violated(
                    f"request {trigger.request_id} started {earlier.job_id} and {job.job_id}"
                )
            first[trigger.request_id] = job

    def one_load_per_materialization(self) -> None:
        """A materialization loads once, over all its attempts."""
        sent = [item for item in self._server.triggers if item.number in self._job_of]
        for n, later in enumerate(sent):
            for earlier in sent[:n]:
                if earlier.root != later.root or earlier.request_id == later.request_id:
                    continue
                if not self._covers(earlier, later):
                    continue
                job = self._job_of[earlier.number]
                if not job.has_loaded or self._is_closed(earlier, later, job):
                    continue
                if not self._is_named(earlier, job):
                    self._violated(
                        f"materialization {later.root} loaded by {job.job_id} "
                        f"({earlier.request_id}) and again triggered "
                        f"{self._job_of[later.number].job_id} ({later.request_id})"
                    )

    def _is_named(self, trigger: Trigger, job: ModelJob) -> bool:
        """Whether a second load is a named case; count it."""
        if job.vanishes_at < inf:
            self.verdict.cases["case: loaded twice, the first job vanished"] += 1
            return True
        if trigger.request_id in self._twins.misled or job.job_id in self._twins.taken:
            self.verdict.cases["case: loaded twice, after a twin"] += 1
            return True
        return False

    def _covers(self, earlier: Trigger, later: Trigger) -> bool:
        if (earlier.kind == "sync") != (later.kind == "sync"):
            return False
        if earlier.object_ids is None or later.object_ids is None:
            return earlier.object_ids is None
        return earlier.object_ids >= later.object_ids

    def _is_closed(self, earlier: Trigger, later: Trigger, job: ModelJob) -> bool:
        """Whether the later trigger may load again what the earlier one has loaded."""
        # A request may be begun by one run, and carried on by a later one.
        beginner, decided_at = self._instance.begun[later.request_id]
        decisions = ((beginner, decided_at), (later.run_id, later.sent_at))
        for run_id in self._holders.get(earlier.request_id, set()):
            run = self._instance.runs[run_id]
            if run.succeeded_at is not None and run.succeeded_at <= later.sent_at:
                return True
            if any(self._is_beside(run, *decision) for decision in decisions):
                return True
        recorded = self._instance.fully_recorded.get(job.job_id, [])
        return any(who == "sensor" and moment <= later.sent_at for who, moment in recorded)

    def _is_beside(self, holder: Run, beginner: str, decided_at: float) -> bool:
        """Whether a run held a request when another one decided whether to resume it."""
        if holder.run_id == beginner:
            return False
        ended = inf if holder.ended_at is None else holder.ended_at
        began = (
            item.began
            for item in self._game.attempts
            if item.run_id == beginner and item.began <= decided_at
        )
        return self._first_attempt(holder.run_id) <= decided_at and ended > max(began)

    def _first_attempt(self, run_id: str) -> float:
        began = (item.began for item in self._game.attempts if item.run_id == run_id)
        return min(began, default=inf)

    def fresh_means_loaded(self) -> None:
        """What is recorded as materialized was loaded, by that very job."""
        for load in self._instance.loads:
            if not self._jobs[load.job_id].loaded(load.object_id):
                self._violated(
                    f"{load.by} recorded {load.object_id} of {load.job_id}, which did not load it"
                )

    def shown_means_recorded(self) -> None:
        """What a recorded job lists as loaded soon after its end is recorded too."""
        if any(map(self._game.traits.has, MISLEADING_LISTS)):
            return
        known = self._game.objects.index.objects
        for job_id in self._instance.fully_recorded:
            job = self._jobs[job_id]
            if not job.has_loaded or job.origin == "old" or job.vanishes_at < inf:
                continue
            recorded = self._instance.loads_of(job_id)
            for part in job.parts.values():
                shown_at = max(part.listed_at, part.done_at + job.objects_lag)
                is_shown = shown_at <= job.ends + SHOWN_SOON
                if not is_shown or part.object_id in job.never_listed:
                    continue
                is_missing = part.object_id in known and part.object_id not in recorded
                if job.loaded(part.object_id) and is_missing:
                    self._violated(f"{job_id} loaded {part.object_id}, and nobody recorded it")

    def recorded_once(self) -> None:
        """A load is recorded at most once, and, with the sensor on, at least once."""
        loads = Counter((load.job_id, load.object_id) for load in self._instance.loads)
        for (job_id, object_id), times in loads.items():
            if times > 1:
                self._violated(f"{object_id} of {job_id} was recorded {times} times")
        sensor = self._game.sensor
        if sensor is None or self._game.sensor_died_at is not None:
            return
        for job in self._server.jobs:
            is_old = job.origin == "old" or job.ends < sensor.begins_at
            if is_old or not job.has_loaded or job.odd_status or job.vanishes_at < 1e9:
                continue
            if job.job_id not in self._instance.fully_recorded:
                self._violated(f"{job.job_id} was never recorded")

    def claims_are_right(self) -> None:
        """A request owns the job that it started, or one that it adopted."""
        place = f"job/{BASE_URL}/{PIPELINE}/"
        for name in self._instance.lists:
            if not name.startswith(place):
                continue
            job = self._jobs[name.removeprefix(place)]
            owner = self._ledger.owner_of(job.job_id) or ""
            request = self._requests.get(owner)
            if request is None or (owner, job.job_id) in self._instance.adopted:
                continue
            if job.trigger is not None and job.trigger.request_id == owner:
                continue
            triggers = [item for item in self._server.triggers if item.request_id == owner]
            case = self._twins.case_of(job, request, triggers)
            if case is not None:
                self.verdict.cases[case] += 1
                continue
            starter = job.trigger.request_id if job.trigger else job.origin
            sent = "; ".join(map(trigger_text, triggers))
            self._violated(
                f"{owner} claimed {job.job_id}, which {starter} started ({job_text(job)}; {sent})"
            )

    def only_own_jobs_are_cancelled(self) -> None:
        """A job that is cancelled was started by one of our triggers."""
        for job, who in self._server.cancelled:
            if job.origin == "trigger":
                continue
            if job.job_id in self._twins.cancellable:
                self.verdict.cases["case: twin cancelled"] += 1
            else:
                self._violated(f"{who} cancelled {job.job_id}, which {job.origin} started")

    def everything_ended(self) -> None:
        """An attempt ends within its bounds, and within a bound of requests."""
        for attempt in self._game.attempts:
            took = attempt.ended - attempt.began
            if took > self._longest(attempt):
                self._violated(f"an attempt of {attempt.run_id} took {took:.0f} s")
            if attempt.requests > 60 + took / 2:
                self._violated(f"an attempt of {attempt.run_id} sent {attempt.requests} requests")

    def _longest(self, attempt: Attempt) -> float:
        settings = attempt.settings
        timeout = settings.poll_timeout or 0.0
        slow = 600.0 if self._game.traits.has("world: slow process") else 0.0
        return (
            timeout
            + settings.job_objects_timeout
            + settings.outage_timeout
            + 9 * settings.job_discovery_timeout
            + 120
            + slow
        )


class _Reader(MemoryStore):
    """Reads the ledger's lists after the end."""

    def __init__(self, lists: dict[str, list[str]]) -> None:
        super().__init__()
        self.lists = lists
