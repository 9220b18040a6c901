"""Where Hevo is and what is worth another attempt: settings that client and resource share.

Kept apart from `transport.py` so that a code location can check its settings without loading the
HTTP library.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from dagster_hevo.api.confidential import Hidden
from dagster_hevo.api.errors import REGIONS, HevoConfigurationError

DEFAULT_RETRYABLE_STATUS_CODES = frozenset({429, *range(500, 600)})


LEAST_TIMEOUT = 0.001
MOST = 1e9
"""The most that a number among the settings may be: thirty years of seconds.

Python can neither sleep nor wait for a socket much longer.
"""


def check_number(name: str, value: object, least: float, *, is_whole: bool = False) -> None:
    """Refuse what is no number, or none that can work.

    Args:
        name: The setting.
        value: Its value.
        least: The least that it may be.
        is_whole: Whether it counts something.

    Raises:
        HevoConfigurationError: It is no number, not finite, too small or too large.
    """
    kinds = int if is_whole else int | float
    if not isinstance(value, kinds) or isinstance(value, bool) or math.isnan(value):
        kind = "a whole number" if is_whole else "a number"
        raise HevoConfigurationError(f"{name} is {value!r}: it must be {kind}.")
    if value < least:
        raise HevoConfigurationError(f"{name} is {value}: it must be at least {least}.")
    if value > MOST:
        raise HevoConfigurationError(f"{name} is {value}: it must be at most {MOST:.0f}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """A question for somebody who mistyped a name; empty where no known name is near."""
    close = get_close_matches(name.lower(), list(known), n=1)
    return f" Did you mean {close[0]}?" if close else ""


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse settings that there are not: a mistyped one would silently have its default.

    Args:
        given: The names of the settings.
        known: The names that there are.

    Raises:
        HevoConfigurationError: One is unknown; the message has the nearest known name.
    """
    names = set(known)
    for name in given:
        if name not in names:
            raise HevoConfigurationError(
                f"There is no setting {name!r}.{nearest(name, names)} Settings are "
                f"{', '.join(sorted(names))}."
            )


def check_keys(keys: Hidden[dict[str, Any]]) -> None:
    """Refuse keys that are none.

    Raises:
        HevoConfigurationError: One is no text, or empty.
    """
    for name in keys.value:
        if keys.value[name] is not None and not isinstance(keys.value[name], str):
            kind = type(keys.value[name]).__name__
            raise HevoConfigurationError(f"{name} is not text: {kind}.")
        if not (keys.value[name] or "").strip():
            raise HevoConfigurationError(
                f"{name} is empty. Make API keys in Hevo (Settings, API Keys, as an owner) "
                f"and pass them, for example from the environment variable HEVO_{name.upper()}."
            )


def retryable_codes(given: Iterable[int] | None) -> frozenset[int]:
    """The status codes worth another attempt: those given, else the default.

    Raises:
        HevoConfigurationError: They are not a list of status codes.
    """
    if given is None:
        return DEFAULT_RETRYABLE_STATUS_CODES
    codes: list[object] = list(given) if isinstance(given, Iterable) else [given]  # pyright: ignore[reportUnnecessaryIsInstance] (callers without a type checker)
    if not isinstance(given, Iterable) or not all(type(code) is int for code in codes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise HevoConfigurationError(
            f"retryable_status_codes holds {codes!r:.100}: it must be a list of numbers, e.g. "
            "[429, 503]."
        )
    return frozenset(given)


def resolve_base_url(region: str, base_url: str | None) -> str:
    """The address of Hevo, without a trailing slash.

    Args:
        region: A region's short name; a name not known here is accepted, since Hevo adds regions.
        base_url: A full address, which wins over the region.

    Raises:
        HevoConfigurationError: The region is no host name, the address is none, it holds keys, or
            it is plain http to anywhere but this machine.
    """
    for name, value in {"region": region, "base_url": base_url or ""}.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] (callers without a type checker)
            raise HevoConfigurationError(f"{name} is not text: {type(value).__name__}.")
    if base_url is None:
        if "@" in region or "/" in region:  # an address, in which a password may stand
            raise HevoConfigurationError("region is an address: set base_url to it instead.")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", region):
            raise HevoConfigurationError(
                f"region is {region!r}: it must be a short name such as {', '.join(REGIONS)}."
                f"{nearest(region, REGIONS)} For any other address set base_url."
            )
        return f"https://{region}.hevodata.com"
    base_url = base_url.strip()  # settings from files and environments often end in a line break
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise HevoConfigurationError(
            "base_url must be an address such as https://eu.hevodata.com, without a query."
        )
    if parts.username is not None or parts.password is not None:
        raise HevoConfigurationError(
            "base_url holds a user name or password: set api_key and api_secret instead."
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise HevoConfigurationError(
            f"base_url is plain http to {parts.hostname}, which would send the API secret readable "
            "to everyone in between: use https. Plain http is for this machine (a sandbox) only."
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
