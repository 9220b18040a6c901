"""Lists: page by page, only as far as they are read, and never in circles."""

from __future__ import annotations

from typing import Any

import pytest
from stub_server import Answer

from dagster_hevo.api.errors import HevoResponseError

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
BASE = "/api/v1/pipelines"


def page(*entries: Any, **rest: Any) -> Answer:
    return Answer({"data": list(entries), **rest})


def test_all_pages_make_one_list(sandbox, connect):
    hevo = connect(sandbox, page_size=2)
    assert len(list(hevo.list_objects(101))) == 3
    assert [seen.query.startswith("limit=2") for seen in sandbox.requests] == [True, True]


def test_a_cursor_goes_back_as_it_came(serve, connect):
    odd = "a+b/c==&limit=9 é"
    server = serve(page(PIPELINE, has_more=True, next_cursor=odd), page(PIPELINE, has_more=False))
    assert len(list(connect(server, page_size=5).list_pipelines())) == 2
    assert server.requests[1].target == (
        f"{BASE}?limit=5&cursor=a%2Bb%2Fc%3D%3D%26limit%3D9+%C3%A9"
    )


@pytest.mark.parametrize("rest", [{}, {"next_cursor": None}, {"next_cursor": ""}])
def test_more_without_a_cursor_ends_the_list(serve, connect, rest):
    server = serve(page(PIPELINE, has_more=True, **rest))
    assert len(list(connect(server).list_pipelines())) == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("rest", [{}, {"has_more": False}, {"has_more": None}])
def test_a_cursor_without_more_ends_the_list(serve, connect, rest):
    server = serve(page(PIPELINE, next_cursor="x", **rest))
    assert len(list(connect(server).list_pipelines())) == 1


def test_an_empty_page_in_between_does_not_end_the_list(serve, connect):
    server = serve(page(has_more=True, next_cursor="x"), page(PIPELINE))
    assert len(list(connect(server).list_pipelines())) == 1


def test_pages_that_lead_back_to_each_other_are_an_error(serve, connect):
    there, back = (page(PIPELINE, has_more=True, next_cursor=each) for each in "ab")
    server = serve(there, back, there)
    with pytest.raises(HevoResponseError, match=rf"GET {BASE}: .*lead back to each other"):
        list(connect(server).list_pipelines())
    assert len(server.requests) == 3


def test_a_page_is_asked_for_when_it_is_needed(sandbox, connect):
    objects = connect(sandbox, page_size=2).list_objects(101)
    asked = [len(sandbox.requests)]
    for _ in range(3):
        next(objects)
        asked.append(len(sandbox.requests))
    assert asked == [0, 1, 1, 2]


def test_a_list_may_come_without_its_envelope(serve, connect):
    assert len(list(connect(serve(Answer([PIPELINE]))).list_pipelines())) == 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, "text", 1, None])
def test_an_answer_that_is_no_list_names_the_endpoint(serve, connect, body):
    server = serve(Answer(None if body is None else Answer(body).raw))
    hevo = connect(server, retry_limit=1)
    with pytest.raises(HevoResponseError, match=f"GET {BASE}"):
        list(hevo.list_pipelines())
