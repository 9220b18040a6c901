"""Front's parents and children: what is requested, what is recorded, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from shop_runs import QUICK, quick_settings

from dagster_hevo import HevoResource, HevoSyncConfig, build_hevo_assets_definitions
from dagster_hevo.sandbox import HevoSandbox, ObjectScenario, PipelineScenario, Scenario
from dagster_hevo.sandbox.scenario import ScheduleScenario, SourceScenario

CHILDREN = ("Comments", "Conversation Messages", "Inbox")


def front(parent_status: str = "ACTIVE", **schedule: Any) -> Scenario:
    """A Front pipeline with one parent, three of its children, and two objects that are neither."""
    objects = [
        ObjectScenario(name="Conversations", status=parent_status, rows=5),
        *(ObjectScenario(name=name, parent="Conversations", rows=5) for name in CHILDREN),
        ObjectScenario(name="Team", mode="full_load", rows=5),
        ObjectScenario(name="Accounts Of Ours", rows=5),
    ]
    pipeline = PipelineScenario(
        name="Front",
        schema_name="front",
        source=SourceScenario(source_type="FRONT"),
        schedule=ScheduleScenario(**schedule),
        seconds_per_object=0.05,
        objects=tuple(objects),
    )
    return Scenario(name="front", pipelines=(pipeline,)).changed(**QUICK)


@contextmanager
def served(scenario: Scenario) -> Iterator[tuple[HevoSandbox, HevoResource, list[Any]]]:
    with HevoSandbox(scenario, requests_per_minute=0) as sandbox:
        hevo = HevoResource(**quick_settings(sandbox))
        yield sandbox, hevo, list(build_hevo_assets_definitions(workspace=hevo))


def materialize(
    hevo: HevoResource, assets: list[Any], names: list[str], config: HevoSyncConfig | None = None
) -> tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]:
    instance = dg.DagsterInstance.ephemeral()
    step = assets[0].op.name
    run_config = None if config is None else dg.RunConfig(ops={step: config})
    result = dg.materialize(
        assets,
        selection=[dg.AssetKey(["front", name]) for name in names],
        resources={"hevo": hevo},
        instance=instance,
        run_config=run_config,
    )
    return result, instance


def all_recorded(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> set[str]:
    entries = instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return {entry.dagster_event.asset_key.path[-1] for entry in entries if entry.dagster_event}


def log_lines(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))


def test_materializing_a_child_resyncs_its_parent_and_says_so() -> None:
    with served(front()) as (sandbox, hevo, assets):
        pipeline_id = sandbox.pipeline_ids[0]
        result, instance = materialize(hevo, assets, ["comments"])
        requested = [trigger.object_ids for trigger in sandbox.triggers(pipeline_id)]
        assert requested == [sandbox.object_ids(pipeline_id, "Conversations")]
        assert "only together with the parent Conversations" in log_lines(instance, result)


def test_every_object_that_the_parents_job_loaded_is_recorded() -> None:
    with served(front()) as (_, hevo, assets):
        result, instance = materialize(hevo, assets, ["comments"])
        assert all_recorded(instance, result) == {
            "conversations",
            "comments",
            "conversation_messages",
            "inbox",
        }


def test_several_children_of_one_parent_are_one_resync() -> None:
    with served(front()) as (sandbox, hevo, assets):
        materialize(hevo, assets, ["comments", "inbox", "conversation_messages"])
        assert len(sandbox.jobs(sandbox.pipeline_ids[0])) == 1


def test_a_child_and_an_object_of_no_parent_are_one_resync_of_parent_and_object() -> None:
    with served(front()) as (sandbox, hevo, assets):
        pipeline_id = sandbox.pipeline_ids[0]
        materialize(hevo, assets, ["comments", "team"])
        wanted = {*sandbox.object_ids(pipeline_id, "Conversations", "Team")}
        assert [set(trigger.object_ids) for trigger in sandbox.triggers(pipeline_id)] == [wanted]


def test_children_of_a_skipped_parent_are_not_executable_and_say_why() -> None:
    with served(front("INACTIVE")) as (_, _, assets):
        runnable = {key.path[-1] for item in assets if item.is_executable for key in item.keys}
        shown = {
            spec.key.path[-1]: spec
            for item in assets
            if not item.is_executable
            for spec in item.specs
        }
        assert runnable == {"team", "accounts_of_ours"}
        assert set(shown) == {"comments", "conversation_messages", "inbox"}
        assert "its parent Conversations is skipped" in (shown["comments"].description or "")
        assert shown["comments"].metadata["dagster-hevo/skipped_parent"] == "Conversations"


def test_children_of_a_skipped_parent_are_neither_asked_for_nor_recorded() -> None:
    with served(front("INACTIVE")) as (sandbox, hevo, assets):
        pipeline_id = sandbox.pipeline_ids[0]
        result, instance = materialize(hevo, assets, ["team", "accounts_of_ours"])
        assert all_recorded(instance, result) == {"team", "accounts_of_ours"}
        silent = set(sandbox.object_ids(pipeline_id, *CHILDREN))
        for trigger in sandbox.triggers(pipeline_id):
            assert not silent & set(trigger.object_ids or ())


def test_a_child_depends_on_its_parent_within_the_pipeline() -> None:
    with served(front()) as (_, _, assets):
        specs = {spec.key.path[-1]: spec for spec in assets[0].specs}
        assert [dep.asset_key for dep in specs["inbox"].deps] == [
            dg.AssetKey(["front", "conversations"])
        ]
        assert not list(specs["team"].deps)


def test_a_sync_tells_which_objects_were_reloaded_in_full() -> None:
    with served(front()) as (_, hevo, assets):
        _, instance = materialize(
            hevo, assets, ["team", "conversations"], HevoSyncConfig(action="SYNC_NOW")
        )
        latest = instance.get_latest_materialization_event(dg.AssetKey(["front", "team"]))
        assert latest is not None
        assert latest.asset_materialization is not None
        loaded_as = latest.asset_materialization.metadata["dagster-hevo/loaded_as"]
        assert loaded_as.value == "reloaded in full"


def test_a_frequency_that_front_does_not_allow_is_a_warning_at_load(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with served(front(sync_type="SCHEDULED", frequency_minutes=2)):
        assert any(
            "Front" in record.message for record in caplog.records if record.levelname == "WARNING"
        )


def test_objects_that_only_one_side_knows_are_counted_at_load(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="dagster_hevo")
    with served(front()):
        assert (
            "24 known objects are not in the pipeline, 1 of its objects are not known"
            in caplog.text
        )


def test_a_parent_is_recorded_before_its_children_in_whatever_order_hevo_lists_them() -> None:
    scenario = front()
    pipeline = scenario.pipelines[0]
    backwards = pipeline.model_copy(update={"objects": tuple(reversed(pipeline.objects))})
    with served(scenario.model_copy(update={"pipelines": (backwards,)})) as (_, hevo, assets):
        names = [key.path[-1] for key in assets[0].keys]
        result, instance = materialize(hevo, assets, names)
        assert all_recorded(instance, result) == set(names)
