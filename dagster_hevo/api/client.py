"""Hevo's API for Edge pipelines: a method per endpoint, typed answers, lists that page themselves.

How a request is sent and retried is `transport.py`; how lists are read is `pages.py`; what the
answers mean is `models.py`. The facts about endpoints come from https://docs.hevodata.com and
Hevo's Airflow provider.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from dagster_hevo.api.confidential import Hidden
from dagster_hevo.api.enums import JobCompletionStatus, JobStatus, JobType, ResyncMode
from dagster_hevo.api.errors import HevoConfigurationError
from dagster_hevo.api.exchange import Exchange
from dagster_hevo.api.models import (
    HevoModel,
    Job,
    JobObject,
    Page,
    Pipeline,
    PipelineObject,
    Source,
)
from dagster_hevo.api.pages import each_once, read_pages, read_value
from dagster_hevo.api.paths import job_path, pipeline_path, require_some, segment
from dagster_hevo.api.settings import (
    LEAST_TIMEOUT,
    check_keys,
    check_number,
    resolve_base_url,
    retryable_codes,
)
from dagster_hevo.api.transport import Budget, Request, RetryRules, Transport

if TYPE_CHECKING:
    from typing_extensions import Self

_M = TypeVar("_M", bound=HevoModel)
_PLAIN_FIELDS = frozenset(
    {"name", "destination_prefix", "replication_type", "load_mode", "schema_evolution", "schedule"}
    | {"failure_handling_policy", "latency_alert"}
)
"""Fields of a pipeline that hold no secrets. Of all others nobody knows."""


class HevoClient:
    """Talks to one Hevo account over one kept-alive session. Safe to share between threads.

    Args:
        api_key: User name of HTTP Basic auth: an API key made by an owner of the account.
        api_secret: Its password.
        region: One of ``us``, ``us2``, ``eu``, ``in``, ``asia``, ``au``, or a newer one.
        base_url: The full base URL instead, if ``region`` does not lead there.
        retry_limit: Attempts per request, at least 1.
        retry_delay: Seconds before the second attempt; later ones wait exponentially longer.
        timeout: Seconds for one attempt in all, from connecting to the last byte of the answer.
        retryable_status_codes: Status codes worth another attempt; ``[]`` for network errors only.
            Default: 429 and 500 to 599. Triggers are repeated only when they certainly did
            nothing, whatever stands here.
        extra_headers: Sent with every request; they win over the client's own.
        extra_kwargs: Handed to every ``requests`` call, e.g. ``proxies``, ``verify``, ``cert``.
        page_size: Entries to request per page of a list, at least 1.
        budget: The shared request budget (``dagster_hevo.api.rate_limit``); None sends at once.
        sleep: Waits between attempts.
        monotonic: The clock of ``with_deadline`` and ``hevo_now_ms``, in seconds.

    Raises:
        HevoConfigurationError: A setting cannot work; the message names it.

    Every method raises ``HevoApiError`` (by its status code: ``HevoAuthenticationError``,
    ``HevoPermissionError``, ``HevoNotFoundError``, ``HevoConflictError``, ``HevoRateLimitError``,
    ``HevoServerError``), ``HevoConnectionError`` and ``HevoResponseError``.
    """

    def __init__(
        self,
        *,
        api_key: str,
        api_secret: str,
        region: str = "us",
        base_url: str | None = None,
        retry_limit: int = 3,
        retry_delay: float = 2.0,
        timeout: float = 30.0,
        retryable_status_codes: Iterable[int] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_kwargs: Mapping[str, Any] | None = None,
        page_size: int = 100,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # First of all: an error's frames show the variables of this one.
        keys = Hidden[dict[str, Any]]({"api_key": api_key, "api_secret": api_secret})
        extras = Hidden[dict[str, Any]](
            {"extra_headers": extra_headers or {}, "extra_kwargs": extra_kwargs or {}}
        )
        del api_key, api_secret, extra_headers, extra_kwargs
        check_keys(keys)
        check_number("retry_limit", retry_limit, 1, is_whole=True)
        check_number("retry_delay", retry_delay, 0)
        check_number("page_size", page_size, 1, is_whole=True)
        check_number("timeout", timeout, LEAST_TIMEOUT)
        self.base_url = resolve_base_url(region, base_url)
        self.page_size = page_size
        codes = retryable_codes(retryable_status_codes)
        self._exchange = Exchange(
            **keys.value,
            **extras.value,
            base_url=self.base_url,
            monotonic=monotonic,
        )
        self._monotonic = monotonic
        self._owns_connections = True
        self._transport = Transport(
            base_url=self.base_url,
            exchange=self._exchange,
            timeout=timeout,
            retry=RetryRules(limit=retry_limit, delay=retry_delay, status_codes=codes),
            budget=budget,
            sleep=sleep,
            monotonic=monotonic,
        )

    def __repr__(self) -> str:
        return f"HevoClient(base_url={self.base_url!r})"

    def __enter__(self) -> HevoClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept-alive connections, unless they belong to another client."""
        if self._owns_connections:
            self._exchange.close()

    def with_deadline(self, deadline: float | None) -> Self:
        """The same client, whose every method ends by ``deadline``.

        No attempt begins after it, an attempt's timeout is cut to the time left, and a wait (for a
        retry, ``Retry-After`` or the request budget) that would reach past it raises the last
        error at once, or a ``HevoConnectionError`` whose ``was_sent`` is False. A list's pages
        share the deadline. Connections and request budget are shared with this client.

        Args:
            deadline: A time on the client's ``monotonic`` clock; None for none. Where this client
                has an earlier deadline already, that one stays.
        """
        bounded = copy.copy(self)
        bounded._transport = self._transport.until(deadline)
        bounded._owns_connections = False
        return bounded

    def within(self, seconds: float) -> Self:
        """The same client, none of whose calls takes longer than so many seconds from now.

        Args:
            seconds: For the whole call: retries, waits and pages included.
        """
        return self.with_deadline(self._monotonic() + seconds)

    def hevo_now_ms(self) -> int | None:
        """Hevo's own time, in epoch milliseconds, to compare with ``*_ts``; sends nothing.

        It is the ``Date`` of the last answer that had a readable one, to the second, plus the time
        since. A gateway's clock may have written it, so allow for a minute.

        Returns:
            The time, or None if no answer has told one.
        """
        return self._exchange.hevo_now_ms()

    @property
    def requests_sent(self) -> int:
        """How many requests this client has sent, repeated ones and those of ``with_deadline``."""
        return self._exchange.requests_sent

    # Pipelines

    def list_pipelines(self) -> Iterator[Pipeline]:
        """All pipelines of the account, one request per page (GET /api/v1/pipelines)."""
        return each_once(self._pages(Pipeline, "/api/v1/pipelines"))

    def get_pipeline(self, pipeline_id: int) -> Pipeline:
        """One pipeline (GET /api/v1/pipelines/{pipeline_id})."""
        return self._get_value(Pipeline, Request("GET", pipeline_path(pipeline_id)), pipeline_id)

    def update_pipeline(self, pipeline_id: int, fields: Mapping[str, Any]) -> Pipeline:
        """Change some fields of a pipeline (PATCH /api/v1/pipelines/{pipeline_id}).

        Args:
            pipeline_id: The pipeline.
            fields: The fields to change, as Hevo names them.

        Returns:
            The pipeline as it is now.
        """
        require_some("fields", fields)
        request = Request(
            "PATCH",
            pipeline_path(pipeline_id),
            body=dict(fields),
            is_confidential=not _PLAIN_FIELDS.issuperset(fields),
        )
        return self._get_value(Pipeline, request, pipeline_id)

    def update_pipeline_sources(self, pipeline_id: int, fields: Mapping[str, Any]) -> Source:
        """Change settings of a pipeline's source (PATCH .../pipelines/{pipeline_id}/sources).

        Args:
            pipeline_id: The pipeline.
            fields: The settings to change, with or without the ``{"config": ...}`` around them.

        Returns:
            The source's settings. ``config`` may hold passwords; it is not shown by ``repr``.
        """
        require_some("fields", fields)
        wrapped = set(fields) == {"config"} and isinstance(fields["config"], Mapping)
        body = dict(fields) if wrapped else {"config": dict(fields)}
        path = f"{pipeline_path(pipeline_id)}/sources"
        return self._get_value(Source, Request("PATCH", path, body=body, is_confidential=True))

    def enable_pipeline(self, pipeline_id: int) -> None:
        """Let scheduled and manual syncs run again (POST .../actions/enable)."""
        self._transport.send(Request("POST", f"{pipeline_path(pipeline_id)}/actions/enable"))

    def disable_pipeline(self, pipeline_id: int, cancel_active_jobs: bool = False) -> None:
        """Refuse scheduled and manual syncs until enabled again (POST .../actions/disable).

        Args:
            pipeline_id: The pipeline.
            cancel_active_jobs: Whether to stop the jobs that are running now.
        """
        self._transport.send(
            Request(
                "POST",
                f"{pipeline_path(pipeline_id)}/actions/disable",
                body={"cancel_active_jobs": cancel_active_jobs},
            )
        )

    def trigger_pipeline_sync(self, pipeline_id: int) -> None:
        """Trigger a sync (POST .../actions/sync-now). Hevo answers without a job id.

        Never sent twice unless the first attempt certainly did nothing.

        Raises:
            HevoConflictError: A job is in progress.
        """
        self._trigger(f"{pipeline_path(pipeline_id)}/actions/sync-now")

    def resync_pipeline(
        self, pipeline_id: int, resync_mode: ResyncMode | str = ResyncMode.EVOLVE_AND_MERGE
    ) -> None:
        """Trigger a reload of all active objects (POST .../actions/resync); no job id.

        Args:
            pipeline_id: The pipeline.
            resync_mode: ``EVOLVE_AND_MERGE`` or ``DROP_AND_LOAD``.

        Raises:
            HevoConflictError: A job is in progress.
        """
        try:
            mode = ResyncMode(resync_mode)
        except ValueError:
            modes = " or ".join(mode.value for mode in ResyncMode)
            raise HevoConfigurationError(
                f"resync_mode is {resync_mode!r}: it must be {modes}."
            ) from None
        path = f"{pipeline_path(pipeline_id)}/actions/resync"
        self._trigger(path, {"resync_mode": mode.value})

    # Jobs

    def list_jobs(self, pipeline_id: int) -> Iterator[Job]:
        """The jobs of a pipeline, in no promised order (GET .../jobs)."""
        return _entries(self.job_pages(pipeline_id))

    def job_pages(self, pipeline_id: int, begin_at: str | None = None) -> Iterator[Page[Job]]:
        """The jobs of a pipeline a page at a time, in no promised order (GET .../jobs).

        Args:
            pipeline_id: The pipeline.
            begin_at: The ``next_cursor`` of an earlier page, to go on after it.
        """
        return self._pages(Job, f"{pipeline_path(pipeline_id)}/jobs", begin_at)

    def get_job(self, pipeline_id: int, job_id: str) -> Job:
        """One job (GET .../jobs/{job_id})."""
        return self._get_value(Job, Request("GET", job_path(pipeline_id, job_id)), job_id)

    def get_job_completion_status(self, pipeline_id: int, job_id: str) -> JobCompletionStatus:
        """What a job's status means to somebody waiting for it (GET .../jobs/{job_id})."""
        return self.get_job(pipeline_id, job_id).status.completion

    def find_active_job_by_type(self, pipeline_id: int, job_type: JobType | str) -> Job | None:
        """The first job of that type that is IN_PROGRESS now, or None (GET .../jobs).

        A quick job can be over before it is ever seen here: to find the job that a trigger
        started, look for one that was not there before (``dagster_hevo.jobs``).
        """
        wanted = JobType(job_type)
        for job in self.list_jobs(pipeline_id):
            if job.type == wanted and job.status is JobStatus.IN_PROGRESS:
                return job
        return None

    def cancel_job(self, pipeline_id: int, job_id: str) -> None:
        """Stop a job; what it has loaded stays loaded and billed (POST .../actions/cancel)."""
        path = f"{job_path(pipeline_id, job_id)}/actions/cancel"
        self._transport.send(Request("POST", path, is_urgent=True))

    def get_job_objects(self, pipeline_id: int, job_id: str) -> Iterator[JobObject]:
        """What a job did with each of its objects (GET .../jobs/{job_id}/objects)."""
        return _entries(self.job_object_pages(pipeline_id, job_id))

    def job_object_pages(
        self, pipeline_id: int, job_id: str, begin_at: str | None = None
    ) -> Iterator[Page[JobObject]]:
        """What a job did with its objects, a page at a time (GET .../jobs/{job_id}/objects).

        Args:
            pipeline_id: The pipeline.
            job_id: The job.
            begin_at: The ``next_cursor`` of an earlier page, to go on after it.
        """
        return self._pages(JobObject, f"{job_path(pipeline_id, job_id)}/objects", begin_at)

    # Objects

    def list_objects(self, pipeline_id: int) -> Iterator[PipelineObject]:
        """The objects of a pipeline, without their columns (GET .../objects)."""
        return each_once(self.object_pages(pipeline_id))

    def object_pages(
        self, pipeline_id: int, begin_at: str | None = None
    ) -> Iterator[Page[PipelineObject]]:
        """The objects of a pipeline a page at a time, without their columns (GET .../objects).

        Args:
            pipeline_id: The pipeline.
            begin_at: The ``next_cursor`` of an earlier page, to go on after it.
        """
        return self._pages(PipelineObject, f"{pipeline_path(pipeline_id)}/objects", begin_at)

    def get_object(self, pipeline_id: int, object_id: str) -> PipelineObject:
        """One object with its columns (GET .../objects/{object_id})."""
        path = f"{pipeline_path(pipeline_id)}/objects/{segment('object_id', object_id)}"
        return self._get_value(PipelineObject, Request("GET", path), object_id)

    def refresh_schema(self, pipeline_id: int) -> None:
        """Read the source's schema again (POST .../objects/actions/refresh-schema)."""
        path = f"{pipeline_path(pipeline_id)}/objects/actions/refresh-schema"
        self._transport.send(Request("POST", path, body={}))

    def resync_objects(
        self, pipeline_id: int, object_ids: Sequence[str], drop_and_load: bool = False
    ) -> None:
        """Trigger a reload of some objects (POST .../objects/actions/resync).

        Hevo makes a HISTORICAL job with just these objects.

        Args:
            pipeline_id: The pipeline.
            object_ids: The objects, at least one.
            drop_and_load: Whether to drop their tables first; default is to merge.

        Raises:
            HevoConflictError: A job is in progress.
        """
        path = f"{pipeline_path(pipeline_id)}/objects/actions/resync"
        ids = object_ids if isinstance(object_ids, str) else [str(each) for each in object_ids]
        require_some("object_ids", ids)
        for each in ids:
            _ = segment("object_ids", each)
        self._trigger(path, {"object_ids": ids, "drop_and_load": drop_and_load})

    # Underneath

    def _trigger(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        self._transport.send(Request("POST", path, body=body, is_repeatable=False, is_urgent=True))

    def _get_value(self, model: type[_M], request: Request, expected_id: object = None) -> _M:
        return read_value(model, self._transport.send(request), request, expected_id=expected_id)

    def _pages(self, model: type[_M], path: str, begin_at: str | None = None) -> Iterator[Page[_M]]:
        return read_pages(model, path, self.page_size, self._transport.send, begin_at)


def _entries(pages: Iterator[Page[_M]]) -> Iterator[_M]:
    return chain.from_iterable(page.entries for page in pages)
