"""The asynchronous client is the other one on threads: same names, answers and errors."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterator

import pytest
from stub_server import Answer

from dagster_hevo.api import AsyncHevoClient, HevoClient
from dagster_hevo.api.errors import (
    HevoAuthenticationError,
    HevoConfigurationError,
    HevoConflictError,
    HevoConnectionError,
    HevoNotFoundError,
)

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}


def methods_of(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in vars(kind).items()
        if not name.startswith("_") and callable(member)
    }


def test_both_clients_have_the_same_methods_with_the_same_arguments():
    assert methods_of(AsyncHevoClient) == methods_of(HevoClient)


SENDS_NOTHING = {"with_deadline", "within", "hevo_now_ms"}


def test_every_method_that_sends_is_awaitable_or_a_list_of_pages():
    lists = {
        name
        for name in methods_of(HevoClient)
        if inspect.get_annotations(getattr(HevoClient, name))["return"].startswith("Iterator")
    }
    for name in methods_of(AsyncHevoClient):
        method = getattr(AsyncHevoClient, name)
        assert inspect.iscoroutinefunction(method) == (name not in lists | SENDS_NOTHING), name
    pages = {"job_pages", "job_object_pages", "object_pages"}
    assert lists == {"list_pipelines", "list_jobs", "get_job_objects", "list_objects", *pages}


def test_every_method_keeps_its_documentation():
    for name in methods_of(HevoClient):
        assert getattr(AsyncHevoClient, name).__doc__ == getattr(HevoClient, name).__doc__


def test_answers_are_the_same(sandbox, connect):
    job_id = sandbox.start_scheduled_job(101).job_id
    client = connect(sandbox)

    async def asked():
        hevo = AsyncHevoClient(client)
        return (
            await hevo.get_pipeline(101),
            await hevo.get_job(101, job_id),
            await hevo.list_objects(101),
            await hevo.get_job_completion_status(101, job_id),
        )

    assert asyncio.run(asked()) == (
        client.get_pipeline(101),
        client.get_job(101, job_id),
        list(client.list_objects(101)),
        client.get_job_completion_status(101, job_id),
    )


def test_a_list_is_taken_page_by_page_with_async_for(sandbox, connect):
    async def asked():
        hevo = AsyncHevoClient(connect(sandbox, page_size=2))
        return [len(sandbox.requests) async for _ in hevo.list_objects(101)]

    assert asyncio.run(asked()) == [1, 1, 2]


def test_a_list_can_be_taken_twice(sandbox, connect):
    async def asked():
        objects = AsyncHevoClient(connect(sandbox)).list_objects(101)
        return await objects, [each async for each in objects]

    first, second = asyncio.run(asked())
    assert first == second != []


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda h: h.get_pipeline(999), HevoNotFoundError),
        (lambda h: h.get_pipeline(0), HevoConfigurationError),
        (lambda h: h.list_jobs(999), HevoNotFoundError),
        (lambda h: h.list_jobs(0), HevoConfigurationError),
        (lambda h: h.resync_pipeline(101), HevoConflictError),
    ],
)
def test_errors_are_the_same(sandbox, connect, call, kind):
    sandbox.start_scheduled_job(101)

    async def asked():
        await call(AsyncHevoClient(connect(sandbox)))

    with pytest.raises(kind):
        asyncio.run(asked())


def test_an_error_comes_out_of_async_for_too(sandbox, connect):
    async def asked():
        async for _ in AsyncHevoClient(connect(sandbox, api_secret="wrong")).list_pipelines():
            pass

    with pytest.raises(HevoAuthenticationError):
        asyncio.run(asked())


def test_requests_wait_side_by_side_and_the_loop_goes_on(serve, connect):
    server = serve(Answer(PIPELINE, delay=0.2))

    async def asked():
        hevo = AsyncHevoClient(connect(server))
        began = time.monotonic()
        await asyncio.gather(*(hevo.get_pipeline(7) for _ in range(4)))
        return time.monotonic() - began

    assert asyncio.run(asked()) < 0.6
    assert len(server.requests) == 4


def test_it_is_made_of_settings_and_closes_what_it_made(serve):
    server = serve(Answer(PIPELINE))

    async def asked():
        async with AsyncHevoClient(api_key="k", api_secret="s", base_url=server.url) as hevo:
            assert repr(hevo) == f"AsyncHevoClient(base_url={server.url!r})"
            return await hevo.get_pipeline(7)

    assert asyncio.run(asked()).name == "Shop"
    assert server.requests[0].keys == ("k", "s")


def test_lists_of_the_other_client_are_plain_iterators(connect):
    assert isinstance(connect("http://127.0.0.1:9").list_pipelines(), Iterator)


def test_a_client_and_settings_of_another_are_refused(connect):
    with pytest.raises(HevoConfigurationError, match="timeout"):
        AsyncHevoClient(connect("http://127.0.0.1:9"), timeout=3)


def test_the_deadline_of_the_asynchronous_client_is_kept(serve, connect):
    server = serve(Answer(PIPELINE))
    hevo = AsyncHevoClient(connect(server, monotonic=lambda: 100.0))
    assert asyncio.run(_name_of_pipeline(hevo.with_deadline(100.5))) == "Shop"
    with pytest.raises(HevoConnectionError, match="no time was left"):
        asyncio.run(_name_of_pipeline(hevo.with_deadline(100.0)))
    with pytest.raises(HevoConnectionError, match="no time was left"):
        asyncio.run(_name_of_pipeline(hevo.within(0)))
    assert len(server.requests) == 1


async def _name_of_pipeline(hevo: AsyncHevoClient) -> str:
    return (await hevo.get_pipeline(7)).name


def test_pages_of_jobs_are_taken_one_by_one(serve, connect):
    first = Answer({"data": [{"job_id": "a"}], "has_more": True, "next_cursor": "x"})
    server = serve(first, Answer({"data": [{"job_id": "b"}]}))

    async def pages():
        hevo = AsyncHevoClient(connect(server))
        return [(page.entries[0].job_id, page.has_more) async for page in hevo.job_pages(7)]

    assert asyncio.run(pages()) == [("a", True), ("b", False)]


def test_hevos_time_is_told_without_a_request(serve, connect):
    server = serve(Answer(PIPELINE, headers={"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    hevo = AsyncHevoClient(connect(server, monotonic=lambda: 100.0))
    asyncio.run(_name_of_pipeline(hevo))
    assert hevo.hevo_now_ms() == 1_445_412_480_000
    assert len(server.requests) == 1
