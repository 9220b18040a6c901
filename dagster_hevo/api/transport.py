"""Sending one request to Hevo: session, keys, time limits, retries, and errors by their kind.

It knows no endpoint (`client.py`) and no shape of an answer (`models.py`).
"""

from __future__ import annotations

import inspect
import json
import random
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
import requests.utils
import tenacity
from requests.adapters import HTTPAdapter

from dagster_hevo.api.answers import error_kind, message_in, retry_after_of, shown_text
from dagster_hevo.api.broken_connections import connection_error
from dagster_hevo.api.confidential import spellings_of, texts_in, without
from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConfigurationError,
    HevoConflictError,
    HevoConnectionError,
    HevoGarbledResponseError,
    HevoRateLimitError,
    HevoResponseError,
)
from dagster_hevo.version import __version__

MAX_CONNECTIONS = 8
SHOWN_CHARACTERS = 500
MAX_REDIRECTS = 3
LONGEST_RETRY_DELAY = 60.0
_OWN_REQUEST_ARGUMENTS = frozenset(
    {
        *("allow_redirects", "auth", "data", "files", "headers", "json", "method", "params"),
        *("stream", "timeout", "url"),
    }
)
_REQUEST_ARGUMENTS = frozenset(inspect.signature(requests.Session.request).parameters) - {"self"}


class Budget(Protocol):
    """What the transport asks before each request; see `rate_limit.py`."""

    def acquire(self, urgent: bool = False) -> object: ...

    def exhaust(self, retry_after: float) -> None: ...


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


@dataclass(frozen=True)
class RetryRules:
    """When a request is sent again.

    Attributes:
        limit: Attempts in all.
        delay: Seconds before the second attempt; later ones wait exponentially longer.
        status_codes: Status codes worth another attempt. Network errors always are.
    """

    limit: int
    delay: float
    status_codes: frozenset[int]

    def allow(self, request: Request, error: BaseException) -> bool:
        """Whether ``request`` may be sent again after ``error``."""
        if isinstance(error, HevoConflictError):
            return False
        if isinstance(error, HevoConnectionError):
            return request.is_repeatable or not error.was_sent
        if isinstance(error, HevoGarbledResponseError):
            return request.is_repeatable
        if isinstance(error, HevoApiError) and error.status_code in self.status_codes:
            return request.is_repeatable or isinstance(error, HevoRateLimitError)
        return False


class _Session(requests.Session):
    """Leaves redirects to us: `requests` would stumble over an address that cannot be read.

    It also reads proxies and certificates from the environment once a host, not once a request:
    that took a fifth of a request's CPU time. The arguments are the same for all our requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, Any] = {}

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        host = urlsplit(str(url)).netloc
        if host not in self._settings:
            self._settings[host] = super().merge_environment_settings(
                url, proxies, stream, verify, cert
            )
        return dict(self._settings[host])

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Transport:
    """One kept-alive session to one Hevo account.

    Args:
        base_url: Where Hevo is, without a path.
        api_key: The user name of HTTP Basic auth.
        api_secret: Its password.
        timeout: Seconds that one attempt may take to connect, and between bytes of its answer.
        retry: When a request is sent again.
        extra_headers: Sent with every request, over the headers set here.
        extra_kwargs: Handed to every ``requests`` call (``proxies``, ``verify``, ``cert``).
        budget: Asked before each attempt; None sends at once.
        sleep: Waits between attempts; tests pass their own.

    Raises:
        HevoConfigurationError: If ``extra_kwargs`` names an argument that is set here or that
            ``requests`` does not have, or ``extra_headers`` holds what no header can.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        api_secret: str,
        timeout: float,
        retry: RetryRules,
        extra_headers: Mapping[str, str],
        extra_kwargs: Mapping[str, Any],
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        taken = sorted(_OWN_REQUEST_ARGUMENTS & extra_kwargs.keys())
        if taken:
            raise HevoConfigurationError(
                f"extra_kwargs may not hold {', '.join(taken)}: the client sets it. "
                "Use the client's own settings (timeout, extra_headers) instead."
            )
        unknown = sorted(extra_kwargs.keys() - _REQUEST_ARGUMENTS)
        if unknown:
            raise HevoConfigurationError(
                f"extra_kwargs holds {', '.join(unknown)}, which requests.Session.request does not "
                "take. It takes, for example, proxies, verify and cert."
            )
        unfit = [name for name, value in extra_headers.items() if not _fits_a_header(name, value)]
        if unfit:
            raise HevoConfigurationError(
                f"extra_headers: {', '.join(map(repr, unfit))} cannot be sent. Names and values "
                "must be text without line breaks and leading spaces."
            )
        self._base_url = base_url
        self._token = b64encode(f"{api_key}:{api_secret}".encode()).decode()
        self._own_secrets = (api_key, api_secret, self._token)
        self._timeout = timeout
        self._retry = retry
        self._budget = budget
        self._sleep = sleep
        self._extra_kwargs = dict(extra_kwargs)
        self.requests_sent = 0
        self._session = _Session()
        self._session.headers.update(
            {
                "User-Agent": f"dagster-hevo/{__version__}",
                "Accept": "application/json",
                **extra_headers,
            }
        )
        # Every request carries the keys and threads share the session, so cookies have no use.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=MAX_CONNECTIONS, pool_block=True)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"Transport(base_url={self._base_url!r})"

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._session.close()

    def send(self, request: Request) -> Any:
        """Send a request, again where that is allowed, and return the JSON of its answer.

        Returns:
            The parsed body, or None where the body is empty.

        Raises:
            HevoApiError: Hevo answered with an error status.
            HevoConnectionError: No answer came.
            HevoResponseError: The answer was not JSON, or led to another host.
            HevoConfigurationError: The body cannot be written as JSON.
        """
        if not _is_json(request.body):
            raise HevoConfigurationError(
                f"{request.method} {request.path}: what is to be sent is not JSON. Use only text, "
                "finite numbers, true and false, None, lists and dictionaries."
            )
        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._retry.limit),
            wait=self._delay_before_next,
            retry=tenacity.retry_if_exception(lambda error: self._retry.allow(request, error)),
            sleep=self._sleep,
            reraise=True,
        )
        return attempts(self._send_once, request)

    def _delay_before_next(self, state: tenacity.RetryCallState) -> float:
        first = self._retry.delay
        backoff = tenacity.wait_exponential(first, max=max(first, LONGEST_RETRY_DELAY))(state)
        backoff += random.uniform(0, first / 2)  # so that many clients do not march in step
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, HevoApiError) else None
        return backoff if asked is None else asked

    def _send_once(self, request: Request) -> Any:
        url, query = self._base_url + request.path, request.query
        for _ in range(MAX_REDIRECTS + 1):
            if self._budget is not None:
                self._budget.acquire(request.is_urgent)
            self.requests_sent += 1
            response = self._exchange(request, url, query)
            if not response.is_redirect:
                return self._read(request, response)
            # Where it leads says its own query.
            url, query = self._redirected(request, url, response), dict[str, str]()
        raise HevoResponseError(
            request.method, request.path, "redirected in circles. Check base_url."
        )

    def _exchange(self, request: Request, url: str, query: Mapping[str, str]) -> requests.Response:
        try:
            return self._session.request(
                request.method,
                url,
                params=dict(query) or None,
                json=request.body,
                auth=self._signed,
                timeout=self._timeout,
                allow_redirects=False,
                **self._extra_kwargs,
            )
        except requests.exceptions.RequestException as caught:
            host = urlsplit(url).netloc
            error = connection_error(request.method, request.path, host, self._timeout, caught)
        except OSError:
            error = HevoConfigurationError(
                "extra_kwargs: verify or cert names a file that cannot be read as certificates."
            )
        # Out here, because the original holds the Authorization header: it must not hang on.
        raise error

    def _signed(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        # Not the tuple that `requests` offers: it reads keys as Latin-1 and breaks on others.
        prepared.headers["Authorization"] = f"Basic {self._token}"
        return prepared

    def _redirected(self, request: Request, url: str, response: requests.Response) -> str:
        origin = urlsplit(self._base_url)
        try:
            target = urljoin(url, response.headers.get("Location", ""))
            there = urlsplit(target)
        except ValueError:
            target, there = "", urlsplit("")
        same_place = (there.scheme, there.netloc) == (origin.scheme, origin.netloc)
        if request.method != "GET" or not same_place:
            # Without a user name and password that may stand before the host.
            where = f"{there.scheme}://{there.netloc.rpartition('@')[2]}"
            raise HevoResponseError(
                request.method,
                request.path,
                f"answered with a redirect to {self._without_secrets(request, where)}, which is "
                "not followed: the keys belong to the host that was asked, and a change is not "
                "sent twice. Check region or base_url.",
            )
        return target

    def _read(self, request: Request, response: requests.Response) -> Any:
        body = response.content
        if response.ok:
            if not body.strip():
                return None
            with suppress(ValueError, RecursionError):
                return json.loads(body)
            # Out here, because the original holds the whole body.
            raise self._garbled(request, response)
        raise self._api_error(request, response)

    def _garbled(self, request: Request, response: requests.Response) -> HevoGarbledResponseError:
        kind = response.headers.get("Content-Type", "no content type")
        shown = self._without_secrets(request, shown_text(response))
        what = f"an answer that is not JSON ({kind[:100]}): {shown}"
        return HevoGarbledResponseError(
            request.method,
            request.path,
            f"status {response.status_code} with {what} What to do: check that region or base_url "
            "leads to Hevo's API and that no proxy or login page answers in its place.",
        )

    def _api_error(self, request: Request, response: requests.Response) -> HevoApiError:
        status = response.status_code
        said = message_in(response)
        retry_after = retry_after_of(response)
        if status == 429 and self._budget is not None:
            self._budget.exhaust(retry_after if retry_after is not None else 60.0)
        # Judged by the whole text: what is masked or cut off may hold the words that matter.
        kind = error_kind(status, said)
        message = self._without_secrets(request, said)
        return kind(status, request.method, request.path, message, retry_after=retry_after)

    def _without_secrets(self, request: Request, text: str) -> str:
        secrets = [*self._own_secrets]
        if request.is_confidential:
            secrets += texts_in(request.body)
        return without(spellings_of(secrets), text)[:SHOWN_CHARACTERS]


def _is_json(body: object) -> bool:
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _fits_a_header(name: str, value: str) -> bool:
    try:
        requests.utils.check_header_validity((name, value))
        name.encode("latin-1")
        value.encode("latin-1")
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError, AttributeError):
        return False
    return True
