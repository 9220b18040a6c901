"""What the factory, the decorator and the specs promise, seen in definitions and in runs."""

# Without postponed annotations: Dagster reads a config's type from the annotation itself.

import dagster as dg
import pytest
from shop_runs import checked, failure_of, logged, materialized, quick_scenario

from dagster_hevo import (
    DagsterHevoTranslator,
    HevoConfigurationError,
    HevoObjectProps,
    HevoResource,
    HevoSyncConfig,
    ResyncMode,
    SyncAction,
    hevo_assets,
    load_hevo_asset_specs,
)
from dagster_hevo.api import Namespace, Pipeline, PipelineObject
from dagster_hevo.sandbox import HistoryScenario, ObjectScenario, PipelineScenario, Scenario


class Prefixed(DagsterHevoTranslator):
    """Puts all assets under one name."""

    def get_asset_spec(self, props):
        spec = super().get_asset_spec(props)
        return spec.replace_attributes(key=spec.key.with_prefix("raw"))


def test_checks_can_be_left_out(shop):
    place = shop()
    assets = place.assets(include_checks=False)
    assert not [key for one in assets for key in one.check_keys]
    result = place.run(assets=assets)
    assert len(materialized(result)) == 3
    assert checked(result) == {}


def test_pool_and_retry_policy_reach_every_step(shop):
    place = shop(pipelines=2)
    policy = dg.RetryPolicy(max_retries=4)
    for one in place.assets(pool="hevo", retry_policy=policy):
        assert one.op.pool == "hevo"
        assert one.op.retry_policy == policy


def test_the_factory_shows_its_defaults_in_the_launchpad(shop):
    place = shop()
    config = HevoSyncConfig(action=SyncAction.SYNC_NOW, resync_mode=ResyncMode.DROP_AND_LOAD)
    (definition,) = place.assets(config=config)
    fields = definition.op.config_schema.config_type.fields
    assert fields["action"].default_value == "SYNC_NOW"
    assert fields["resync_mode"].default_value == "DROP_AND_LOAD"
    assert fields["if_job_running"].default_value == "WAIT"
    assert place.run(assets=[definition]).success
    assert place.jobs[0].type == "INCREMENTAL"


def test_the_launchpad_overrides_one_default_of_the_factory_and_keeps_the_others(shop):
    place = shop()
    config = HevoSyncConfig(action=SyncAction.SYNC_NOW, resync_mode=ResyncMode.DROP_AND_LOAD)
    result = place.run(assets=place.assets(config=config), config={"action": "RESYNC"})
    assert result.success
    assert place.jobs[0].type == "RESYNC_WITH_DROP_AND_LOAD"


def test_the_decorator_makes_a_step_of_a_function(shop):
    place = shop(pipelines=2)

    @hevo_assets(pipeline_id=102, workspace=place.hevo, name="second", group_name="mine")
    def second(context: dg.AssetExecutionContext, hevo: HevoResource, config: HevoSyncConfig):
        yield from hevo.materialize(context, config)

    assert {spec.group_name for spec in second.specs} == {"mine"}
    result = place.run(assets=[second], step="second", config={"resync_mode": "DROP_AND_LOAD"})
    assert len(materialized(result)) == 3
    assert [job.pipeline_id for job in place.sandbox.jobs()] == [102]


def test_specs_can_be_used_as_external_assets(shop):
    place = shop(pipelines=2)
    specs = load_hevo_asset_specs(place.hevo)
    assert [spec.key.to_user_string() for spec in specs[:2]] == [
        "shop_1/table_01",
        "shop_1/table_02",
    ]
    assert len(specs) == 6
    assert dg.Definitions(assets=specs).resolve_asset_graph()


def test_a_translator_names_the_assets_of_a_run(shop):
    place = shop()
    assets = place.assets(translator=Prefixed())
    result = place.run(assets=assets, selection=[dg.AssetKey(["raw", "shop_1", "table_02"])])
    keys = [event.asset_key for event in result.get_asset_materialization_events()]
    assert keys == [dg.AssetKey(["raw", "shop_1", "table_02"])]


def test_two_objects_with_one_key_are_an_error_that_names_both_pipelines(shop):
    same = [
        PipelineScenario(name=name, schema_name="shared", objects=(ObjectScenario(name="orders"),))
        for name in ("Shop North", "Shop South")
    ]
    place = shop(Scenario(pipelines=tuple(same)))
    with pytest.raises(HevoConfigurationError) as caught:
        place.assets()
    text = str(caught.value)
    assert "shared/orders" in text
    assert "101 (Shop North)" in text
    assert "102 (Shop South)" in text
    assert "translator" in text
    assert len(place.assets(pipeline_selector_fn=lambda pipeline: pipeline.id == 101)) == 1


@pytest.mark.parametrize(
    "status", ["INACTIVE", "DISABLED", "BLOCKED", "INACCESSIBLE", "INCONSISTENT", "DELETED"]
)
def test_only_objects_that_hevo_replicates_become_assets(shop, status):
    place = shop()
    place.sandbox.set_object(101, "table_02", status=status)
    (definition,) = place.assets()
    assert sorted(key.path[-1] for key in definition.keys) == ["table_01", "table_03"]


def test_a_pipeline_without_active_objects_gives_no_step(shop):
    place = shop(pipelines=2)
    for table in ("table_01", "table_02", "table_03"):
        place.sandbox.set_object(101, table, status="INACTIVE")
    (definition,) = place.assets()
    assert {key.path[0] for key in definition.keys} == {"shop_2"}


@pytest.mark.parametrize("status", ["DISABLED", "INITIALIZING", "ENABLE_FAILED"])
def test_a_pipeline_that_does_not_run_gives_assets_and_a_run_says_what_state_it_is_in(shop, status):
    place = shop()
    place.sandbox.set_pipeline_status(101, status)
    assets = place.assets()
    assert len(assets[0].keys) == 3
    result = place.run(assets=assets)
    assert not result.success
    assert f"Pipeline 101 (Shop 1) is {status}" in failure_of(result).description
    assert "What to do:" in failure_of(result).description


def test_a_check_that_is_run_without_its_asset_asks_for_no_job(shop):
    scenario = quick_scenario()
    past = HistoryScenario(type="RESYNC", count=3)
    pipeline = scenario.pipelines[0].model_copy(update={"history": (past,)})
    place = shop(scenario.model_copy(update={"pipelines": (pipeline,)}))
    selection = dg.AssetSelection.checks_for_assets(place.key(1), place.key(2))
    result = place.run(selection=selection)
    assert result.success
    assert sorted(checked(result)) == ["table_01", "table_02"]
    assert materialized(result) == {}
    assert place.sandbox.requests_to("*", "POST") == []


def test_a_check_of_an_object_that_no_job_has_says_what_to_do(shop):
    place = shop()
    result = place.run(selection=dg.AssetSelection.checks_for_assets(place.key(1)))
    assert not result.success
    assert "materialize the assets first" in failure_of(result).description
    assert place.sandbox.requests_to("*", "POST") == []


def test_assets_can_be_materialized_without_their_checks(shop):
    place = shop()
    selection = dg.AssetSelection.assets(place.key(1)).without_checks()
    result = place.run(selection=selection)
    assert list(materialized(result)) == ["table_01"]
    assert checked(result) == {}


def test_without_waiting_the_step_ends_when_the_job_is_found(shop):
    place = shop(seconds_per_object=5)
    result = place.run(config={"wait_for_completion": False})
    assert result.success
    assert materialized(result) == {}
    (job,) = place.jobs
    assert job.status == "IN_PROGRESS"
    assert f"Not waiting for job {job.job_id}" in logged(place.instance, result.run_id)


def test_a_translator_that_drops_the_metadata_is_named_as_the_fault(shop):
    class Bare(DagsterHevoTranslator):
        def get_asset_spec(self, props):
            return super().get_asset_spec(props).replace_attributes(metadata={})

    place = shop()
    result = place.run(assets=place.assets(translator=Bare()))
    assert not result.success
    assert "translator must keep" in failure_of(result).description


def test_the_next_run_waits_for_a_pipeline_that_is_restarting(shop):
    place = shop(restarting_seconds=0.8, instant_jobs=True)
    assert place.run().success
    assert place.run().success
    assert len(place.jobs) == 2
    assert [item.result for item in place.sandbox.triggers(101)] == ["accepted", "accepted"]


def test_tables_of_any_name_make_assets_that_are_told_apart():
    names = ["Order Details", "EMP$HIST", "a/b'\"`;--", "注文", "顧客", "{x}", "a.b", "line\nbreak"]
    pipeline = Pipeline(id=1, name="Odd")
    specs = [
        DagsterHevoTranslator().get_asset_spec(
            HevoObjectProps(
                pipeline,
                PipelineObject(
                    object_id=f"o{place}", destination_namespace=Namespace(k0=name, k1="s t")
                ),
            )
        )
        for place, name in enumerate(names)
    ]

    @dg.multi_asset(specs=specs, check_specs=[dg.AssetCheckSpec("c", asset=s.key) for s in specs])
    def step(): ...

    repository = dg.Definitions(assets=[step]).get_repository_def()
    found = {key.path[-1] for key in repository.asset_graph.materializable_asset_keys}
    assert len(found) == len(names)
    assert {"Order_Details_fe3ac0d4", "a.b"} <= found


def test_a_definition_with_some_of_the_assets_loads_just_these(shop):
    place = shop(objects=5)
    specs = load_hevo_asset_specs(place.hevo)[:2]

    @dg.multi_asset(specs=specs, can_subset=True)
    def some(context: dg.AssetExecutionContext):
        yield from place.hevo.materialize(context)

    result = place.run(assets=[some])
    assert result.success
    (job,) = place.jobs
    assert job.type == "HISTORICAL"
    assert len(materialized(result)) == 2
