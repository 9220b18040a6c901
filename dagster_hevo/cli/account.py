"""The account that a command asks: options, and keys from the environment."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dagster_hevo.cli.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from dagster_hevo.resources import HevoResource

KEYS = ("HEVO_API_KEY", "HEVO_API_SECRET")

Callback = Callable[..., Any]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON to stdout, and nothing else there."
)


def address_options(callback: Callback) -> Callback:
    """Add the options that say where Hevo is. There are none for keys: others could read them."""
    for option in (
        click.option(
            "--base-url",
            envvar="HEVO_BASE_URL",
            show_envvar=True,
            metavar="URL",
            help="The full address of Hevo, instead of a region.",
        ),
        click.option(
            "--region",
            envvar="HEVO_REGION",
            show_envvar=True,
            default="us",
            show_default=True,
            help="Region of the account: us, us2, eu, in, asia, au, or a newer one.",
        ),
    ):
        callback = option(callback)
    return callback


def with_account(callback: Callback) -> Callback:
    """Give a command the account as its first argument, and its options."""

    @address_options
    @json_option
    @functools.wraps(callback)
    def run(region: str, base_url: str | None, **options: Any) -> Any:
        return callback(open_account(region, address_meant(base_url)), **options)

    return run


def address_meant(base_url: str | None) -> str | None:
    """The base URL, unless it stands in the environment and a region was typed: that is meant."""
    source = click.get_current_context().get_parameter_source
    typed_region = source("region") is ParameterSource.COMMANDLINE
    if typed_region and source("base_url") is not ParameterSource.COMMANDLINE:
        return None
    return base_url or None


def missing_keys() -> list[str]:
    """The environment variables that should hold a key and do not."""
    return [name for name in KEYS if not os.environ.get(name, "").strip()]


def open_account(region: str, base_url: str | None) -> HevoResource:
    """The account as a resource, so that commands share the request budget of its runs.

    Raises:
        CommandError: A key is not in the environment.
        HevoConfigurationError: The address or a setting cannot work.
    """
    missing = missing_keys()
    if missing:
        raise CommandError(
            f"{' and '.join(missing)} not set. Make API keys in Hevo as an owner of the account "
            "(Settings, API Keys) and set both environment variables; keys are no options, since "
            "others on the machine could read them there.",
            ExitCode.KEYS,
        )
    import dagster as dg

    from dagster_hevo.resources import HevoResource

    return HevoResource(
        api_key=dg.EnvVar("HEVO_API_KEY"),
        api_secret=dg.EnvVar("HEVO_API_SECRET"),
        region=region,
        base_url=base_url,
        requests_per_minute=requests_per_minute(),
        rate_limit_store=(
            dg.EnvVar("HEVO_RATE_LIMIT_STORE") if os.environ.get("HEVO_RATE_LIMIT_STORE") else None
        ),
    )


def requests_per_minute() -> int:
    """The request budget: HEVO_REQUESTS_PER_MINUTE, else what Hevo gives a user.

    Raises:
        CommandError: The variable holds no number.
    """
    text = os.environ.get("HEVO_REQUESTS_PER_MINUTE", "").strip() or "100"
    if not text.isdecimal():
        raise CommandError(
            "HEVO_REQUESTS_PER_MINUTE must be a whole number; 0 for no limit.", ExitCode.USAGE
        )
    return int(text)
