"""The client for asynchronous callers: the same methods, each run on a thread.

One implementation serves both (`client.py`), so what is true of one is true of the other.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.confidential import Hidden
from dagster_hevo.api.errors import HevoConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Self

P = ParamSpec("P")
T = TypeVar("T")


class AsyncPages(Generic[T]):
    """A list of Hevo's: ``async for`` takes it page by page, ``await`` takes all of it."""

    def __init__(self, entries: Callable[[], Iterator[T]]) -> None:
        self._entries = entries

    async def __aiter__(self) -> AsyncIterator[T]:
        entries = self._entries()
        end = object()
        while (entry := await asyncio.to_thread(next, entries, end)) is not end:
            yield entry  # pyright: ignore[reportReturnType] (never the sentinel)

    def __await__(self) -> Generator[Any, None, list[T]]:
        return asyncio.to_thread(lambda: list(self._entries())).__await__()


def _awaited(
    method: Callable[Concatenate[HevoClient, P], T],
) -> Callable[Concatenate[AsyncHevoClient, P], Awaitable[T]]:
    @wraps(method)
    async def on_a_thread(self: AsyncHevoClient, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, self.client, *args, **kwargs)

    return on_a_thread


def _paged(
    method: Callable[Concatenate[HevoClient, P], Iterator[T]],
) -> Callable[Concatenate[AsyncHevoClient, P], AsyncPages[T]]:
    @wraps(method)
    def pages(self: AsyncHevoClient, *args: P.args, **kwargs: P.kwargs) -> AsyncPages[T]:
        return AsyncPages(lambda: method(self.client, *args, **kwargs))

    return pages


def _at_once(method: Callable[Concatenate[HevoClient, P], T]) -> Callable[..., T]:
    """A method that sends nothing, and so needs no thread."""

    @wraps(method)
    def at_once(self: AsyncHevoClient, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self.client, *args, **kwargs)

    return at_once


class AsyncHevoClient:
    """``HevoClient`` for asynchronous code: the same names, arguments, answers and errors.

    Args:
        client: The client to run on threads; closed with this one. Default: one made of
            ``settings``.
        settings: What ``HevoClient`` takes, where no client is given.

    Raises:
        HevoConfigurationError: Both are given.

    Example:
        ::

            async with AsyncHevoClient(client) as hevo:
                pipeline = await hevo.get_pipeline(123)
                async for job in hevo.list_jobs(123):
                    ...
    """

    def __init__(self, client: HevoClient | None = None, **settings: Any) -> None:
        # First of all: an error's frames show the variables of this one.
        hidden, names = Hidden(settings), sorted(settings)
        del settings
        if client is not None and names:
            raise HevoConfigurationError(
                f"AsyncHevoClient got {', '.join(names)} beside a client, which has its own. Give "
                "either a client or settings."
            )
        self.client = client if client is not None else HevoClient(**hidden.value)

    def __repr__(self) -> str:
        return f"AsyncHevoClient(base_url={self.client.base_url!r})"

    async def __aenter__(self) -> AsyncHevoClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @wraps(HevoClient.with_deadline)
    def with_deadline(self, deadline: float | None) -> Self:
        return self._with(self.client.with_deadline(deadline))

    @wraps(HevoClient.within)
    def within(self, seconds: float) -> Self:
        return self._with(self.client.within(seconds))

    def _with(self, client: HevoClient) -> Self:
        other = copy.copy(self)
        other.client = client
        return other

    close = _awaited(HevoClient.close)
    hevo_now_ms = _at_once(HevoClient.hevo_now_ms)
    list_pipelines = _paged(HevoClient.list_pipelines)
    get_pipeline = _awaited(HevoClient.get_pipeline)
    update_pipeline = _awaited(HevoClient.update_pipeline)
    update_pipeline_sources = _awaited(HevoClient.update_pipeline_sources)
    enable_pipeline = _awaited(HevoClient.enable_pipeline)
    disable_pipeline = _awaited(HevoClient.disable_pipeline)
    trigger_pipeline_sync = _awaited(HevoClient.trigger_pipeline_sync)
    resync_pipeline = _awaited(HevoClient.resync_pipeline)
    list_jobs = _paged(HevoClient.list_jobs)
    job_pages = _paged(HevoClient.job_pages)
    get_job = _awaited(HevoClient.get_job)
    get_job_completion_status = _awaited(HevoClient.get_job_completion_status)
    find_active_job_by_type = _awaited(HevoClient.find_active_job_by_type)
    cancel_job = _awaited(HevoClient.cancel_job)
    get_job_objects = _paged(HevoClient.get_job_objects)
    job_object_pages = _paged(HevoClient.job_object_pages)
    list_objects = _paged(HevoClient.list_objects)
    object_pages = _paged(HevoClient.object_pages)
    get_object = _awaited(HevoClient.get_object)
    refresh_schema = _awaited(HevoClient.refresh_schema)
    resync_objects = _awaited(HevoClient.resync_objects)
