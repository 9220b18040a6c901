"""What a job's life needs of Hevo's API, and what the answers to a trigger mean.

`dagster_hevo.api.HevoClient` is one implementation, the simulation's hostile Hevo another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.api.errors import (
    HevoApiError,
    HevoConflictError,
    HevoConnectionError,
    HevoError,
    HevoNotFoundError,
    HevoRateLimitError,
    HevoResponseError,
    HevoServerError,
)
from dagster_hevo.jobs.records import Answer
from dagster_hevo.jobs.request import SyncAction, SyncRequest

if TYPE_CHECKING:
    from dagster_hevo.api.models import Job, JobObject, Page, Pipeline, PipelineObject

REQUEST_TIMEOUT = 408
# Balancers before Hevo send these too, whatever became of the request behind them.
GATEWAY_ERRORS = frozenset({REQUEST_TIMEOUT, 502, 503, 504})

# Waiting may heal these. A response of the wrong shape is one of them: what answers in Hevo's place
# for a minute is often a proxy.
_TRANSIENT_ERRORS = (HevoConnectionError, HevoRateLimitError, HevoResponseError, HevoServerError)


def is_transient(error: HevoError) -> bool:
    """Whether a read that failed so may succeed later, with nobody changing anything."""
    if isinstance(error, HevoApiError) and error.status_code in GATEWAY_ERRORS:
        return True
    return isinstance(error, _TRANSIENT_ERRORS) or is_no_route(error)


def is_no_route(error: HevoError) -> bool:
    """Whether it is a 404 not in Hevo's own words: a balancer's page while Hevo is rolled out."""
    return isinstance(error, HevoNotFoundError) and not error.was_json


class HevoApi(Protocol):
    """The endpoints that are used, with the names that ``HevoClient`` gives them."""

    def get_pipeline(self, pipeline_id: int, /) -> Pipeline: ...

    def job_pages(self, pipeline_id: int, /) -> Iterator[Page[Job]]: ...

    def get_job(self, pipeline_id: int, job_id: str, /) -> Job: ...

    def get_job_objects(self, pipeline_id: int, job_id: str, /) -> Iterable[JobObject]: ...

    def list_objects(self, pipeline_id: int, /) -> Iterable[PipelineObject]: ...

    def trigger_pipeline_sync(self, pipeline_id: int, /) -> None: ...

    def resync_pipeline(self, pipeline_id: int, resync_mode: ResyncMode, /) -> None: ...

    def resync_objects(
        self, pipeline_id: int, object_ids: list[str], drop_and_load: bool, /
    ) -> None: ...

    def cancel_job(self, pipeline_id: int, job_id: str, /) -> None: ...

    def hevo_now_ms(self) -> int | None:
        """Hevo's time, as far as its answers tell."""
        ...

    def within(self, seconds: float, /) -> HevoApi:
        """The same API, none of whose calls takes longer than this, retries included."""
        ...


def send_trigger(hevo: HevoApi, request: SyncRequest) -> None:
    """Send the one HTTP request that starts a job.

    Raises:
        HevoError: As ``HevoClient``; see ``meaning_of``.
    """
    if request.action is SyncAction.SYNC_NOW:
        hevo.trigger_pipeline_sync(request.pipeline_id)
    elif request.object_ids is None:
        hevo.resync_pipeline(request.pipeline_id, request.resync_mode)
    else:
        drop = request.resync_mode is ResyncMode.DROP_AND_LOAD
        hevo.resync_objects(request.pipeline_id, sorted(request.object_ids), drop)


def meaning_of(error: HevoError) -> tuple[Answer, bool]:
    """What an error of a trigger says about its effect.

    A gateway's error says nothing about Hevo, and neither does an answer that is no result and no
    error: a redirect may follow a job that was started (303 means just that). An error in Hevo's
    own words, with a status of 500, has been a refusal before.

    Returns:
        The answer, and whether it refused in words that do not speak of a running job.
    """
    if isinstance(error, HevoConflictError | HevoRateLimitError):
        return Answer.REFUSED, False
    if isinstance(error, HevoConnectionError):
        return (Answer.LOST if error.was_sent else Answer.REFUSED), False
    if isinstance(error, HevoResponseError):
        return Answer.LOST, False
    if isinstance(error, HevoApiError) and error.status_code == REQUEST_TIMEOUT:
        return Answer.LOST, False
    if isinstance(error, HevoServerError):
        is_gateway = error.status_code in GATEWAY_ERRORS or not error.was_json
        return (Answer.LOST if is_gateway else Answer.UNCLEAR), False
    return Answer.REFUSED, type(error) is HevoApiError
