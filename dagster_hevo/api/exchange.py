"""One request to Hevo and its answer, over kept-alive connections, within bounds.

Whether a request is repeated, and what its answer means, is decided in `transport.py`.
"""

from __future__ import annotations

import inspect
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.utils
import urllib3.exceptions

from dagster_hevo.api.answers import Answer, date_of
from dagster_hevo.api.bounded_body import LONGEST_BODY, LONGEST_ERROR_BODY, Body, read_body
from dagster_hevo.api.broken_connections import connection_error
from dagster_hevo.api.confidential import Hidden, Secrets, secrets_in
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.settings import is_loopback
from dagster_hevo.api.total_time import BoundedAdapter
from dagster_hevo.version import __version__

MAX_CONNECTIONS = 8
_log = logging.getLogger("dagster_hevo")
_OWN_REQUEST_ARGUMENTS = frozenset(
    {
        *("allow_redirects", "auth", "data", "files", "headers", "json", "method", "params"),
        *("stream", "timeout", "url"),
    }
)
_REQUEST_ARGUMENTS = frozenset(inspect.signature(requests.Session.request).parameters) - {"self"}


@dataclass(frozen=True)
class Request:
    """One request to Hevo.

    Attributes:
        is_repeatable: Whether sending it twice does no harm. A trigger is not: it may have worked
            although its answer was lost.
        is_urgent: Whether it goes before others when all wait for the request budget.
        is_confidential: Whether its body holds secrets, which no message may repeat.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    is_repeatable: bool = True
    is_urgent: bool = False
    is_confidential: bool = False


class HevoSession(requests.Session):
    """Leaves redirects to us: `requests` would stumble over a URL that cannot be read.

    It also reads proxies and certificates from the environment once per host, not once per
    request: that took a fifth of a request's CPU time. The arguments are the same for all our
    requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, Any] = {}

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        parts = urlsplit(str(url))
        if parts.netloc not in self._settings:
            given: dict[str, str] = dict(proxies or {})
            found: Any = super().merge_environment_settings(url, dict(given), stream, verify, cert)
            if is_loopback(parts.hostname or ""):
                # Plain http is allowed there because the keys do not leave the machine: a proxy
                # that the environment names would get them to read.
                found["proxies"] = given
            self._settings[parts.netloc] = found
        return dict(self._settings[parts.netloc])

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Exchange:
    """The kept-alive connections to one Hevo account. Safe to share between threads.

    Args:
        api_key: The user name of HTTP Basic auth.
        api_secret: Its password.
        extra_headers: Sent with every request, over the headers set here.
        extra_kwargs: Handed to every ``requests`` call (``proxies``, ``verify``, ``cert``).
        base_url: Where it will send to, to check the proxies by.
        monotonic: The clock by which Hevo's time is carried on.

    Raises:
        HevoConfigurationError: If ``extra_kwargs`` names an argument that is set here or that
            ``requests`` does not have, or a proxy that would read the keys, or ``extra_headers``
            holds what no header can.
    """

    def __init__(
        self,
        *,
        api_key: str,
        api_secret: str,
        extra_headers: Mapping[str, str],
        extra_kwargs: Mapping[str, Any],
        base_url: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # First of all: an error's frames show the variables of this one.
        keys, headers, kwargs = (
            Hidden((api_key, api_secret)),
            Hidden(dict(extra_headers)),
            Hidden(dict(extra_kwargs)),
        )
        del api_key, api_secret, extra_headers, extra_kwargs
        _check_extras(headers, kwargs)
        _check_proxies(kwargs, base_url)
        self._token = Hidden(b64encode(":".join(keys.value).encode()).decode())
        given = secrets_in(headers.value, kwargs.value)
        self.secrets = Secrets((*keys.value, self._token.value, *given))
        self.requests_sent = 0
        self._monotonic = monotonic
        self._extra_kwargs = kwargs
        self._hevo_time: tuple[int, float] | None = None  # replaced as one: threads share it
        self._session = HevoSession()
        self._session.headers.update(
            {
                "User-Agent": f"dagster-hevo/{__version__}",
                "Accept": "application/json",
                **headers.value,
            }
        )
        # As Hevo's own client does, also where there is no body.
        has_own_type = "Content-Type" in self._session.headers
        self._post_headers = {} if has_own_type else {"Content-Type": "application/json"}
        # Every request carries the keys and threads share the session, so cookies have no use.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = BoundedAdapter(pool_connections=1, pool_maxsize=MAX_CONNECTIONS, pool_block=True)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._session.close()

    def hevo_now_ms(self) -> int | None:
        """Hevo's time now by the last readable ``Date`` header, in epoch milliseconds."""
        told = self._hevo_time
        if told is None:
            return None
        date, heard_at = told
        return date + int((self._monotonic() - heard_at) * 1000)

    def send(self, request: Request, url: str, query: Mapping[str, str], timeout: float) -> Answer:
        """Send a request once and read its answer.

        Args:
            request: The request.
            url: Where it goes: its own path, or where a redirect leads.
            query: The query to send.
            timeout: Seconds until the answer is read, in all.

        Raises:
            HevoConnectionError: No answer came, or not all of it.
            HevoConfigurationError: A URL or a file among the settings cannot be used.
        """
        self.requests_sent += 1
        try:
            response = self._session.request(
                request.method,
                url,
                params=dict(query) or None,
                json=request.body,
                headers=self._post_headers if request.method == "POST" else None,
                auth=self._signed,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                **self._extra_kwargs.value,
            )
            self._remember_date(response.headers)
            body = self._read_body(response)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as caught:
            host = urlsplit(url).netloc
            error = connection_error(request.method, request.path, host, timeout, caught)
        except OSError:
            error = HevoConfigurationError(
                "extra_kwargs: verify or cert names a file that cannot be read as certificates."
            )
        else:
            return Answer(response.status_code, response.headers, body.content, body.is_cut)
        # Out here, because the original holds the Authorization header: it must not hang on.
        raise error

    def _read_body(self, response: requests.Response) -> Body:
        is_success = 200 <= response.status_code < 300
        try:
            return read_body(response, LONGEST_BODY if is_success else LONGEST_ERROR_BODY)
        except requests.exceptions.ContentDecodingError:
            response.close()
            if is_success:
                raise
            return Body(b"")  # the status says enough
        except BaseException:
            response.close()
            raise

    def _remember_date(self, headers: Mapping[str, str]) -> None:
        date = date_of(headers)
        if date is not None:
            self._hevo_time = (date, self._monotonic())

    def _signed(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        # Not the tuple that `requests` offers: it reads keys as Latin-1 and breaks on others.
        prepared.headers["Authorization"] = f"Basic {self._token.value}"
        return prepared


def _check_extras(headers: Hidden[dict[str, str]], kwargs: Hidden[dict[str, Any]]) -> None:
    taken = sorted(_OWN_REQUEST_ARGUMENTS & kwargs.value.keys())
    if taken:
        raise HevoConfigurationError(
            f"extra_kwargs may not hold {', '.join(taken)}: the client sets it. "
            "Use the client's own settings (timeout, extra_headers) instead."
        )
    unknown = sorted(kwargs.value.keys() - _REQUEST_ARGUMENTS)
    if unknown:
        raise HevoConfigurationError(
            f"extra_kwargs holds {', '.join(unknown)}, which requests.Session.request does not "
            "take. It takes, for example, proxies, verify and cert."
        )
    unfit = [name for name in headers.value if not _fits_a_header(name, headers.value[name])]
    if unfit:
        raise HevoConfigurationError(
            f"extra_headers: {', '.join(map(repr, unfit))} cannot be sent. Names and values "
            "must be text without line breaks and leading spaces."
        )
    if kwargs.value.get("verify") is False:
        _log.warning(
            "extra_kwargs has verify=False: whoever is between this machine and Hevo can read the "
            "API secret. Set verify to the file of the certificate authority instead."
        )


def _check_proxies(kwargs: Hidden[dict[str, Any]], base_url: str) -> None:
    """Refuse a proxy elsewhere for plain http, which is for this machine only."""
    if not base_url.startswith("http://"):
        return
    proxy = Hidden(requests.utils.select_proxy(base_url, kwargs.value.get("proxies")))
    try:
        host = urlsplit(proxy.value).hostname if proxy.value else "localhost"
    except ValueError:
        return  # `requests` cannot read it either
    if not is_loopback(host or ""):
        raise HevoConfigurationError(
            f"extra_kwargs has a proxy, {host}, for a base_url with plain http: it would get the "
            "API secret to read. Take the proxy out, or use https."
        )


def _fits_a_header(name: str, value: str) -> bool:
    try:
        requests.utils.check_header_validity((name, value))
        name.encode("latin-1")
        value.encode("latin-1")
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError, AttributeError):
        return False
    return True
