"""Names that users of other integrations know, and assets invoked directly in users' own tests."""

# No `from __future__ import annotations` here: Dagster reads the annotation of a step's config as
# it stands.
import subprocess
import sys

import dagster as dg
import pytest
from dagster_shared.libraries import DagsterLibraryRegistry

from dagster_hevo import (
    DagsterHevoTranslator,
    HevoDefinitionsOptions,
    HevoResource,
    HevoSyncConfig,
    __version__,
    build_hevo_assets_definitions,
    build_hevo_job_sensor,
    hevo_assets,
    load_hevo_asset_specs,
)
from dagster_hevo.definitions.options import FactoryArguments

QUICK = {"poll_interval": 0.01, "job_discovery_timeout": 5}
STOPPED = dg.DefaultSensorStatus.STOPPED


def test_specs_and_content_of_an_account_are_methods_of_it(account):
    sandbox, resource = account()
    hevo = resource()
    assert hevo.load_asset_specs() == load_hevo_asset_specs(hevo)
    assert len(hevo.load_asset_specs(pipeline_selector_fn=lambda item: item.id == 102)) == 2
    assert len(hevo.get_or_fetch_workspace_data().pipelines) == 3
    assert len(sandbox.requests) == 4
    with pytest.raises(TypeError, match="unexpected keyword argument 'pool'"):
        hevo.load_asset_specs(pool="hevo")


def test_a_decorated_step_may_sync_and_poll(account):
    sandbox, resource = account(pipelines=1)
    hevo = resource(**QUICK)

    @hevo_assets(pipeline_id=101, workspace=hevo)
    def shop(context, hevo: HevoResource, config: HevoSyncConfig):
        yield from hevo.sync_and_poll(context=context, config=config)

    assert dg.materialize([shop], resources={"hevo": hevo}).success
    assert len(sandbox.triggers()) == 1


def test_the_sensor_s_status_goes_by_both_names(account):
    _, resource = account()
    hevo = resource()
    for given in ({"default_status": STOPPED}, {"default_sensor_status": STOPPED}):
        assert build_hevo_job_sensor(workspace=hevo, **given).default_status is STOPPED


@pytest.mark.parametrize("decorated", [True, False])
def test_assets_can_be_invoked_directly(account, decorated):
    sandbox, resource = account(pipelines=1)
    hevo = resource(**QUICK)
    if decorated:

        @hevo_assets(pipeline_id=101, workspace=hevo)
        def shop(context, hevo: HevoResource, config: HevoSyncConfig):
            yield from hevo.materialize(context, config)

        results = list(shop(dg.build_asset_context(), hevo=hevo, config=HevoSyncConfig()))
    else:
        (assets,) = build_hevo_assets_definitions(workspace=hevo)
        context = dg.build_asset_context(resources={"hevo": hevo})
        results = list(assets(context, config=HevoSyncConfig()))
    assert [result.asset_key.path[-1] for result in results] == ["table_01", "table_02"]
    assert all(result.check_results[0].passed for result in results)
    assert len(sandbox.triggers()) == 1


def test_options_are_one_value_and_arguments_win_over_it(account):
    _, resource = account(pipelines=1)
    options = HevoDefinitionsOptions(
        translator=DagsterHevoTranslator(), pool="hevo", op_tags={"team": "sources"}
    )
    (assets,) = build_hevo_assets_definitions(workspace=resource(), options=options, pool="other")
    assert assets.op.pool == "other"
    assert assets.op.tags["team"] == "sources"
    with pytest.raises(TypeError, match=r"hevo_assets\(\) got .* 'pol'"):
        hevo_assets(pipeline_id=101, workspace=resource(), pol="hevo")


def test_each_option_is_an_argument_of_the_factory():
    arguments: set[str] = set()
    for kind in FactoryArguments.__mro__ if hasattr(FactoryArguments, "__mro__") else ():
        arguments |= set(getattr(kind, "__annotations__", {}))
    assert set(HevoDefinitionsOptions.__dataclass_fields__) == arguments


def test_the_library_is_registered_where_dagster_is_used_and_only_there():
    assert DagsterLibraryRegistry.get()["dagster-hevo"] == __version__
    code = "import sys, dagster_hevo.api, dagster_hevo.jobs; print('dagster' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.strip() == "False"
