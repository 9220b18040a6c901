"""The routes of the local Hevo: every endpoint of the Edge API, answered from the account.

Keys, limits, faults and the record of requests are in `gate.py`, which every request passes
first. Bodies of requests are in `request_bodies.py`, bodies of answers in `answers.py`.
"""

# The router holds on to the routes; nothing else calls them.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from dagster_hevo.sandbox import answers
from dagster_hevo.sandbox.account import Account
from dagster_hevo.sandbox.answers import Json
from dagster_hevo.sandbox.job_list import page_of_jobs
from dagster_hevo.sandbox.jobs import JobRun
from dagster_hevo.sandbox.objects import ObjectState
from dagster_hevo.sandbox.pages import BadPageError, PageQuery, page_of
from dagster_hevo.sandbox.pipelines import PipelineState
from dagster_hevo.sandbox.request_bodies import (
    Body,
    DisableBody,
    PipelineChanges,
    ResyncBody,
    ResyncObjectsBody,
    SourceBody,
)
from dagster_hevo.sandbox.triggers import Trigger, TriggerRequest


class Refusal(Exception):
    """An answer that says no: a status and a message, in JSON or, where stated, as plain text."""

    def __init__(
        self, status: int, message: str, *, error: str | None = None, as_text: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error = error
        self.as_text = as_text

    @property
    def answer(self) -> Response:
        """The answer."""
        if self.as_text:
            return PlainTextResponse(self.message, self.status)
        error = {} if self.error is None else {"error": self.error}
        return JSONResponse({**error, "message": self.message}, self.status)


B = TypeVar("B", bound=Body)
T = TypeVar("T")


def build_app(account: Account) -> FastAPI:
    """The application that answers for this account."""
    app = FastAPI(title="Hevo, locally", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(_routes(account), prefix="/api/v1/pipelines")
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(StarletteHTTPException, _no_route)
    return app


async def _refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refusal.answer


async def _no_route(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, StarletteHTTPException)
    return JSONResponse(
        {"message": f"{problem.detail}: {request.method} {request.url.path}"}, problem.status_code
    )


def _routes(account: Account) -> APIRouter:
    router = APIRouter()
    clock = account.clock
    default_entries = account.scenario.account.page_size

    def page(
        entries: Sequence[T],
        identity: Callable[[T], str],
        as_json: Callable[[T], Json],
        query: PageQuery,
    ) -> Response:
        try:
            found_page = page_of(
                entries,
                identity,
                as_json,
                size=query.entries(default_entries),
                begins_after=query.begins_after,
            )
        except BadPageError as bad:
            raise Refusal(400, str(bad)) from bad
        return _json(found_page.body)

    @contextmanager
    def found(pipeline_id: str) -> Generator[tuple[PipelineState, float], None, None]:
        if not (pipeline_id.isdigit() and int(pipeline_id) in account.pipelines):
            raise Refusal(404, f"Pipeline {pipeline_id} does not exist")
        with account.pipeline(int(pipeline_id)) as present:
            yield present

    @router.get("")
    async def list_pipelines(limit: str | None = None, cursor: str | None = None) -> Response:
        with account.all_pipelines() as (pipelines, _):
            return page(
                pipelines,
                lambda each: str(each.id),
                lambda each: answers.pipeline_body(each, clock),
                PageQuery(limit, cursor),
            )

    @router.get("/{pipeline_id}")
    async def get_pipeline(pipeline_id: str) -> Response:
        with found(pipeline_id) as (pipeline, _):
            return _json(answers.pipeline_body(pipeline, clock))

    @router.patch("/{pipeline_id}")
    async def update_pipeline(pipeline_id: str, request: Request) -> Response:
        changes = await _body(request, PipelineChanges)
        with found(pipeline_id) as (pipeline, now):
            _change(pipeline, changes, now)
            return _json(answers.pipeline_body(pipeline, clock))

    @router.patch("/{pipeline_id}/sources")
    async def update_source(pipeline_id: str, request: Request) -> Response:
        body = await _body(request, SourceBody)
        with found(pipeline_id) as (pipeline, now):
            pipeline.source_config.update(body.config)
            pipeline.updated = now
            return _json({"config": pipeline.source_config})

    @router.post("/{pipeline_id}/actions/sync-now")
    async def sync_now(pipeline_id: str, request: Request) -> Response:
        wanted = TriggerRequest("sync-now", request.state.user)
        with found(pipeline_id) as (pipeline, now):
            return _triggered(pipeline, pipeline.trigger(wanted, now))

    @router.post("/{pipeline_id}/actions/resync")
    async def resync(pipeline_id: str, request: Request) -> Response:
        body = await _body(request, ResyncBody)
        wanted = TriggerRequest("resync", request.state.user, body.drops)
        with found(pipeline_id) as (pipeline, now):
            return _triggered(pipeline, pipeline.trigger(wanted, now))

    @router.post("/{pipeline_id}/objects/actions/resync")
    async def resync_objects(pipeline_id: str, request: Request) -> Response:
        body = await _body(request, ResyncObjectsBody)
        wanted = TriggerRequest(
            "resync-objects", request.state.user, body.drop_and_load, body.object_ids
        )
        with found(pipeline_id) as (pipeline, now):
            return _triggered(pipeline, pipeline.trigger(wanted, now))

    @router.post("/{pipeline_id}/actions/enable")
    async def enable(pipeline_id: str) -> Response:
        with found(pipeline_id) as (pipeline, now):
            pipeline.enable(now)
            return _done(pipeline)

    @router.post("/{pipeline_id}/actions/disable")
    async def disable(pipeline_id: str, request: Request) -> Response:
        body = await _body(request, DisableBody)
        with found(pipeline_id) as (pipeline, now):
            pipeline.disable(now, cancel_active_jobs=body.cancel_active_jobs)
            return _done(pipeline)

    @router.get("/{pipeline_id}/jobs")
    async def list_jobs(
        pipeline_id: str, limit: str | None = None, cursor: str | None = None
    ) -> Response:
        with found(pipeline_id) as (pipeline, now):
            try:
                return _json(page_of_jobs(pipeline, PageQuery(limit, cursor), clock, now).body)
            except BadPageError as bad:
                raise Refusal(400, str(bad)) from bad

    @router.get("/{pipeline_id}/jobs/{job_id}")
    async def get_job(pipeline_id: str, job_id: str) -> Response:
        with found(pipeline_id) as (pipeline, now):
            job = _job(pipeline, job_id, now)
            return _json(answers.job_body(pipeline, job, clock, now))

    @router.post("/{pipeline_id}/jobs/{job_id}/actions/cancel")
    async def cancel_job(pipeline_id: str, job_id: str) -> Response:
        with found(pipeline_id) as (pipeline, now):
            job = _job(pipeline, job_id, now)
            if job.ended_at is not None:
                raise Refusal(400, f"Job {job_id} is {job.status(now)} and cannot be cancelled")
            pipeline.cancel(job, now)
            return _done(pipeline)

    @router.get("/{pipeline_id}/jobs/{job_id}/objects")
    async def list_job_objects(
        pipeline_id: str, job_id: str, limit: str | None = None, cursor: str | None = None
    ) -> Response:
        with found(pipeline_id) as (pipeline, now):
            return page(
                answers.job_objects(pipeline, _job(pipeline, job_id, now), now),
                lambda each: each[0].object_id,
                lambda each: answers.job_object_body(pipeline, *each),
                PageQuery(limit, cursor),
            )

    @router.get("/{pipeline_id}/objects")
    async def list_objects(
        pipeline_id: str, limit: str | None = None, cursor: str | None = None
    ) -> Response:
        with found(pipeline_id) as (pipeline, _):
            return page(
                pipeline.visible_objects(),
                lambda each: each.object_id,
                lambda each: answers.object_body(pipeline, each),
                PageQuery(limit, cursor),
            )

    @router.get("/{pipeline_id}/objects/{object_id}")
    async def get_object(pipeline_id: str, object_id: str) -> Response:
        with found(pipeline_id) as (pipeline, _):
            state = _object(pipeline, object_id)
            return _json(answers.object_body(pipeline, state, alone=True))

    @router.post("/{pipeline_id}/objects/actions/refresh-schema")
    async def refresh_schema(pipeline_id: str) -> Response:
        with found(pipeline_id) as (pipeline, now):
            pipeline.refresh_schema(now)
            return _done(pipeline)

    return router


def _job(pipeline: PipelineState, job_id: str, now: float) -> JobRun:
    job = pipeline.job_by_id.get(job_id)
    if job is None or not job.is_listed(now):
        raise Refusal(404, f"Job {job_id} of pipeline {pipeline.id} does not exist")
    return job


def _object(pipeline: PipelineState, object_id: str) -> ObjectState:
    state = pipeline.objects.get(object_id)
    if state is None or state.hidden:
        raise Refusal(404, f"Object {object_id} of pipeline {pipeline.id} does not exist")
    return state


def _triggered(pipeline: PipelineState, trigger: Trigger) -> Response:
    behaviour = pipeline.behaviour
    if trigger.result == "conflict":
        status = HTTPStatus(409 if behaviour.on_conflict == 409 else 500)
        raise Refusal(
            status, trigger.message, error=status.phrase, as_text=behaviour.conflict_as_text
        )
    if trigger.result == "refused":
        raise Refusal(behaviour.refusal_status, trigger.message)
    if behaviour.resync_tells_job_id and trigger.action == "resync-objects" and trigger.job_id:
        return _json({"job_id": trigger.job_id})
    if trigger.action == "sync-now":
        return _done(
            pipeline, {"message": "Sync triggered successfully", "pipeline_id": pipeline.id}
        )
    return _done(pipeline)


def _done(pipeline: PipelineState, body: Json | None = None) -> Response:
    if pipeline.behaviour.empty_answers:
        return Response(status_code=204)
    return _json(body or {"status": "SUCCESS"})


def _change(pipeline: PipelineState, changes: PipelineChanges, now: float) -> None:
    schedule = changes.schedule
    if schedule is not None:
        states_frequency = "frequency_minutes" in schedule.model_fields_set
        pipeline.set_schedule(
            schedule.sync_type or pipeline.sync_type,
            schedule.frequency_minutes if states_frequency else pipeline.frequency_minutes,
            now,
        )
    pipeline.reconfigure(changes.applied_to(pipeline.scenario), now)


async def _body(request: Request, kind: type[B]) -> B:
    try:
        return kind.model_validate(await _json_object(request))
    except ValidationError as invalid:
        first = invalid.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refusal(400, f"{place}: {first['msg']}") from invalid


async def _json_object(request: Request) -> Json:
    raw = await request.body()
    if not raw:
        return {}
    try:
        body: Any = json.loads(raw)
    except ValueError as unreadable:
        raise Refusal(400, f"the body is no JSON: {unreadable}") from unreadable
    if not isinstance(body, dict):
        raise Refusal(400, "the body must be a JSON object")
    return cast("Json", body)


def _json(body: Json, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type="application/json")
