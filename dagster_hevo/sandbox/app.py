"""The routes of the local Hevo: every endpoint of the Edge API, answered from the account.

Keys, limits, faults and the record of requests are in `gate.py`, through which every request
comes first; the shapes of answers are in `answers.py`.
"""

# The router holds on to the routes; nothing else calls them.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from dagster_hevo.api.enums import ResyncMode
from dagster_hevo.sandbox import answers
from dagster_hevo.sandbox.account import Account
from dagster_hevo.sandbox.answers import Json
from dagster_hevo.sandbox.jobs import JobRun
from dagster_hevo.sandbox.pipelines import ObjectState, PipelineState, Trigger

_UNCHANGEABLE = frozenset({"id", "status", "source", "destination", "created_ts", "updated_ts"})


class Refusal(Exception):
    """An answer that says no: a status and the message of its JSON body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Body(BaseModel):
    """A request's body; like Hevo, the sandbox ignores what it does not know."""

    model_config = ConfigDict(extra="ignore")


class ResyncBody(Body):
    resync_mode: ResyncMode = ResyncMode.EVOLVE_AND_MERGE
    drop_and_load: bool | None = None

    @property
    def drops(self) -> bool:
        """Whether tables are dropped; the older form wins, since only old clients send it."""
        if self.drop_and_load is not None:
            return self.drop_and_load
        return self.resync_mode is ResyncMode.DROP_AND_LOAD


class ResyncObjectsBody(Body):
    object_ids: tuple[str, ...] = ()
    drop_and_load: bool = False


class DisableBody(Body):
    cancel_active_jobs: bool = False


class SourceBody(Body):
    config: dict[str, Any]


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
    return JSONResponse({"message": refusal.message}, refusal.status)


async def _no_route(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, StarletteHTTPException)
    return JSONResponse(
        {"message": f"{problem.detail}: {request.method} {request.url.path}"}, problem.status_code
    )


def _routes(account: Account) -> APIRouter:
    router = APIRouter()
    clock = account.clock
    page_size = account.scenario.account.page_size

    @contextmanager
    def found(pipeline_id: str) -> Generator[tuple[PipelineState, float], None, None]:
        if not (pipeline_id.isdigit() and int(pipeline_id) in account.pipelines):
            raise Refusal(404, f"Pipeline {pipeline_id} does not exist")
        with account.pipeline(int(pipeline_id)) as present:
            yield present

    @router.get("")
    async def list_pipelines(limit: str | None = None, cursor: str | None = None) -> Response:
        with account.all_pipelines() as (pipelines, _):
            page, after = _page(pipelines, lambda each: str(each.id), limit, cursor, page_size)
            return _json(
                answers.page_body([answers.pipeline_body(each, clock) for each in page], after)
            )

    @router.get("/{pipeline_id}")
    async def get_pipeline(pipeline_id: str) -> Response:
        with found(pipeline_id) as (pipeline, _):
            return _json(answers.pipeline_body(pipeline, clock))

    @router.patch("/{pipeline_id}")
    async def update_pipeline(pipeline_id: str, request: Request) -> Response:
        changes = await _json_object(request)
        with found(pipeline_id) as (pipeline, now):
            _change(pipeline, changes, now)
            pipeline.updated_by = "owner@example.com"
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
        with found(pipeline_id) as (pipeline, now):
            return _triggered(pipeline, pipeline.trigger("sync-now", now, user=request.state.user))

    @router.post("/{pipeline_id}/actions/resync")
    async def resync(pipeline_id: str, request: Request) -> Response:
        body = await _body(request, ResyncBody)
        with found(pipeline_id) as (pipeline, now):
            return _triggered(
                pipeline,
                pipeline.trigger("resync", now, user=request.state.user, drop_and_load=body.drops),
            )

    @router.post("/{pipeline_id}/objects/actions/resync")
    async def resync_objects(pipeline_id: str, request: Request) -> Response:
        body = await _body(request, ResyncObjectsBody)
        with found(pipeline_id) as (pipeline, now):
            return _triggered(
                pipeline,
                pipeline.trigger(
                    "resync-objects",
                    now,
                    user=request.state.user,
                    drop_and_load=body.drop_and_load,
                    object_ids=body.object_ids,
                ),
            )

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
            jobs = answers.jobs_in_order(pipeline, now)
            page, after = _page(jobs, lambda each: each.job_id, limit, cursor, page_size)
            bodies = [answers.job_body(each, pipeline.behaviour, clock, now) for each in page]
            return _json(answers.page_body(bodies, after))

    @router.get("/{pipeline_id}/jobs/{job_id}")
    async def get_job(pipeline_id: str, job_id: str) -> Response:
        with found(pipeline_id) as (pipeline, now):
            job = _job(pipeline, job_id, now)
            return _json(answers.job_body(job, pipeline.behaviour, clock, now))

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
            told = answers.job_objects(pipeline, _job(pipeline, job_id, now), now)
            page, after = _page(told, lambda each: each[0].object_id, limit, cursor, page_size)
            bodies = [answers.job_object_body(pipeline, *each) for each in page]
            return _json(answers.page_body(bodies, after))

    @router.get("/{pipeline_id}/objects")
    async def list_objects(
        pipeline_id: str, limit: str | None = None, cursor: str | None = None
    ) -> Response:
        with found(pipeline_id) as (pipeline, _):
            states = pipeline.visible_objects()
            page, after = _page(states, lambda each: each.object_id, limit, cursor, page_size)
            bodies = [answers.object_body(pipeline, each) for each in page]
            return _json(answers.page_body(bodies, after))

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


def _page(
    entries: Sequence[T],
    identity: Callable[[T], str],
    limit: str | None,
    cursor: str | None,
    size: int,
) -> tuple[Sequence[T], str | None]:
    try:
        return answers.page_of(entries, identity, limit=limit, cursor=cursor, default_limit=size)
    except answers.BadPageError as bad:
        raise Refusal(400, str(bad)) from bad


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
    if trigger.result == "conflict":
        status = 409 if pipeline.behaviour.on_conflict == 409 else 500
        raise Refusal(status, trigger.message)
    if trigger.result == "refused":
        raise Refusal(pipeline.behaviour.refusal_status, trigger.message)
    tells = pipeline.behaviour.resync_tells_job_id and trigger.action == "resync-objects"
    if tells and trigger.job_id:
        return _json({"job_id": trigger.job_id})
    return _done(pipeline)


def _done(pipeline: PipelineState) -> Response:
    if pipeline.behaviour.empty_answers:
        return Response(status_code=204)
    return _json({"status": "SUCCESS"})


def _change(pipeline: PipelineState, changes: Json, now: float) -> None:
    kept = {name: value for name, value in changes.items() if name not in _UNCHANGEABLE}
    schedule: Any = kept.pop("schedule", None)
    if isinstance(schedule, dict):
        stated = cast("Json", schedule)
        pipeline.set_schedule(
            stated.get("sync_type", pipeline.sync_type),
            stated.get("frequency_minutes", pipeline.frequency_minutes),
            now,
        )
    pipeline.changes.update(kept)
    pipeline.updated = now


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
