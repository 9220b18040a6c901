"""Where Hevo is and what is worth another attempt: settings that client and resource share.

Kept apart from `transport.py` so that a code location can check its settings without loading the
HTTP library.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from dagster_hevo.api.errors import REGIONS, HevoConfigurationError

DEFAULT_RETRYABLE_STATUS_CODES = frozenset({429, *range(500, 600)})


def resolve_base_url(region: str, base_url: str | None) -> str:
    """The address of Hevo, without a trailing slash.

    Args:
        region: A region's short name; a name not known here is accepted, since Hevo adds regions.
        base_url: A full address, which wins over the region.

    Raises:
        HevoConfigurationError: The region is no host name, the address is none, it holds keys, or
            it is plain http to anywhere but this machine.
    """
    if base_url is None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", region):
            raise HevoConfigurationError(
                f"region is {region!r}: it must be a short name such as {', '.join(REGIONS)}; "
                "for any other address set base_url."
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
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise HevoConfigurationError(
            f"base_url is plain http to {parts.hostname}, which would send the API secret readable "
            "to everyone in between: use https. Plain http is for this machine (a sandbox) only."
        )
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
