"""How a new job of the local Hevo is laid out: what it brings of each object, in what time.

Which objects it gets is decided in `pipelines.py`; what it shows at a moment, in `jobs.py`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from dagster_hevo.sandbox.behaviour import Behaviour
from dagster_hevo.sandbox.deferrals import Deferral, Deferrals
from dagster_hevo.sandbox.jobs import LoadKind, ObjectRun
from dagster_hevo.sandbox.objects import ObjectState
from dagster_hevo.sandbox.scenario import PipelineScenario, SourceScenario


def lay_out(
    wanted: Sequence[ObjectState],
    job_type: str,
    *,
    drop_and_load: bool,
    number: int,
    scenario: PipelineScenario,
    behaviour: Behaviour,
    chance: random.Random,
    has_warehouse: bool,
) -> list[ObjectRun]:
    """The objects of a job that starts now, one after the other.

    Args:
        wanted: What it loads.
        job_type: Its type; INCREMENTAL brings changes where an object can tell them.
        drop_and_load: Whether tables are dropped first.
        number: The job's number in its pipeline.
        scenario: Says how long it takes.
        behaviour: Says how much that varies.
        chance: Decides by how much.
        has_warehouse: Whether rows are to be written before an object counts as loaded.
    """
    runs: list[ObjectRun] = []
    begin = 0.0
    lengths = _lengths(wanted, job_type, scenario, behaviour, chance)
    for state, length in zip(wanted, lengths, strict=True):
        struck = state.next_outcome()
        outcome = struck.outcome if struck else "completed"
        load = _load_kind(state, job_type, drop_and_load)
        run = ObjectRun(
            state.object_id,
            begin,
            begin + length,
            outcome,
            load=load,
            ranges=state.rows_for(load, number),
            failing=struck.failed_events if struck else 0,
        )
        run.awaits_load = has_warehouse and outcome in ("completed", "failed_events")
        runs.append(run)
        begin += length
    return runs


def deferrals_of(
    runs: Sequence[ObjectRun], source: SourceScenario, behaviour: Behaviour
) -> Deferrals:
    """When a job of these objects is DEFERRED.

    With a source that limits calls, when an object takes more of them than a second allows;
    with any other source, or for ever, where the behaviour says.
    """
    seconds = math.inf if behaviour.deferred_for_ever else behaviour.defer_seconds
    if not seconds or not runs:
        return Deferrals()
    if source.calls_per_second is None or behaviour.deferred_for_ever:
        return Deferrals((Deferral(behaviour.defer_at * runs[-1].ends, seconds),))
    if behaviour.instant_jobs:
        return Deferrals()
    waits: list[Deferral] = []
    for run in runs:
        # All pages of an object are asked for at once: a burst that the limit cuts off.
        calls = max(1, -(-run.rows // source.rows_per_call))
        if calls > source.calls_per_second:
            share = source.calls_per_second / calls
            waits.append(Deferral(run.starts + share * (run.ends - run.starts), seconds))
    return Deferrals(tuple(waits))


def _load_kind(state: ObjectState, job_type: str, drop_and_load: bool) -> LoadKind:
    if job_type == "INCREMENTAL":
        return "replace" if state.scenario.mode == "full_load" else "changes"
    return "drop" if drop_and_load else "merge"


def _lengths(
    wanted: Sequence[ObjectState],
    job_type: str,
    scenario: PipelineScenario,
    behaviour: Behaviour,
    chance: random.Random,
) -> list[float]:
    """Seconds of work on each object; as a whole what the scenario says, if it says so."""

    def jitter() -> float:
        share = behaviour.duration_jitter
        return chance.uniform(1 - share, 1 + share) if share else 1.0

    stated = [state.scenario.seconds for state in wanted]
    lengths = [
        (scenario.seconds_per_object if seconds is None else seconds) * jitter()
        for seconds in stated
    ]
    whole = scenario.seconds_of_job(job_type)
    if behaviour.instant_jobs:
        return [0.0] * len(lengths)
    if whole is None or not lengths:
        return lengths
    whole *= jitter()
    together = sum(lengths)
    return [whole * (length / together if together else 1 / len(lengths)) for length in lengths]
