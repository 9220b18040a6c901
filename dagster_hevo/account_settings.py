"""The settings of a Hevo account: what they are, what they may be, where their values come from.

What is done with them is `resources.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import ConfigDict, Field
from pydantic_core import PydanticUndefined

from dagster_hevo.api.settings import (
    LEAST_TIMEOUT,
    check_names,
    check_number,
    resolve_base_url,
)
from dagster_hevo.definitions.enrichment import check_url_template
from dagster_hevo.definitions.kept_state import check_place
from dagster_hevo.secrets import GivenFor, concealed_within, revealed_within
from dagster_hevo.variables import is_variable, read_variable, text_of_variable


class AccountSettings(dg.ConfigurableResource[Any]):
    """The fields of `HevoResource`. Any of them may come from an environment variable."""

    model_config = ConfigDict(hide_input_in_errors=True)

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

    definitions_kept_in: str = Field(
        default="dagster_home",
        description="Where they are kept: dagster_home (a file), or defs_state_storage (the "
        "Dagster instance's own storage, which several machines share).",
    )
    from_environment: dict[str, str] = Field(
        default_factory=dict,
        description="Settings that are no text and come from environment variables, each with the "
        "variable's name. Filled by giving dg.EnvVar for such a setting.",
    )

    def __init__(self, **settings: Any) -> None:
        # First of all: an error's frames show the variables of this one.
        settings = self._concealed(settings)
        check_names(settings, type(self).model_fields)
        variables = dict(settings.get("from_environment") or {})
        for name in settings.keys() - TEXTS:
            if is_variable(settings[name]):
                variables[name] = settings[name].env_var_name
        if variables:
            settings = {name: value for name, value in settings.items() if name not in variables}
            settings["from_environment"] = variables
        super().__init__(**settings)
        self._check_settings()

    @classmethod
    def configure_at_launch(cls, **settings: Any) -> Any:
        """As Dagster's own, with secrets concealed."""
        return super().configure_at_launch(**cls._concealed(settings))  # pyright: ignore[reportUnknownMemberType] (partly untyped in Dagster)

    @classmethod
    def _concealed(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with handles in place of secrets, the defaults of a subclass included."""
        own = {
            name: found
            for name in CONCEALED - settings.keys()
            if (found := cls.model_fields[name].get_default(call_default_factory=True))
            and found is not PydanticUndefined
        }
        settings = {**settings, **own}
        given_for = GivenFor.of(settings, {n: f.default for n, f in cls.model_fields.items()})
        for name in CONCEALED & settings.keys():
            # A variable's name is no secret. A file's would be run configuration to Dagster.
            if name == "rate_limit_store" or not is_variable(settings[name]):
                settings[name] = concealed_within(settings[name], name, given_for)
        return settings

    def _check_settings(self) -> None:
        """Refuse what cannot work, before any request is made."""
        check_names(self.from_environment, type(self).model_fields)
        if not isinstance(self.base_url, dg.EnvVar) and not isinstance(self.region, dg.EnvVar):
            resolve_base_url(self.region, self.base_url)
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, dg.EnvVar):
                check(value)
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, int | float):
                check_number(name, value, least)

    @property
    def account(self) -> str:
        """Hevo's base URL."""
        base_url = self.setting("base_url")
        return resolve_base_url("us" if base_url else self.setting("region"), base_url)

    def _revealed(self, name: str, value: object) -> object:
        if is_variable(value):
            return text_of_variable(name, value.env_var_name)
        return revealed_within(value, name, self.account) if name in CONCEALED else value

    def setting(self, name: str) -> Any:
        """The value of a setting, wherever it comes from; secrets included.

        Args:
            name: The setting, e.g. ``timeout``.

        Raises:
            HevoConfigurationError: It comes from an environment variable that is not set, or that
                holds nothing which the setting can be.
        """
        variable = self.from_environment.get(name)
        if variable is not None:
            value = read_variable(name, variable, type(self).model_fields[name].annotation)
        else:
            value = self._revealed(name, getattr(self, name))
        if name in _LEAST and value is not None:
            check_number(name, value, _LEAST[name])
        if name in _CHECKS and value is not None:
            _CHECKS[name](value)
        return value


CONCEALED = frozenset(
    {"api_key", "api_secret", "rate_limit_store", "extra_headers", "extra_kwargs"}
)
"""Settings in which Dagster is given handles in place of values (`secrets.py`)."""
TEXTS = frozenset(
    {
        *("api_key", "api_secret", "region", "base_url", "rate_limit_store"),
        *("snapshot_path", "ui_url_template", "definitions_kept_in"),
    }
)
"""Settings whose environment variables Dagster itself knows how to keep and read."""
_LEAST = {
    **dict.fromkeys(
        ("retry_delay", "requests_per_minute", "poll_timeout", "job_discovery_timeout"), 0
    ),
    **dict.fromkeys(("job_objects_timeout", "deferred_timeout", "definitions_max_age"), 0),
    **{"retry_limit": 1, "page_size": 1, "timeout": LEAST_TIMEOUT, "poll_interval": 0.001},
}
_CHECKS: dict[str, Callable[[Any], None]] = {
    "ui_url_template": check_url_template,
    "definitions_kept_in": check_place,
}
