"""The few things this package needs of Dagster that have no public name, in one place.

Each says why. The tests run against the oldest and the newest Dagster that is supported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import dagster as dg

# What a spec says of the I/O manager that reads its table.
from dagster._core.definitions.assets.definition.asset_spec import (
    SYSTEM_METADATA_KEY_IO_MANAGER_KEY,
)

# The only event that is written at once, is not silenced by a log level, is read back by its type,
# and never changes what Dagster thinks of the run. `report_engine_event` itself is a method of the
# public DagsterInstance; the content it takes has no public name.
from dagster._core.definitions.definitions_load_context import (
    DefinitionsLoadContext,
    DefinitionsLoadType,
)

# Metadata under a namespace, read back into a typed value: what all of Dagster's own integrations
# build on, without a public name so far.
from dagster._core.definitions.metadata.metadata_set import (
    NamespacedMetadataSet as NamespacedMetadataSet,
)
from dagster._core.definitions.target import AutomationTarget
from dagster._core.events import EngineEventData
from dagster._core.execution.context.invocation import DirectOpExecutionContext
from dagster._core.execution.stats import StepEventStatus

if TYPE_CHECKING:
    from dagster import AssetExecutionContext, OpExecutionContext


def report_engine_event(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    step_key: str,
    sentence: str,
    metadata: Mapping[str, dg.MetadataValue],
) -> None:
    """Write an engine event to a run's event log, before this returns."""
    instance.report_engine_event(
        message=sentence,
        dagster_run=run,
        engine_event_data=EngineEventData(metadata),
        step_key=step_key,
    )


def engine_event_metadata(event: dg.DagsterEvent) -> Mapping[str, dg.MetadataValue]:
    """The metadata of an engine event; empty for any other."""
    content = event.event_specific_data
    return content.metadata if isinstance(content, EngineEventData) else {}


def has_step_succeeded(instance: dg.DagsterInstance, run_id: str, step_key: str) -> bool:
    """Whether a step of a run ended well.

    The public way reads the events of all steps of the run; this one is indexed by the step.
    """
    stats = instance.get_run_step_stats(run_id, [step_key])
    return any(
        item.step_key == step_key and item.status is StepEventStatus.SUCCESS for item in stats
    )


def outputs_used_in_run(context: AssetExecutionContext) -> frozenset[dg.AssetKey]:
    """The assets of this step that another step of the run depends on.

    Such a step is skipped where this one yields nothing for the asset. There is no public way to
    know the steps of a run.
    """
    if is_direct(context):
        return frozenset()
    step_context = context.op_execution_context.get_step_execution_context()
    executed = context.run.step_keys_to_execute
    used: set[str] = set()
    for step in step_context.execution_plan.steps:
        if executed is not None and step.key not in executed:
            continue
        for step_input in getattr(step, "step_inputs", ()):
            for handle in step_input.get_step_output_handle_dependencies():
                if handle.step_key == step_context.step.key:
                    used.add(handle.output_name)
    keys = context.assets_def.keys_by_output_name
    return frozenset(key for name, key in keys.items() if name in used)


def check_evaluations(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, limit: int
) -> list[tuple[str, dg.AssetCheckEvaluation]]:
    """How a check ended lately, the newest first, each with its run; empty for a sensor's.

    The public way tells the newest record alone, and that may be one that a run merely planned.
    """
    found: list[tuple[str, dg.AssetCheckEvaluation]] = []
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit):
        event = None if record.event is None else record.event.dagster_event
        content = None if event is None else event.event_specific_data
        if isinstance(content, dg.AssetCheckEvaluation):
            found.append((record.run_id, content))
    return found


def latest_check_evaluations(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, tuple[str, dg.AssetCheckEvaluation | None]]:
    """The last record of each check that has one, with its run; None: a run merely planned it.

    For all checks at once, which has no public name.
    """
    found: dict[dg.AssetCheckKey, tuple[str, dg.AssetCheckEvaluation | None]] = {}
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    for key, record in records.items():
        event = None if record.event is None else record.event.dagster_event
        content = None if event is None else event.event_specific_data
        is_answer = isinstance(content, dg.AssetCheckEvaluation)
        found[key] = (record.run_id, content if is_answer else None)
    return found


def known_to_location(
    repository: dg.RepositoryDefinition,
) -> tuple[frozenset[dg.AssetCheckKey], Mapping[dg.AssetKey, dg.PartitionsDefinition]]:
    """The checks of a code location, and the partitions of those of its assets that have some.

    A sensor has to know which checks exist. There is no public way to ask a repository.
    """
    graph = repository.asset_graph
    partitions = {
        key: definition
        for key in graph.get_all_asset_keys()
        if (definition := graph.get(key).partitions_def) is not None
    }
    return frozenset(graph.asset_check_keys), partitions


def with_job_names(sensor: dg.SensorDefinition, names: Iterable[str]) -> None:
    """Let a sensor request runs of jobs by their names."""
    sensor._targets = [*sensor._targets, *(AutomationTarget(name) for name in names)]  # pyright: ignore


def is_direct(context: AssetExecutionContext | OpExecutionContext) -> bool:
    """Whether the step was invoked directly, in a test, with a context of ``build_asset_context``.

    Such a context has no run and no steps beside it, and says so by raising.
    """
    op_context = (
        context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    )
    return isinstance(op_context, DirectOpExecutionContext)


def attempt_of(
    context: AssetExecutionContext | OpExecutionContext,
) -> tuple[dg.DagsterRun, int]:
    """The run of a step and which attempt in it this is, from 0.

    Where the step was invoked directly, a run that is stored nowhere.
    """
    if is_direct(context):
        started = dg.DagsterRunStatus.STARTED
        return dg.DagsterRun(job_name="direct_invocation", status=started), 0
    return context.run, context.retry_number


def step_key_of(context: AssetExecutionContext | OpExecutionContext) -> str:
    """What names this step in its run, and the same step in a run that retries it.

    ``op_handle`` is documented as private; the public names do not tell two uses of one op apart.
    """
    op_context = (
        context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    )
    if is_direct(context):
        return op_context.op_def.name
    mapping_key, handle = op_context.get_mapping_key(), str(op_context.op_handle)
    return handle if mapping_key is None else f"{handle}[{mapping_key}]"


def remembered_state(key: str) -> str | None:
    """The state that this code location was loaded from when it was first loaded.

    Dagster hands it to the processes that load the location again to execute a step. Without it
    every step would ask Hevo for all pipelines. None while the location is loaded for the first
    time.
    """
    context = DefinitionsLoadContext.get()
    if context.load_type is not DefinitionsLoadType.RECONSTRUCTION:
        return None
    state = context.reconstruction_metadata.get(key)
    return state if isinstance(state, str) else None


def pending_state(key: str) -> str | None:
    """The state that was given to ``remember_state`` earlier in this load."""
    state = DefinitionsLoadContext.get().get_pending_reconstruction_metadata().get(key)
    return state if isinstance(state, str) else None


def remember_state(key: str, state: str) -> None:
    """Have Dagster hand this state to the processes that load the location again."""
    DefinitionsLoadContext.get().add_to_pending_reconstruction_metadata(key, state)


def assets_of_op(
    op: dg.OpDefinition,
    *,
    keys_by_input_name: Mapping[str, dg.AssetKey],
    keys_by_output_name: Mapping[str, dg.AssetKey],
    check_specs_by_output_name: Mapping[str, dg.AssetCheckSpec],
    specs: Sequence[dg.AssetSpec],
) -> dg.AssetsDefinition:
    """The multi-asset that an op computes, each part of which may be selected alone.

    What ``dagster.multi_asset`` does, but for its names, which it derives from asset keys. The
    class is public; this use of it is not documented.
    """
    return dg.AssetsDefinition(
        node_def=op,
        keys_by_input_name=keys_by_input_name,
        keys_by_output_name=keys_by_output_name,
        check_specs_by_output_name=check_specs_by_output_name,
        specs=specs,
        can_subset=True,
    )


# Values are never handed on. One for all: to make one costs more than all else about an asset.
OUTPUT = dg.Out(dg.Nothing, is_required=False)


def output_of_spec(spec: dg.AssetSpec) -> dg.Out:
    """The output that stands for an asset. What is told of the asset stays with its spec."""
    io_manager_key = spec.metadata.get(SYSTEM_METADATA_KEY_IO_MANAGER_KEY)
    if io_manager_key is None:
        return OUTPUT
    # What is downstream reads the table with an I/O manager.
    return dg.Out(is_required=False, metadata=spec.metadata, io_manager_key=io_manager_key)


def op_like(
    template: dg.OpDefinition,
    *,
    name: str,
    description: str,
    ins: Mapping[str, dg.In],
    outs: Mapping[str, dg.Out],
) -> dg.OpDefinition:
    """An op that does what another one does, under another name and with other inputs and outputs.

    Dagster works out the config of each op from its function again: a tenth of loading a location.
    """
    return template.with_replaced_properties(name=name, description=description, ins=ins, outs=outs)


class StateStorage(Protocol):
    """The part of Dagster's ``DefsStateStorage``, which has no public name, that is needed here."""

    def get_latest_version(self, key: str) -> str | None:
        """The version that was stored last under a key."""
        ...

    def download_state_to_path(self, key: str, version: str, path: Path) -> None:
        """Write a stored version into a file."""
        ...

    def upload_state_from_path(self, key: str, version: str, path: Path) -> None:
        """Store a file as the latest version."""
        ...


def current_state_storage() -> StateStorage | None:
    """The storage for states of definitions of the Dagster instance that loads this location.

    Dagster sets it while it loads a location; in a plain script or notebook there is none.
    """
    from dagster._core.storage.defs_state.base import DefsStateStorage

    return DefsStateStorage.get()
