"""The component: a Hevo account's assets, checks and job sensor from a few lines of YAML.

What the account holds is read when Dagster refreshes the component's state, and from that state
ever after. What happens in a run is the resource's `materialize`, as for assets made in Python.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import Field, InstanceOf

from dagster_hevo.api.errors import HevoError
from dagster_hevo.api.models import Pipeline
from dagster_hevo.components.forms import (
    LATE_SETTINGS,
    AccountForm,
    JobSensorForm,
    JobSensorSettings,
    RetryForm,
    SelectionForm,
    SyncForm,
    account_of,
    reading,
    retry_policy_of,
)
from dagster_hevo.components.names import digest, sensor_name_of, written
from dagster_hevo.components.scaffolder import HevoAccountScaffolder
from dagster_hevo.components.selector import PipelineSelection, nothing_selected, words_of
from dagster_hevo.definitions.build import definitions_of
from dagster_hevo.definitions.kept_state import StateFile, write_snapshot
from dagster_hevo.definitions.loader import tell_findings
from dagster_hevo.definitions.names import DEFAULT_RESOURCE_KEY, sensor_name
from dagster_hevo.definitions.options import HevoDefinitionsOptions
from dagster_hevo.definitions.reading import may_pass
from dagster_hevo.definitions.snapshot import AccountSnapshot
from dagster_hevo.definitions.specs import AccountSpecs
from dagster_hevo.resources import HevoResource
from dagster_hevo.sensors import build_hevo_job_sensor
from dagster_hevo.sync_config import HevoSyncConfig
from dagster_hevo.translator import DagsterHevoTranslator, HevoObjectProps

# Whether a refresh comes of loading the definitions (`dagster dev` and `dg` refresh each time they
# load) and not of somebody who requests one: the first may do with what was read a while ago.
IS_LOADING: ContextVar[bool] = ContextVar("dagster_hevo_component_is_loading", default=False)

StepEvent = dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetCheckResult


def _template_variables(props: HevoObjectProps) -> Mapping[str, Any]:
    return {"props": props}


@dg.scaffold_with(HevoAccountScaffolder)
class HevoAccountComponent(dg.StateBackedComponent, dg.Model, dg.Resolvable):
    """The tables that Hevo loads as assets, one step a pipeline, with checks and a job sensor.

    Example:
        .. code-block:: yaml

            type: dagster_hevo.HevoAccountComponent
            attributes:
              workspace:
                api_key: "{{ env.HEVO_API_KEY }}"
                api_secret: "{{ env.HEVO_API_SECRET }}"
                region: eu
              pipeline_selector:
                by_source_type: [POSTGRES]
                exclude:
                  by_name: ["Test *"]
              translation:
                key_prefix: raw
                tags:
                  source: "{{ props.pipeline.source.source_type }}"
              job_sensor: true
    """

    workspace: Annotated[
        HevoResource,
        dg.Resolver(
            reading(account_of, late=LATE_SETTINGS),
            model_field_type=AccountForm,
            description="The account: its keys, its region, and the other settings of "
            "HevoResource.",
        ),
    ]
    pipeline_selector: Annotated[
        Callable[[Pipeline], bool] | None,
        dg.Resolver(
            reading(PipelineSelection),
            model_field_type=SelectionForm,
            description="Which pipelines to take; default all. Of several keys, all must hold.",
            examples=[{"by_source_type": ["POSTGRES"], "exclude": {"by_name": ["Test *"]}}],
        ),
    ] = None
    translation: (
        Annotated[
            TranslationFn[HevoObjectProps],
            TranslationFnResolver[HevoObjectProps](_template_variables),
        ]
        | None
    ) = Field(
        default=None,
        description="Attributes of the assets, over those that get_asset_spec gives. Templates "
        "see `props` (props.pipeline, props.pipeline_object, ...) and `spec`.",
    )
    sync: Annotated[
        HevoSyncConfig,
        dg.Resolver(
            reading(HevoSyncConfig),
            model_field_type=SyncForm,
            description="What a materialization asks for unless the launchpad says otherwise.",
        ),
    ] = HevoSyncConfig()  # no factory: Dagster 1.12.0 cannot derive a form of one
    job_sensor: Annotated[
        bool | JobSensorSettings,
        dg.Resolver(
            reading(JobSensorSettings),
            model_field_type=bool | JobSensorForm,
            description="Whether a sensor records the jobs that Hevo ran without this Dagster: "
            "true, or its name, minimum_interval_seconds and default_status.",
        ),
    ] = False
    checks: bool = Field(
        default=True, description="Whether each asset has the check `hevo_job` on its last job."
    )
    latency_checks: bool = Field(
        default=False,
        description="Whether each asset has the check `hevo_latency` too: a warning where the data "
        "came later than the pipeline's latency alert in Hevo allows.",
    )
    include_metadata: list[Literal["columns"]] = Field(
        default=[],
        description="More to read when the state is refreshed. columns: types and primary keys, a "
        "request an object.",
    )
    freshness_from_schedule: bool = Field(
        default=False,
        description="Whether a pipeline's frequency makes a freshness policy: a warning after 1.5 "
        "periods without news, a failure after 3.",
    )
    include_source_lineage: bool = Field(
        default=False, description="Whether the tables in the source are assets upstream."
    )
    strict: bool = Field(
        default=False,
        description="Whether one pipeline that cannot be read fails the loading; else its objects "
        "stay as they were. A refresh that is requested is always strict.",
    )
    resource_key: str = Field(
        default=DEFAULT_RESOURCE_KEY,
        description="What the steps and the sensor are named after where it is not `hevo`: give "
        "each component its own where a project has several accounts.",
    )
    op_tags: dict[str, str] | None = Field(default=None, description="Tags of the steps.")
    pool: str | None = Field(
        default=None, description="The concurrency pool that each step takes a slot of."
    )
    retry_policy: Annotated[
        InstanceOf[dg.RetryPolicy] | None,
        dg.Resolver(
            reading(retry_policy_of),
            model_field_type=RetryForm,
            description="When Dagster runs a step again. A retry takes up the job that is there.",
        ),
    ] = None
    defs_state: ResolvedDefsStateConfig = DefsStateConfigArgs.local_filesystem()

    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        """The spec of one object's asset, before ``translation``. Override it to change assets.

        Args:
            props: The object and its pipeline.

        Example:
            ::

                class OwnedAccount(HevoAccountComponent):
                    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
                        spec = super().get_asset_spec(props)
                        return spec.replace_attributes(owners=["team:sources"])
        """
        return DagsterHevoTranslator().get_asset_spec(props)

    def execute(
        self, context: dg.AssetExecutionContext, hevo: HevoResource, config: HevoSyncConfig
    ) -> Iterator[StepEvent]:
        """Materialize the selected assets of one pipeline. Override it to do more around it.

        Args:
            context: The step's context.
            hevo: The account, ``workspace``.
            config: What to ask for.

        Yields:
            The events of ``HevoResource.materialize``.

        Example:
            ::

                class AnnouncedAccount(HevoAccountComponent):
                    def execute(self, context, hevo, config):
                        context.log.info("Reading the account from Hevo now.")
                        yield from super().execute(context, hevo, config)
        """
        yield from hevo.materialize(context, config)

    @property
    def options(self) -> HevoDefinitionsOptions:
        """The component's attributes as the options that the factories take."""
        return HevoDefinitionsOptions(
            translator=self.translator,
            pipeline_selector_fn=self.pipeline_selector,
            resource_key=self.resource_key,
            config=self.sync,  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] (dg.Config is partly untyped)
            op_tags=self.op_tags,
            pool=self.pool,
            retry_policy=self.retry_policy,
            include_checks=self.checks,
            include_latency_check=self.latency_checks,
            include_column_metadata="columns" in self.include_metadata,
            freshness_from_schedule=self.freshness_from_schedule,
            include_source_lineage=self.include_source_lineage,
            strict=self.strict,
        )

    @property
    def translator(self) -> DagsterHevoTranslator:
        """The translator that ``get_asset_spec`` and ``translation`` make."""
        return ComponentTranslator(self)

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where the state is kept; its key says whose it is, and stays when a key is rotated."""
        return DefsStateConfig.from_args(self.defs_state, default_key=self._default_state_key)

    @property
    def _default_state_key(self) -> str:
        workspace = self.workspace
        place = workspace.region if workspace.base_url is None else workspace.base_url
        parts = [written(place), written(workspace.api_key)]
        # Components that read different parts of one account must not share a state.
        if self.pipeline_selector is not None or self.include_metadata:
            parts.append(digest([words_of(self.pipeline_selector), *self.include_metadata]))
        return f"{type(self).__name__}[{'/'.join(parts)}]"

    async def write_state_to_path(self, state_path: Path) -> None:
        """Ask Hevo what the account holds and write it down, without secrets.

        Raises:
            HevoError: Hevo could not be asked. The state that was there stays.
        """
        await asyncio.to_thread(self._refresh, state_path, force_refresh=not IS_LOADING.get())

    def _refresh(self, path: Path, *, force_refresh: bool) -> None:
        before = None if force_refresh else StateFile(path).read()
        loader = self.workspace.loader
        if before is not None and loader.is_recent(before) and self._is_covered(before):
            return
        try:
            account = loader.read(self.options.wanted(), force_refresh=force_refresh)
        except HevoError as error:
            if before is None or not may_pass(error):
                raise
            _log().warning(f"Hevo could not be read; going on with the state of before. {error}")
            return
        if before is not None:
            # What could not be read just now is in the state of before, perhaps.
            account = account.filled_from(before)
        tell_findings(account.select(self.pipeline_selector))
        write_snapshot(path, account)

    def _is_covered(self, state: AccountSnapshot) -> bool:
        """Whether a state has the objects of all pipelines that are selected."""
        chosen = state.select(self.pipeline_selector).pipelines
        return state.is_listed and all(item.is_read for item in chosen)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of the state; where Dagster refreshes it first, a recent one will do."""
        token = IS_LOADING.set(True)
        try:
            return super().build_defs(context)
        finally:
            IS_LOADING.reset(token)

    def build_defs_from_state(
        self, context: dg.ComponentLoadContext, state_path: Path | None
    ) -> dg.Definitions:
        """The definitions of what the state holds; no request is made.

        Args:
            context: Where the component is.
            state_path: The state's file; none before the first refresh.
        """
        key = self.defs_state_config.key
        if state_path is None:
            _log().warning(
                f"There is no state for {key} yet, so there are no assets. Write it with "
                "`dg utils refresh-defs-state`."
            )
            return dg.Definitions()
        account = AccountSnapshot.from_json(
            state_path.read_text(encoding="utf-8"),
            origin=f"The state of {key} (written by `dg utils refresh-defs-state`)",
        )
        selected = account.select(self.pipeline_selector)
        if not selected.pipelines:
            _log().warning(nothing_selected(item.pipeline for item in account.pipelines))
        unread = [item.pipeline.id for item in selected.pipelines if not item.is_known]
        if unread:
            _log().warning(
                f"The state of {key} has no objects of pipelines {', '.join(map(str, unread))}, so "
                "they have no assets. Refresh it with `dg utils refresh-defs-state`."
            )
        options = self.options
        account_specs = AccountSpecs(
            options.translator,
            self.workspace.asset_facts(
                freshness_from_schedule=options.freshness_from_schedule,
                include_source_lineage=options.include_source_lineage,
            ),
            account_id=self.workspace.account_id,
            made_by=type(self).__qualname__,
        )
        assets = definitions_of(selected, account_specs, self._step, options)
        return dg.Definitions(assets=assets, sensors=self._sensors(context, selected))

    @property
    def _step(self) -> Callable[..., Iterator[StepEvent]]:
        """What a step does; it holds the account, so the location needs no resource for it."""

        def materialize(context: dg.AssetExecutionContext, config: Any) -> Iterator[StepEvent]:
            yield from self.execute(context, self.workspace, config)

        return materialize

    def _sensors(
        self, context: dg.ComponentLoadContext, account: AccountSnapshot
    ) -> list[dg.SensorDefinition]:
        if self.job_sensor is False:
            return []
        settings = JobSensorSettings() if self.job_sensor is True else self.job_sensor
        is_named = self.resource_key != DEFAULT_RESOURCE_KEY
        name = sensor_name(self.resource_key) if is_named else sensor_name_of(context)
        return [
            build_hevo_job_sensor(
                workspace=self.workspace,
                translator=self.translator,
                name=settings.name or name,
                minimum_interval_seconds=settings.minimum_interval_seconds,
                default_status=settings.default_status,
                include_checks=self.checks,
                include_latency_check=self.latency_checks,
                request_jobs_on_completion=settings.requests_on_completion,
                request_jobs_on_failure=settings.requests_on_failure,
                account=account,
            )
        ]


class ComponentTranslator(DagsterHevoTranslator):
    """Makes specs as a component says: its ``get_asset_spec``, then its ``translation``."""

    def __init__(self, component: HevoAccountComponent) -> None:
        self._component = component

    def get_asset_spec(self, props: HevoObjectProps) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(props)
        translation = self._component.translation
        return spec if translation is None else translation(spec, props)


def _log() -> logging.Logger:
    return logging.getLogger("dagster_hevo")
