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
from pydantic import Field, PrivateAttr

from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.settings import LEAST_TIMEOUT, check_number, resolve_base_url
from dagster_hevo.definitions.enrichment import AssetFacts, check_url_template
from dagster_hevo.definitions.loader import AccountLoader, LoadingSettings
from dagster_hevo.definitions.reading import Wanted
from dagster_hevo.definitions.snapshot import AccountSnapshot, PipelineSelector
from dagster_hevo.jobs.request import IfJobRunning
from dagster_hevo.jobs.settings import JobSettings
from dagster_hevo.secrets import concealed, concealed_within, revealed, revealed_within
from dagster_hevo.sync_config import HevoSyncConfig

if TYPE_CHECKING:
    from dagster_hevo.api.async_client import AsyncHevoClient
    from dagster_hevo.api.client import HevoClient
    from dagster_hevo.api.rate_limit import RequestBudget
    from dagster_hevo.api.transport import Budget


class HevoResource(dg.ConfigurableResource[Any]):
    """A Hevo account: its keys, its region, and how patiently it is asked.

    Example:
        ::

            HevoResource(
                api_key=dg.EnvVar("HEVO_API_KEY"),
                api_secret=dg.EnvVar("HEVO_API_SECRET"),
                region="eu",
            )
    """

    api_key: str = Field(
        description="API key (the user name of HTTP Basic auth), made by an owner of the account. "
        "Use dg.EnvVar.",
    )
    api_secret: str = Field(description="API secret (its password). Use dg.EnvVar.")
    region: str = Field(
        default="us",
        description="Region of the account: us, us2, eu, in, asia, au, us-gcp, or a newer one.",
    )
    base_url: str | None = Field(
        default=None,
        description="Full address of Hevo, instead of a region. Plain http only to this machine.",
    )
    retry_limit: int = Field(default=3, description="Attempts a request, at least 1.")
    retry_delay: float = Field(
        default=2.0,
        description="Seconds before the second attempt; later ones wait exponentially longer.",
    )
    timeout: float = Field(default=30.0, description="Seconds to wait for an answer.")
    retryable_status_codes: list[int] | None = Field(
        default=None,
        description="Status codes worth another attempt. Default: 429 and 500 to 599; [] for "
        "network errors only.",
    )
    extra_headers: dict[str, str] = Field(
        default_factory=dict, description="Sent with every request."
    )
    extra_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="Handed to every requests call: proxies, verify, cert.",
    )
    requests_per_minute: int = Field(
        default=100,
        description="The request budget of the user who owns the keys; 0 switches the limiter off.",
    )
    rate_limit_store: str | None = Field(
        default=None,
        description="Where processes share the budget: memory, sqlite:///PATH, postgresql://... or "
        "redis://... . Default: a SQLite file a user under DAGSTER_HOME, else the temp folder.",
    )
    page_size: int = Field(default=100, description="Entries in one page of a list.")
    poll_interval: float = Field(
        default=10.0, description="Seconds: the shortest time between two polls of one job."
    )
    poll_timeout: float | None = Field(
        default=24 * 3600.0,
        description="Seconds to wait for a job's end in all; null for as long as it takes.",
    )
    job_discovery_timeout: float = Field(
        default=60.0, description="Seconds that a triggered job may take to show up."
    )
    job_objects_timeout: float = Field(
        default=120.0,
        description="Seconds that the list of a job's objects may lag behind the job's end.",
    )
    deferred_timeout: float = Field(
        default=6 * 3600.0,
        description="Seconds that a job may stay DEFERRED, which Hevo calls a job while the "
        "source's own limits are used up.",
    )
    cancel_on_termination: bool = Field(
        default=True,
        description="Whether to cancel the Hevo job when the Dagster run is terminated or "
        "poll_timeout runs out.",
    )

    definitions_max_age: float = Field(
        default=15 * 60.0,
        description="Seconds that pipelines and objects read from Hevo are kept under DAGSTER_HOME "
        "for the next load of the code location; 0 asks Hevo at every load.",
    )
    snapshot_path: str | None = Field(
        default=None,
        description="A file written by `dagster-hevo snapshot`, to load definitions from instead "
        "of Hevo.",
    )
    ui_url_template: str | None = Field(
        default=None,
        description="Address of a pipeline's page, linked from its assets, with {region} and "
        "{pipeline_id}: e.g. https://{region}.hevodata.com/pipeline/{pipeline_id}.",
    )

    _client: Any = PrivateAttr(default=None)
    _budgets: Any = PrivateAttr(default_factory=dict)
    _loader: Any = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.RLock)

    def __init__(self, **settings: Any) -> None:
        for name in ("api_key", "api_secret", "rate_limit_store"):
            if name in settings:
                settings[name] = concealed(settings[name])
        # Headers may hold keys of a gateway, and proxies passwords.
        for name, plain in {"extra_headers": (), "extra_kwargs": ("verify", "cert")}.items():
            if name in settings:
                settings[name] = concealed_within(settings[name], but=plain)
        super().__init__(**settings)
        self._check_settings()

    def _check_settings(self) -> None:
        """Refuse what cannot work, before any request is made."""
        if not isinstance(self.base_url, dg.EnvVar) and not isinstance(self.region, dg.EnvVar):
            resolve_base_url(self.region, self.base_url)
        if self.ui_url_template is not None and not isinstance(self.ui_url_template, dg.EnvVar):
            check_url_template(self.ui_url_template)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, int | float):
                check_number(name, value, least)

    @property
    def account(self) -> str:
        """The address of Hevo that this resource asks."""
        base_url = None if self.base_url is None else self._value("base_url")
        return resolve_base_url("us" if base_url else self._value("region"), base_url)

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

        timeout = self.timeout if longest_timeout is None else min(self.timeout, longest_timeout)
        return HevoClient(
            api_key=self._value("api_key"),
            api_secret=self._value("api_secret"),
            base_url=self.account,
            retry_limit=self.retry_limit if retry_limit is None else retry_limit,
            retry_delay=self.retry_delay,
            timeout=timeout,
            retryable_status_codes=self.retryable_status_codes,
            extra_headers=revealed_within(self.extra_headers),
            extra_kwargs=revealed_within(self.extra_kwargs),
            page_size=self.page_size,
            budget=self.get_budget() if budget is None else budget,
        )

    def get_async_client(self) -> AsyncHevoClient:
        """The same client for asynchronous code; it shares session and budget."""
        from dagster_hevo.api.async_client import AsyncHevoClient

        return AsyncHevoClient(self.get_client())

    def get_budget(self) -> RequestBudget:
        """The request budget that all processes with these keys share."""
        return self._shared_budget("", self.requests_per_minute)

    def get_budget_share(self, purpose: str, share: float) -> RequestBudget:
        """A part of the user's budget that one purpose may spend, over all processes.

        Args:
            purpose: Tells the part from others.
            share: How much of the budget, 0 to 1.
        """
        limit = self.requests_per_minute
        return self._shared_budget(f"\n{purpose}", max(int(limit * share), 2) if limit else 0)

    def _shared_budget(self, suffix: str, requests_per_minute: int) -> RequestBudget:
        from dagster_hevo.api.rate_limit import open_budget

        with self._lock:
            if suffix not in self._budgets:
                self._budgets[suffix] = open_budget(
                    None if self.rate_limit_store is None else self._value("rate_limit_store"),
                    requests_per_minute=requests_per_minute,
                    user_key=f"{self.account}\n{self._value('api_key')}{suffix}",
                )
            return self._budgets[suffix]

    def _value(self, name: str) -> str:
        """A setting's value: from the environment, from where it was concealed, or as it is."""
        value = getattr(self, name)
        if isinstance(value, dg.EnvVar):
            found = value.get_value()
            if not found:
                raise HevoConfigurationError(
                    f"{name} is to come from the environment variable {value.env_var_name}, which "
                    "is not set. Set it in the place where this code runs."
                )
            return found
        return revealed(value)

    def job_settings(self, if_job_running: IfJobRunning = IfJobRunning.WAIT) -> JobSettings:
        """The bounds of a job's life, as set here."""
        return JobSettings(
            poll_interval=self.poll_interval,
            poll_timeout=self.poll_timeout,
            job_discovery_timeout=self.job_discovery_timeout,
            job_objects_timeout=self.job_objects_timeout,
            deferred_timeout=self.deferred_timeout,
            cancel_on_termination=self.cancel_on_termination,
            if_job_running=if_job_running,
            requests_per_minute=self.requests_per_minute,
        )

    def asset_facts(
        self, *, freshness_from_schedule: bool = False, include_source_lineage: bool = False
    ) -> AssetFacts:
        """What to add to the specs of this account's assets.

        Args:
            freshness_from_schedule: Whether a pipeline's schedule makes a freshness policy.
            include_source_lineage: Whether the tables in the source are assets upstream.
        """
        template = None if self.ui_url_template is None else self._value("ui_url_template")
        return AssetFacts(
            freshness_from_schedule=freshness_from_schedule,
            include_source_lineage=include_source_lineage,
            ui_url_template=template,
            region="" if template is None or "{region}" not in template else self._value("region"),
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
            max_age=self.definitions_max_age,
            snapshot_path=None if self.snapshot_path is None else self._value("snapshot_path"),
        )

    def loading_budget(self) -> RequestBudget | None:
        """The request budget that bounds how many columns one load reads; None for no bound."""
        return self.get_budget() if self.requests_per_minute else None

    @property
    def state_key(self) -> str:
        """What names the account's state in a code location; its keys need not be at hand."""
        user = hashlib.sha256(self.api_key.encode()).hexdigest()[:8]
        return f"dagster-hevo/{self.account}/{user}"

    @property
    def account_name(self) -> str:
        """What names the account and its user in file names; no secret can be read of it."""
        user = hashlib.sha256(self._value("api_key").encode()).hexdigest()[:8]
        host = "".join(c if c.isalnum() else "-" for c in self.account.split("://", 1)[1])
        return f"{host}-{user}"


_LEAST = {
    **dict.fromkeys(
        ("retry_delay", "requests_per_minute", "poll_timeout", "job_discovery_timeout"), 0
    ),
    **dict.fromkeys(("job_objects_timeout", "deferred_timeout", "definitions_max_age"), 0),
    **{"retry_limit": 1, "page_size": 1, "timeout": LEAST_TIMEOUT, "poll_interval": 0.001},
}
