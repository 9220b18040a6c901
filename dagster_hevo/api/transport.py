"""Sending a request to Hevo: budget, retries, deadlines, and errors by their kind.

It knows no endpoint (`client.py`) and no shape of an answer (`models.py`). How one request travels
is `exchange.py`.
"""

from __future__ import annotations

import copy
import inspect
import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urljoin, urlsplit

import tenacity

from dagster_hevo.api.answers import (
    Answer,
    error_kind,
    error_text,
    json_of,
    retry_after_of,
    shown_text,
)
from dagster_hevo.api.bounded_body import LONGEST_BODY
from dagster_hevo.api.confidential import masked_error
from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConfigurationError,
    HevoConflictError,
    HevoConnectionError,
    HevoError,
    HevoGarbledResponseError,
    HevoRateLimitError,
    HevoResponseError,
)
from dagster_hevo.api.exchange import Exchange, Request
from dagster_hevo.api.foreign_text import MOST_READ, escaped

__all__ = ["Budget", "Request", "RetryRules", "Transport"]

SHOWN_CHARACTERS = 500
NOT_SHOWN = "what it says is not shown, because the request held settings."
MAX_REDIRECTS = 3
LONGEST_RETRY_DELAY = 60.0


class Budget(Protocol):
    """What the transport waits for before each request; see `rate_limit.py`.

    ``acquire`` may have a second parameter ``timeout``, in seconds, and return False when it ran
    out. It is used where the client has a deadline.
    """

    def acquire(self, urgent: bool = False) -> object: ...

    def exhaust(self, retry_after: float) -> None: ...


class _BudgetWithTimeout(Protocol):
    def acquire(self, urgent: bool = False, timeout: float | None = None) -> object: ...


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


class Transport:
    """Sends requests to one Hevo account, each as often as is allowed and useful.

    Args:
        base_url: Where Hevo is, without a path.
        exchange: The connections to it.
        timeout: Seconds that one attempt may take in all, from connecting to the last byte.
        retry: When a request is sent again.
        budget: Waited for before each attempt; None sends at once.
        sleep: Waits between attempts; tests pass their own.
        monotonic: The clock of deadlines. An attempt's timeout is in real seconds, as sockets
            know no other.
    """

    def __init__(
        self,
        *,
        base_url: str,
        exchange: Exchange,
        timeout: float,
        retry: RetryRules,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._exchange = exchange
        self._timeout = timeout
        self._retry = retry
        self._budget = budget
        self._budget_takes_timeout = _takes_timeout(budget)
        self._sleep = sleep
        self._monotonic = monotonic
        self._deadline: float | None = None

    def __repr__(self) -> str:
        return f"Transport(base_url={self._base_url!r})"

    def until(self, deadline: float | None) -> Transport:
        """The same transport, ending by ``deadline`` or its own deadline, whichever is earlier."""
        bounded = copy.copy(self)
        deadlines = [each for each in (self._deadline, deadline) if each is not None]
        bounded._deadline = min(deadlines, default=None)
        return bounded

    def send(self, request: Request) -> Any:
        """Send a request, again where that is allowed, and return the JSON of its answer.

        Returns:
            The parsed body, or None where the body is empty.

        Raises:
            HevoApiError: Hevo answered with an error status.
            HevoConnectionError: No answer came, or no time was left before the deadline.
            HevoResponseError: The answer was not JSON, too long, or led to another host.
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
            before_sleep=self._raise_if_next_is_too_late,
            sleep=self._sleep,
            reraise=True,
        )
        return attempts(self._send_once, request)

    def _delay_before_next(self, state: tenacity.RetryCallState) -> float:
        first = self._retry.delay
        backoff = tenacity.wait_exponential(first, max=max(first, LONGEST_RETRY_DELAY))(state)
        backoff += random.uniform(0, first / 2)  # so that many clients do not march in step
        error = state.outcome.exception() if state.outcome else None
        stated = error.retry_after if isinstance(error, HevoApiError) else None
        return backoff if stated is None else stated

    def _raise_if_next_is_too_late(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        is_too_late = self._deadline is not None and self._monotonic() + wait >= self._deadline
        if error is not None and is_too_late:
            raise error

    def _send_once(self, request: Request) -> Any:
        url, query = self._base_url + request.path, request.query
        for _ in range(MAX_REDIRECTS + 1):
            self._wait_for_budget(request)
            left = self._time_left(request)
            timeout = self._timeout if left is None else min(self._timeout, left)
            content, leads_to = self._exchanged(request, url, query, timeout)
            if leads_to is None:
                return content
            # The URL that it leads to has its own query.
            url, query = leads_to, dict[str, str]()
        raise HevoResponseError(
            request.method, request.path, "redirected in circles. Check base_url."
        )

    def _exchanged(
        self, request: Request, url: str, query: Mapping[str, str], timeout: float
    ) -> tuple[Any, str | None]:
        """What a request is answered, or where it is to be sent instead.

        The one place where errors leave. An answer can make any code stumble that reads it: here
        that becomes an error which says so. All messages are masked, and nothing that led to an
        error hangs on to it, since headers and bodies do to that.
        """
        failure: BaseException
        try:
            answer = self._exchange.send(request, url, query, timeout)
            if answer.is_redirect:
                return None, self._redirected(request, url, answer)
            return self._read(request, answer), None
        except HevoError as known:
            failure = known
        except Exception as unforeseen:  # noqa: BLE001 (the edge: an answer may cause any)
            failure = _unreadable(request, unforeseen)
        except BaseException as interruption:  # noqa: BLE001 (raised again below)
            failure = interruption
        if isinstance(failure, HevoError):
            masked_error(failure, self._exchange.secrets)
        raise failure.with_traceback(None)

    def _time_left(self, request: Request) -> float | None:
        """Seconds until the deadline, None without one.

        Raises:
            HevoConnectionError: No time is left.
        """
        if self._deadline is None:
            return None
        left = self._deadline - self._monotonic()
        if left <= 0:
            what = "not sent, because no time was left before the caller's deadline."
            raise HevoConnectionError(request.method, request.path, what, was_sent=False)
        return left

    def _wait_for_budget(self, request: Request) -> None:
        left = self._time_left(request)
        if self._budget is None:
            return
        if left is None or not self._budget_takes_timeout:
            self._budget.acquire(request.is_urgent)
            return
        budget = cast("_BudgetWithTimeout", self._budget)
        if budget.acquire(request.is_urgent, timeout=left) is False:
            what = (
                "not sent, because no time was left: the request budget had no room before the "
                "caller's deadline."
            )
            raise HevoConnectionError(request.method, request.path, what, was_sent=False)

    def _redirected(self, request: Request, url: str, answer: Answer) -> str:
        origin = urlsplit(self._base_url)
        try:
            target = urljoin(url, answer.headers.get("Location", ""))
            there = urlsplit(target)
        except ValueError:
            target, there = "", urlsplit("")
        same_place = (there.scheme, there.netloc) == (origin.scheme, origin.netloc)
        if request.method != "GET" or not same_place:
            # Without a user name and password that may stand before the host.
            where = f"{there.scheme}://{there.netloc.rpartition('@')[2]}"
            where = "an address" if request.is_confidential else self._shown(where)
            raise HevoResponseError(
                request.method,
                request.path,
                f"answered with a redirect to {where}, which is not followed: the keys belong to "
                "the host of base_url, and a change is not sent twice. Check region or base_url.",
            )
        return target

    def _read(self, request: Request, answer: Answer) -> Any:
        if answer.is_error:
            raise self._api_error(request, answer)
        if not answer.is_success:
            raise HevoResponseError(
                request.method,
                request.path,
                f"answered with status {answer.status}, which is neither a result nor an error, "
                "so the request does not count as accepted. Check that region or base_url leads "
                "to Hevo's API and that no proxy or cache answers in its place.",
            )
        if answer.is_cut:
            # The body of a trigger's answer is not needed, so the trigger may well have worked.
            kind = HevoResponseError if request.is_repeatable else HevoGarbledResponseError
            raise kind(
                request.method,
                request.path,
                f"status {answer.status} with more than {LONGEST_BODY // 2**20} MiB of answer, "
                "which is the most that is read. Set a smaller page_size, and check that region "
                "or base_url leads to Hevo's API.",
            )
        if not answer.body.strip():
            return None
        with suppress(ValueError, RecursionError):
            return json_of(answer.body)
        # Out here, because the original holds the whole body.
        raise self._garbled(request, answer)

    def _garbled(self, request: Request, answer: Answer) -> HevoGarbledResponseError:
        shown = NOT_SHOWN if request.is_confidential else self._shown(shown_text(answer))
        return HevoGarbledResponseError(
            request.method,
            request.path,
            f"status {answer.status} with an answer that is not JSON ({answer.media_type}): {shown}"
            " What to do: check that region or base_url leads to Hevo's API and that no proxy or "
            "login page answers in its place.",
        )

    def _api_error(self, request: Request, answer: Answer) -> HevoApiError:
        status = answer.status
        text = error_text(answer)
        retry_after = retry_after_of(answer)
        if status == 429 and self._budget is not None:
            self._budget.exhaust(retry_after if retry_after is not None else 60.0)
        # Judged by the whole text: what is masked or cut off may hold the words that matter.
        kind = error_kind(status, text.sense)
        message = text.message
        if request.is_confidential and message:
            message = NOT_SHOWN
        return kind(
            status,
            request.method,
            request.path,
            self._shown(message, is_cut=answer.is_cut),
            retry_after=retry_after,
            was_json=text.was_json,
        )

    def _shown(self, text: str, *, is_cut: bool = False) -> str:
        """A foreign text as a part of a message; masked before it is cut, lest half a key stays."""
        masked = self._exchange.secrets.masked(text, is_cut=is_cut or len(text) >= MOST_READ)
        return escaped(masked[:SHOWN_CHARACTERS])


def _unreadable(request: Request, caught: Exception) -> HevoGarbledResponseError:
    return HevoGarbledResponseError(
        request.method,
        request.path,
        f"the answer cannot be read ({type(caught).__name__}). What to do: check that region or "
        "base_url leads to Hevo's API and that no proxy answers in its place; if none does, report "
        "it to the makers of dagster-hevo.",
    )


def _takes_timeout(budget: Budget | None) -> bool:
    if budget is None:
        return False
    try:
        return "timeout" in inspect.signature(budget.acquire).parameters
    except (TypeError, ValueError):
        return False


def _is_json(body: object) -> bool:
    try:
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
