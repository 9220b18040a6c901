"""Hevo's API for Edge pipelines: a method an endpoint, typed answers, lists that page themselves.

How a request is sent and retried is `transport.py`; what the answers mean is `models.py`. The
facts about endpoints come from https://docs.hevodata.com and Hevo's Airflow provider.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import quote

from pydantic import ValidationError

from dagster_hevo.api.enums import JobCompletionStatus, JobStatus, JobType, ResyncMode
from dagster_hevo.api.errors import HevoConfigurationError, HevoResponseError
from dagster_hevo.api.models import HevoModel, Job, JobObject, Pipeline, PipelineObject, Source
from dagster_hevo.api.settings import DEFAULT_RETRYABLE_STATUS_CODES, resolve_base_url
from dagster_hevo.api.transport import Budget, Request, RetryRules, Transport

_M = TypeVar("_M", bound=HevoModel)
_IS_IT_HEVO = (
    "What to do: check that base_url is Hevo's API, and whether a newer dagster-hevo is out."
)


class HevoClient:
    """Talks to one Hevo account over one kept-alive session. Safe to share between threads.

    Args:
        api_key: User name of HTTP Basic auth: an API key made by an owner of the account.
        api_secret: Its password.
        region: One of ``us``, ``us2``, ``eu``, ``in``, ``asia``, ``au``, or a newer one.
        base_url: The full address instead, if ``region`` does not lead there.
        retry_limit: Attempts a request, at least 1.
        retry_delay: Seconds before the second attempt; later ones wait exponentially longer.
        timeout: Seconds to connect, and to wait for an answer.
        retryable_status_codes: Status codes worth another attempt; ``[]`` for network errors only.
            Default: 429 and 500 to 599. Triggers are repeated only when they certainly did
            nothing, whatever stands here.
        extra_headers: Sent with every request; they win over the client's own.
        extra_kwargs: Handed to every ``requests`` call, e.g. ``proxies``, ``verify``, ``cert``.
        page_size: Entries asked for in one page of a list, at least 1.
        budget: The shared request budget (``dagster_hevo.api.rate_limit``); None sends at once.
        sleep: Waits between attempts.

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
    ) -> None:
        for name, value in {"api_key": api_key, "api_secret": api_secret}.items():
            if not value or not value.strip():
                raise HevoConfigurationError(
                    f"{name} is empty. Make API keys in Hevo (Settings, API Keys, as an owner) "
                    f"and pass them, for example from the environment variable HEVO_{name.upper()}."
                )
        _require_at_least("retry_limit", retry_limit, 1)
        _require_at_least("retry_delay", retry_delay, 0)
        _require_at_least("page_size", page_size, 1)
        if timeout <= 0:
            raise HevoConfigurationError(f"timeout is {timeout}: it must be more than 0 seconds.")
        self.base_url = resolve_base_url(region, base_url)
        self.page_size = page_size
        codes = (
            DEFAULT_RETRYABLE_STATUS_CODES
            if retryable_status_codes is None
            else frozenset(retryable_status_codes)
        )
        self._transport = Transport(
            base_url=self.base_url,
            api_key=api_key,
            api_secret=api_secret,
            timeout=timeout,
            retry=RetryRules(limit=retry_limit, delay=retry_delay, status_codes=codes),
            extra_headers=extra_headers or {},
            extra_kwargs=extra_kwargs or {},
            budget=budget,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"HevoClient(base_url={self.base_url!r})"

    def __enter__(self) -> HevoClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._transport.close()

    @property
    def requests_sent(self) -> int:
        """How many requests this client has sent, repeated ones counted."""
        return self._transport.requests_sent

    # Pipelines

    def list_pipelines(self) -> Iterator[Pipeline]:
        """All pipelines of the account, a request a page (GET /api/v1/pipelines)."""
        return self._list(Pipeline, "/api/v1/pipelines")

    def get_pipeline(self, pipeline_id: int) -> Pipeline:
        """One pipeline (GET /api/v1/pipelines/{pipeline_id})."""
        return self._ask(Pipeline, Request("GET", _pipeline(pipeline_id)))

    def update_pipeline(self, pipeline_id: int, fields: Mapping[str, Any]) -> Pipeline:
        """Change some fields of a pipeline (PATCH /api/v1/pipelines/{pipeline_id}).

        Args:
            pipeline_id: The pipeline.
            fields: The fields to change, as Hevo names them.

        Returns:
            The pipeline as it is now.
        """
        _require_some("fields", fields)
        request = Request(
            "PATCH",
            _pipeline(pipeline_id),
            body=dict(fields),
            is_confidential="source" in fields,
        )
        return self._ask(Pipeline, request)

    def update_pipeline_sources(self, pipeline_id: int, fields: Mapping[str, Any]) -> Source:
        """Change settings of a pipeline's source (PATCH .../pipelines/{pipeline_id}/sources).

        Args:
            pipeline_id: The pipeline.
            fields: The settings to change, with or without the ``{"config": ...}`` around them.

        Returns:
            The source's settings. ``config`` may hold passwords; it is not shown by ``repr``.
        """
        _require_some("fields", fields)
        wrapped = set(fields) == {"config"} and isinstance(fields["config"], Mapping)
        body = dict(fields) if wrapped else {"config": dict(fields)}
        path = f"{_pipeline(pipeline_id)}/sources"
        return self._ask(Source, Request("PATCH", path, body=body, is_confidential=True))

    def enable_pipeline(self, pipeline_id: int) -> None:
        """Let scheduled and manual syncs run again (POST .../actions/enable)."""
        self._transport.send(Request("POST", f"{_pipeline(pipeline_id)}/actions/enable"))

    def disable_pipeline(self, pipeline_id: int, cancel_active_jobs: bool = False) -> None:
        """Refuse scheduled and manual syncs until enabled again (POST .../actions/disable).

        Args:
            pipeline_id: The pipeline.
            cancel_active_jobs: Whether to stop the jobs that are running now.
        """
        self._transport.send(
            Request(
                "POST",
                f"{_pipeline(pipeline_id)}/actions/disable",
                body={"cancel_active_jobs": cancel_active_jobs},
            )
        )

    def trigger_pipeline_sync(self, pipeline_id: int) -> None:
        """Ask for a sync now (POST .../actions/sync-now). Hevo answers without a job id.

        Never sent twice unless the first attempt certainly did nothing.

        Raises:
            HevoConflictError: A job is in progress.
        """
        self._trigger(f"{_pipeline(pipeline_id)}/actions/sync-now")

    def resync_pipeline(
        self, pipeline_id: int, resync_mode: ResyncMode | str = ResyncMode.EVOLVE_AND_MERGE
    ) -> None:
        """Ask for all active objects to be loaded anew (POST .../actions/resync); no job id.

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
        path = f"{_pipeline(pipeline_id)}/actions/resync"
        self._trigger(path, {"resync_mode": mode.value})

    # Jobs

    def list_jobs(self, pipeline_id: int) -> Iterator[Job]:
        """The jobs of a pipeline, in no promised order (GET .../jobs)."""
        return self._list(Job, f"{_pipeline(pipeline_id)}/jobs")

    def get_job(self, pipeline_id: int, job_id: str) -> Job:
        """One job (GET .../jobs/{job_id})."""
        return self._ask(Job, Request("GET", _job(pipeline_id, job_id)))

    def get_job_completion_status(self, pipeline_id: int, job_id: str) -> JobCompletionStatus:
        """What a job's status means to somebody waiting for it (GET .../jobs/{job_id})."""
        return self.get_job(pipeline_id, job_id).status.completion

    def find_active_job_by_type(self, pipeline_id: int, job_type: JobType | str) -> Job | None:
        """The first job of that type that is IN_PROGRESS now, or None (GET .../jobs).

        A quick job can be over before it is ever seen here: to find the job that a trigger
        started, look for one that was not there before (``dagster_hevo.jobs.trigger``).
        """
        wanted = JobType(job_type)
        for job in self.list_jobs(pipeline_id):
            if job.type == wanted and job.status is JobStatus.IN_PROGRESS:
                return job
        return None

    def cancel_job(self, pipeline_id: int, job_id: str) -> None:
        """Stop a job; what it has loaded stays loaded and billed (POST .../actions/cancel)."""
        path = f"{_job(pipeline_id, job_id)}/actions/cancel"
        self._transport.send(Request("POST", path, is_urgent=True))

    def get_job_objects(self, pipeline_id: int, job_id: str) -> Iterator[JobObject]:
        """What a job did with each of its objects (GET .../jobs/{job_id}/objects)."""
        return self._list(JobObject, f"{_job(pipeline_id, job_id)}/objects")

    # Objects

    def list_objects(self, pipeline_id: int) -> Iterator[PipelineObject]:
        """The objects of a pipeline, without their columns (GET .../objects)."""
        return self._list(PipelineObject, f"{_pipeline(pipeline_id)}/objects")

    def get_object(self, pipeline_id: int, object_id: str) -> PipelineObject:
        """One object with its columns (GET .../objects/{object_id})."""
        path = f"{_pipeline(pipeline_id)}/objects/{_segment('object_id', object_id)}"
        return self._ask(PipelineObject, Request("GET", path))

    def refresh_schema(self, pipeline_id: int) -> None:
        """Read the source's schema anew (POST .../objects/actions/refresh-schema)."""
        path = f"{_pipeline(pipeline_id)}/objects/actions/refresh-schema"
        self._transport.send(Request("POST", path, body={}))

    def resync_objects(
        self, pipeline_id: int, object_ids: Sequence[str], drop_and_load: bool = False
    ) -> None:
        """Ask for some objects to be loaded anew (POST .../objects/actions/resync).

        Hevo makes a HISTORICAL job with just these objects.

        Args:
            pipeline_id: The pipeline.
            object_ids: The objects, at least one.
            drop_and_load: Whether to drop their tables first; default is to merge.

        Raises:
            HevoConflictError: A job is in progress.
        """
        path = f"{_pipeline(pipeline_id)}/objects/actions/resync"
        ids = object_ids if isinstance(object_ids, str) else [str(each) for each in object_ids]
        _require_some("object_ids", ids)
        for each in ids:
            _ = _segment("object_ids", each)
        self._trigger(path, {"object_ids": ids, "drop_and_load": drop_and_load})

    # Underneath

    def _trigger(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        self._transport.send(Request("POST", path, body=body, is_repeatable=False, is_urgent=True))

    def _ask(self, model: type[_M], request: Request) -> _M:
        return _read(model, self._transport.send(request), request)

    def _list(self, model: type[_M], path: str) -> Iterator[_M]:
        cursors_seen: set[str] = set()
        query = {"limit": str(self.page_size)}
        while True:
            request = Request("GET", path, query=query)
            answer = self._transport.send(request)
            if isinstance(answer, Mapping):
                page = cast("Mapping[str, Any]", answer)
                entries, cursor = page.get("data"), page.get("next_cursor")
                has_more = bool(page.get("has_more")) and cursor is not None and cursor != ""
            else:
                entries, cursor, has_more = answer, None, False
            if not isinstance(entries, list):
                raise HevoResponseError(
                    "GET", path, f"the answer has no list `data`. {_IS_IT_HEVO}"
                )
            for entry in cast("list[Any]", entries):
                yield _read(model, entry, request)
            if not has_more:
                return
            if str(cursor) in cursors_seen:
                raise HevoResponseError(
                    "GET",
                    path,
                    "the list's pages lead back to each other. Try again; if it stays, tell Hevo.",
                )
            cursors_seen.add(str(cursor))
            query = {**query, "cursor": str(cursor)}


def _read(model: type[_M], answer: object, request: Request) -> _M:
    """Read an answer; what does not fit is named by its field, never quoted (it may be secret)."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the answer'}: {problem['type']}"
            for problem in error.errors(
                include_url=False, include_context=False, include_input=False
            )
        )
    raise HevoResponseError(
        request.method,
        request.path,
        f"the answer is not a {model.__name__} as this version knows it ({problems}). "
        + _IS_IT_HEVO,
    )


def _pipeline(pipeline_id: int) -> str:
    if isinstance(pipeline_id, bool) or not isinstance(pipeline_id, int) or pipeline_id < 1:  # pyright: ignore[reportUnnecessaryIsInstance] (callers without a type checker)
        raise HevoConfigurationError(
            f"pipeline_id is {pipeline_id!r}: it must be the number that Hevo shows for the "
            "pipeline, e.g. 123."
        )
    return f"/api/v1/pipelines/{pipeline_id}"


def _job(pipeline_id: int, job_id: str) -> str:
    return f"{_pipeline(pipeline_id)}/jobs/{_segment('job_id', job_id)}"


def _segment(name: str, value: str) -> str:
    text = str(value)
    if not text.strip() or text in {".", ".."}:
        raise HevoConfigurationError(f"{name} is {value!r}: it must be an id as Hevo lists it.")
    return quote(text, safe="")


def _require_some(name: str, value: Sequence[object] | Mapping[str, object]) -> None:
    if isinstance(value, str) or not value:
        raise HevoConfigurationError(f"{name} is {value!r}: it must name at least one.")


def _require_at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise HevoConfigurationError(f"{name} is {value}: it must be at least {least}.")
