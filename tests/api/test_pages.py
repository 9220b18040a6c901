"""Lists: page by page, only as far as they are read, and never without end."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from stub_server import Answer

from dagster_hevo.api import JobObject, Page, Pipeline
from dagster_hevo.api.errors import HevoResponseError
from dagster_hevo.api.pages import read_pages

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
    other = {**PIPELINE, "id": 8}
    server = serve(page(PIPELINE, has_more=True, next_cursor=odd), page(other, has_more=False))
    assert len(list(connect(server, page_size=5).list_pipelines())) == 2
    assert server.requests[1].target == (
        f"{BASE}?limit=5&cursor=a%2Bb%2Fc%3D%3D%26limit%3D9+%C3%A9"
    )


@pytest.mark.parametrize("rest", [{}, {"next_cursor": None}, {"next_cursor": ""}])
def test_more_without_a_cursor_ends_the_list(serve, connect, rest):
    server = serve(page(PIPELINE, has_more=True, **rest))
    assert len(list(connect(server).list_pipelines())) == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("cursor", [True, ["x"], {"x": 1}, 1.5])
def test_a_cursor_that_is_none_ends_the_list(serve, connect, cursor):
    server = serve(page(PIPELINE, has_more=True, next_cursor=cursor))
    assert len(list(connect(server).list_pipelines())) == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("more", [True, "true", "True", 1])
def test_more_is_understood_however_it_is_written(serve, connect, more):
    server = serve(page(PIPELINE, has_more=more, next_cursor=5), page({**PIPELINE, "id": 8}))
    assert [each.id for each in connect(server).list_pipelines()] == [7, 8]
    assert server.requests[1].target.endswith("cursor=5")


@pytest.mark.parametrize("no", [False, None, "false", 0])
def test_a_cursor_without_more_ends_the_list(serve, connect, no):
    server = serve(page(PIPELINE, next_cursor="x", has_more=no))
    assert len(list(connect(server).list_pipelines())) == 1


def test_a_cursor_alone_leads_to_the_next_page(serve, connect):
    server = serve(page(PIPELINE, next_cursor="x"), page({**PIPELINE, "id": 8}))
    assert [each.id for each in connect(server).list_pipelines()] == [PIPELINE["id"], 8]


def test_an_empty_page_in_between_does_not_end_the_list(serve, connect):
    server = serve(page(has_more=True, next_cursor="x"), page(PIPELINE))
    assert len(list(connect(server).list_pipelines())) == 1


def test_a_pipeline_or_an_object_that_two_pages_list_comes_once(serve, connect):
    server = serve(
        page(PIPELINE, PIPELINE, has_more=True, next_cursor="x"),
        page(PIPELINE, {**PIPELINE, "id": 8}),
    )
    assert [each.id for each in connect(server).list_pipelines()] == [7, 8]
    objects = [{"object_id": "a"}, {"object_id": "b"}, {"object_id": "a"}]
    server = serve(page(*objects))
    assert [each.object_id for each in connect(server).list_objects(7)] == ["a", "b"]


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


# Lists that would never end.


def endless(*entries: Any):
    """What sends requests: pages with these entries and ever-new cursors, without end."""
    sent = itertools.count(1)

    def send(request: Any) -> dict[str, Any]:
        send.requests = next(sent)
        more = {"has_more": True, "next_cursor": f"c{send.requests}"}
        return {"data": [entry(send.requests) for entry in entries], **more}

    return send


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (lambda number: PIPELINE,),
        (lambda number: {**PIPELINE, "name": f"renamed {number}"},),
        (lambda number: f"odd {number}",),
    ],
    ids=["empty", "the same", "the same, changed", "unreadable"],
)
def test_pages_that_bring_nothing_new_end_with_an_error(entries):
    send = endless(*entries)
    pages = read_pages(Pipeline, BASE, 100, send)
    with pytest.raises(HevoResponseError, match=rf"GET {BASE}: 20 pages in a row brought no new"):
        list(pages)
    assert send.requests in (20, 21)


def test_pages_that_bring_nothing_new_end_with_an_error_over_http(serve, connect):
    server = serve(*(page(has_more=True, next_cursor=f"c{number}") for number in range(30)))
    with pytest.raises(HevoResponseError, match="brought no new entry"):
        list(connect(server).list_jobs(7))
    assert len(server.requests) == 20


def test_job_objects_without_a_known_name_are_told_apart_by_what_they_say(serve, connect):
    pages = [
        page({"title": f"t{number}"}, has_more=True, next_cursor=f"c{number}")
        for number in range(30)
    ]
    server = serve(*pages, page())
    assert len(list(connect(server).get_job_objects(7, "j"))) == 30


def test_nineteen_pages_without_news_are_followed_to_the_twentieth(serve, connect):
    empty = [page(has_more=True, next_cursor=f"c{number}") for number in range(19)]
    assert len(list(connect(serve(*empty, page(PIPELINE))).list_pipelines())) == 1


def test_a_list_has_at_most_ten_thousand_pages():
    send = endless(lambda number: {"object_id": str(number)})
    seen = 0
    with pytest.raises(HevoResponseError, match="more than 10000 pages"):  # noqa: PT012
        for each in read_pages(JobObject, BASE, 1, send):
            seen += len(each.entries)
    assert seen == send.requests == 10_000


# A page at a time.


def test_jobs_come_a_page_at_a_time(serve, connect):
    first = page({"job_id": "a"}, {"job_id": "b"}, has_more=True, next_cursor="x")
    server = serve(first, page({"job_id": "c"}, has_more=True))
    pages = connect(server).job_pages(7)
    assert server.requests == []
    seen = []
    for each in pages:
        assert isinstance(each, Page)
        seen.append(([job.job_id for job in each.entries], each.has_more, len(server.requests)))
    assert seen == [(["a", "b"], True, 1), (["c"], False, 2)]


def test_the_objects_of_a_job_come_a_page_at_a_time(serve, connect):
    first = page({"object_id": "a"}, has_more=True, next_cursor="x")
    server = serve(first, page({"object_id": "b"}))
    pages = list(connect(server).job_object_pages(7, "j"))
    assert [(each.entries[0].object_id, each.has_more) for each in pages] == [
        ("a", True),
        ("b", False),
    ]


def test_a_page_does_not_change():
    with pytest.raises(AttributeError):
        Page((), has_more=False).has_more = True  # pyright: ignore[reportAttributeAccessIssue]


# Odd entries.


def test_odd_entries_are_skipped_with_one_warning_per_list(serve, connect, caplog):
    odd = ["odd", None, 5, [], {}, {"job_id": None}, {"job_id": " "}, {"job_id": True}]
    first = page({"job_id": "a"}, *odd, has_more=True, next_cursor="x")
    server = serve(first, page(*odd, {"job_id": 5}))
    with caplog.at_level(logging.WARNING, "dagster_hevo"):
        jobs = [job.job_id for job in connect(server).list_jobs(7)]
    assert jobs == ["a", "5"]
    (record,) = caplog.records
    assert "GET /api/v1/pipelines/7/jobs: skipped 8 of 9 entries" in record.message


@pytest.mark.parametrize(
    ("call", "good", "bad"),
    [
        (lambda h: h.list_pipelines(), {"id": 7, "name": "a"}, {"id": 7}),
        (lambda h: h.list_pipelines(), {"id": "7", "name": "a"}, {"name": "a"}),
        (lambda h: h.list_pipelines(), {"id": 7, "name": 5}, {"id": True, "name": "a"}),
        (lambda h: h.list_objects(7), {"object_id": "o"}, {"status": "ACTIVE"}),
        (lambda h: h.list_jobs(7), {"job_id": "j"}, {"status": "COMPLETED"}),
        (lambda h: h.list_jobs(7), {"job_id": "j"}, {"job_id": ".."}),
    ],
)
def test_an_entry_without_its_id_is_skipped(serve, connect, call, good, bad):
    assert len(list(call(connect(serve(page(bad, good)))))) == 1
