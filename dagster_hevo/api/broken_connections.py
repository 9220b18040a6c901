"""What a broken connection means: what to tell people, and whether the request may have arrived.

The second decides whether a trigger may be sent again (`transport.py`), so in doubt it has arrived.
"""

from __future__ import annotations

import ssl

import requests
import urllib3.exceptions

from dagster_hevo.api.errors import (
    REGIONS,
    HevoConfigurationError,
    HevoConnectionError,
    HevoError,
)


def connection_error(
    method: str,
    path: str,
    host: str,
    timeout: float,
    error: requests.exceptions.RequestException | urllib3.exceptions.HTTPError,
) -> HevoError:
    """The error for a request that got no answer.

    Args:
        method: The HTTP method of the request.
        path: Its path.
        host: The host that the request went to, with its port.
        timeout: Seconds that the request and its answer were given in all.
        error: What `requests` or `urllib3` raised. Its text is not used: it may quote headers.
    """
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    seconds = f"{round(timeout, 2):g} s"
    if isinstance(error, urllib3.exceptions.EmptyPoolError):
        what = (
            f"all connections to {host} were in use for {seconds}. Send fewer requests at the same "
            "time, or raise timeout."
        )
        return HevoConnectionError(method, path, what, was_sent=False)
    if isinstance(error, requests.exceptions.SSLError):
        if _refused_certificate(reason):
            what = (
                f"the certificate of {host} was not accepted. Check region or base_url; behind a "
                "proxy that reads traffic, set extra_kwargs={'verify': 'its-ca.pem'}."
            )
            return HevoConnectionError(method, path, what, was_sent=False)
        what = (
            f"TLS with {host} failed ({_words(reason)}). Check that base_url speaks https on that "
            "port, and a proxy in between."
        )
        return HevoConnectionError(method, path, what, was_sent=True)
    if isinstance(error, requests.exceptions.ProxyError):
        what = f"the proxy before {host} did not pass it on. Check the proxy settings."
        return HevoConnectionError(method, path, what, was_sent=not _never_left_the_proxy(reason))
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        what = (
            f"the name {host} does not resolve. Check region (known: {', '.join(REGIONS)}) "
            "or base_url, and this machine's network."
        )
        return HevoConnectionError(method, path, what, was_sent=False)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        what = f"{host} took no connection within {seconds}. Check the network."
        return HevoConnectionError(method, path, what, was_sent=False)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        what = (
            f"{host} refused the connection. Check region or base_url, its port, and this "
            "machine's network and firewall."
        )
        return HevoConnectionError(method, path, what, was_sent=False)
    if isinstance(error, requests.exceptions.Timeout) or _ran_out_of_time(reason):
        what = (
            f"{host} did not answer in full within {seconds} (timeout). Check Hevo's status "
            "page; where answers are merely slow, raise timeout."
        )
        return HevoConnectionError(method, path, what, was_sent=True)
    if isinstance(
        error,
        requests.exceptions.InvalidURL
        | requests.exceptions.InvalidSchema
        | urllib3.exceptions.LocationValueError,
    ):
        return HevoConfigurationError(
            f"no request can be sent to {host}: it, or a proxy before it, is not a valid URL. "
            "Check region or base_url, and the proxy settings."
        )
    what = (
        f"the connection to {host} broke before the answer was complete ({_words(reason)}). "
        "Check this machine's network, and Hevo's status page."
    )
    return HevoConnectionError(method, path, what, was_sent=True)


def _ran_out_of_time(reason: object) -> bool:
    """Whether time ran out while something was sent, or while the body was read."""
    causes = (reason, *getattr(reason, "args", ()))
    timeouts = (TimeoutError, urllib3.exceptions.ReadTimeoutError)
    return any(isinstance(cause, timeouts) for cause in causes)


def _refused_certificate(reason: object) -> bool:
    """Whether TLS failed before anything was sent; later failures have the same type."""
    causes = (reason, *getattr(reason, "args", ()))
    return any(isinstance(cause, ssl.CertificateError) for cause in causes)


def _never_left_the_proxy(reason: object) -> bool:
    """Whether a proxy was not reached, or refused to connect.

    Why the check is so exact: a connection that a plain proxy cuts after it has passed a request
    on is reported as a proxy's error too.
    """
    cause = getattr(reason, "original_error", reason)
    return isinstance(
        cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
    ) or str(cause).startswith("Tunnel connection failed")


def _words(reason: object) -> str:
    """A short name of what went wrong below, free of addresses and headers."""
    return type(reason).__name__ if isinstance(reason, BaseException) else "no reason given"
