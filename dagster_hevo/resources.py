"""The resource that holds an account's keys and settings.

What a materialization does is `execution/step.py`; the client it hands out is `api/client.py`; how
pipelines and objects are read and kept is `definitions/loader.py`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_shared.libraries import DagsterLibraryRegistry
from pydantic import PrivateAttr

from dagster_hevo.account_settings import AccountSettings
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.definitions.build import specs_of_account
from dagster_hevo.definitions.enrichment import AssetFacts
from dagster_hevo.definitions.loader import AccountLoader, LoadingSettings
from dagster_hevo.definitions.options import HevoDefinitionsOptions, SpecArguments, options_of
from dagster_hevo.definitions.reading import Wanted
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineSelector
from dagster_hevo.jobs.request import IfJobRunning
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.secrets import check_run_config
from dagster_hevo.sync_config import HevoSyncConfig
from dagster_hevo.translator import DagsterHevoTranslator
from dagster_hevo.version import __version__

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dagster_hevo.api.async_client import AsyncHevoClient
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.rate_limit import RequestBudget
    from dagster_hevo.api.transport import Budget

# Here, and not in the package's own module: `dagster_hevo.api` works without Dagster.
DagsterLibraryRegistry.register("dagster-hevo", __version__, is_dagster_package=False)


class HevoResource(AccountSettings):
    """A Hevo account: its keys, its region, and how patiently it is asked.

    Example:
        ::

            HevoResource(
                api_key=dg.EnvVar("HEVO_API_KEY"),
                api_secret=dg.EnvVar("HEVO_API_SECRET"),
                region="eu",
            )
    """

    _client: Any = PrivateAttr(default=None)
    _budgets: Any = PrivateAttr(default_factory=dict)
    _loader: Any = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.RLock)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Called by Dagster: refuses what whoever launches a run may not choose."""
        check_run_config(context.resource_config)

    @property
    def account_id(self) -> str | None:
        """What tells the account from others: Hevo's base URL, and a digest of the API key.

        Without the digest where the key is not at hand; None where the base URL is not either.
        """
        try:
            base_url = self.account
        except HevoConfigurationError:
            return None
        try:
            return f"{base_url}#{digest_of(self.setting('api_key'))}"
        except HevoConfigurationError:
            return base_url

    def get_client(self) -> HevoClient:
        """The client of this account, with one kept-alive session and the shared budget.

        Raises:
            HevoConfigurationError: A setting cannot work, or an environment variable is not set.
        """
        with self._lock:
            if self._client is None:
                self._client = self.make_client()
            return self._client

    def make_client(
        self,
        *,
        retry_limit: int | None = None,
        longest_timeout: float | None = None,
        budget: Budget | None = None,
    ) -> HevoClient:
        """A client of its own, for a caller that has less time than the settings give.

        Args:
            retry_limit: Attempts a request, instead of the setting.
            longest_timeout: Seconds that bound the setting ``timeout``.
            budget: Asked before each request, instead of the user's budget.
        """
        from dagster_hevo.api.client import HevoClient

        timeout = self.setting("timeout")
        return HevoClient(
            api_key=self.setting("api_key"),
            api_secret=self.setting("api_secret"),
            base_url=self.account,
            retry_limit=self.setting("retry_limit") if retry_limit is None else retry_limit,
            retry_delay=self.setting("retry_delay"),
            timeout=timeout if longest_timeout is None else min(timeout, longest_timeout),
            retryable_status_codes=self.setting("retryable_status_codes"),
            extra_headers=self.setting("extra_headers"),
            extra_kwargs=self.setting("extra_kwargs"),
            page_size=self.setting("page_size"),
            budget=self.get_budget() if budget is None else budget,
        )

    def get_async_client(self) -> AsyncHevoClient:
        """The same client for asynchronous code; it shares session and budget."""
        from dagster_hevo.api.async_client import AsyncHevoClient

        return AsyncHevoClient(self.get_client())

    def get_budget(self) -> RequestBudget:
        """The request budget that all processes with these keys share."""
        return self._shared_budget("", self.setting("requests_per_minute"))

    def get_budget_share(self, purpose: str, share: float) -> RequestBudget:
        """A part of the user's budget that one purpose may spend, over all processes.

        Args:
            purpose: Tells the part from others.
            share: How much of the budget, 0 to 1.
        """
        limit = self.setting("requests_per_minute")
        return self._shared_budget(f"\n{purpose}", max(int(limit * share), 2) if limit else 0)

    def _shared_budget(self, suffix: str, requests_per_minute: int) -> RequestBudget:
        from dagster_hevo.api.rate_limit import open_budget

        with self._lock:
            if suffix not in self._budgets:
                self._budgets[suffix] = open_budget(
                    self.setting("rate_limit_store"),
                    requests_per_minute=requests_per_minute,
                    user_key=f"{self.account}\n{self.setting('api_key')}{suffix}",
                )
            return self._budgets[suffix]

    def job_settings(self, if_job_running: IfJobRunning = IfJobRunning.WAIT) -> JobSettings:
        """The bounds of a job's life, as set here."""
        names = (
            "poll_interval",
            "poll_timeout",
            "job_discovery_timeout",
            "job_objects_timeout",
            "deferred_timeout",
            "cancel_on_termination",
            "requests_per_minute",
        )
        return JobSettings(
            **{name: self.setting(name) for name in names}, if_job_running=if_job_running
        )

    def asset_facts(
        self, *, freshness_from_schedule: bool = False, include_source_lineage: bool = False
    ) -> AssetFacts:
        """What to add to the specs of this account's assets.

        Args:
            freshness_from_schedule: Whether a pipeline's schedule makes a freshness policy.
            include_source_lineage: Whether the tables in the source are assets upstream.
        """
        template = self.setting("ui_url_template")
        return AssetFacts(
            freshness_from_schedule=freshness_from_schedule,
            include_source_lineage=include_source_lineage,
            ui_url_template=template,
            region=self.setting("region") if "{region}" in (template or "") else "",
        )

    def materialize(
        self, context: dg.AssetExecutionContext, config: HevoSyncConfig | None = None
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetCheckResult]:
        """Have Hevo load the selected assets, wait for the job, and record each object.

        Args:
            context: The context of a step whose assets come of `hevo_assets` or
                `build_hevo_assets_definitions`.
            config: What to ask for; default is a resync.

        Yields:
            A MaterializeResult for each selected object that was loaded, an AssetMaterialization
            for each other one that the job loaded too, and a check result for each.

        Raises:
            dagster.Failure: The job did not end well, or did not come about; with its metadata.
        """
        from dagster_hevo.execution.step import materialize

        yield from materialize(context, self, config or HevoSyncConfig())

    @property
    def loader(self) -> AccountLoader:
        """Reads what the account holds, and keeps it for ``definitions_max_age``."""
        with self._lock:
            if self._loader is None:
                self._loader = AccountLoader(self)
            return self._loader

    def sync_and_poll(
        self, context: dg.AssetExecutionContext, config: HevoSyncConfig | None = None
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetMaterialization | dg.AssetCheckResult]:
        """`materialize`, by the name that users of ``dagster_fivetran`` know it by."""
        return self.materialize(context, config)

    def load_asset_specs(
        self,
        translator: DagsterHevoTranslator | None = None,
        pipeline_selector_fn: PipelineSelector | None = None,
        **arguments: Unpack[SpecArguments],
    ) -> list[dg.AssetSpec]:
        """`load_hevo_asset_specs` of this account.

        Args:
            translator: Makes the specs; default ``DagsterHevoTranslator``.
            pipeline_selector_fn: Which pipelines to take; default all.
            arguments: Options of the specs, by their names in `HevoDefinitionsOptions`.

        Raises:
            HevoConfigurationError: Two objects have one key, a translator dropped metadata, or the
                account has no pipelines.
            HevoError: Hevo could not be read.
        """
        options = HevoDefinitionsOptions(translator, pipeline_selector_fn)
        options = options_of(options, arguments, SpecArguments, "load_asset_specs")
        return specs_of_account(self, options)

    def get_or_fetch_workspace_data(self) -> AccountSnapshot:
        """All pipelines of the account with their objects; read once, then kept.

        Raises:
            HevoConfigurationError: The account has no pipelines.
            HevoError: Hevo could not be read, and nothing was kept.
        """
        return self.load_workspace()

    def load_workspace(
        self,
        *,
        selector: PipelineSelector | None = None,
        pipeline_id: int | None = None,
        strict: bool = False,
        include_columns: bool = False,
    ) -> AccountSnapshot:
        """The account's pipelines and objects, read once and kept for ``definitions_max_age``.

        Args:
            selector: Which pipelines to take; all where there is none.
            pipeline_id: Only this pipeline.
            strict: Whether one pipeline that cannot be read fails all; else its objects stay as
                they were read earlier, or it is left out, with a warning.
            include_columns: Whether to read the columns too, a request per object, as far as the
                budget has room; the rest is read at the next load.

        Returns:
            The wanted pipelines, with their objects.

        Raises:
            HevoConfigurationError: The account has no pipelines, or ``snapshot_path`` is no
                snapshot.
            HevoError: Hevo could not be read, and nothing was kept.
        """
        wanted = Wanted(selector, pipeline_id, strict, include_columns)
        return self.loader.read(wanted).select(wanted.chosen)

    def loading_settings(self) -> LoadingSettings:
        """How the account's snapshot is kept."""
        return LoadingSettings(
            max_age=self.setting("definitions_max_age"),
            snapshot_path=self.setting("snapshot_path"),
            kept_in=self.setting("definitions_kept_in"),
        )

    def loading_budget(self) -> RequestBudget | None:
        """The request budget that bounds how many columns one load reads; None for no bound."""
        return self.get_budget() if self.setting("requests_per_minute") else None

    @property
    def state_key(self) -> str:
        """What names the account's state in a code location; its keys need not be at hand."""
        return f"dagster-hevo/{self.account}/{digest_of(self.api_key)}"

    @property
    def account_name(self) -> str:
        """What names the account and its user in file names; no secret can be read of it."""
        host = "".join(c if c.isalnum() else "-" for c in self.account.split("://", 1)[1])
        return f"{host}-{digest_of(self.setting('api_key'))}"


def digest_of(key: str) -> str:
    """What tells an API key from others, and nothing else of it."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]
