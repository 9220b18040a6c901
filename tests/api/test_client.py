"""Each endpoint as it is documented, and what goes with every request.

Lists are in `test_pages.py`.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from requests_to_send import KEY, SECRET
from stub_server import Answer

from dagster_hevo import __version__
from dagster_hevo.api import JobCompletionStatus, JobStatus, JobType, ResyncMode
from dagster_hevo.api.client import HevoClient
from dagster_hevo.api.errors import HevoConfigurationError

PIPELINE = {"id": 7, "name": "Shop", "status": "INITIALIZED"}
JOB = {"job_id": "j1", "type": "HISTORICAL", "status": "IN_PROGRESS"}
OBJECT = {"object_id": "o1", "status": "ACTIVE"}
BASE = "/api/v1/pipelines"
LIMIT = "?limit=100"

Call = Callable[[HevoClient], Any]


def page(*entries: Any, **rest: Any) -> Answer:
    return Answer({"data": list(entries), **rest})


ENDPOINTS: list[tuple[str, Call, str, str, Any, Any]] = [
    ("list_pipelines", lambda h: list(h.list_pipelines()), "GET", BASE + LIMIT, None, [PIPELINE]),
    ("get_pipeline", lambda h: h.get_pipeline(7), "GET", f"{BASE}/7", None, PIPELINE),
    (
        "update_pipeline",
        lambda h: h.update_pipeline(7, {"name": "New"}),
        "PATCH",
        f"{BASE}/7",
        {"name": "New"},
        PIPELINE,
    ),
    (
        "update_pipeline_sources",
        lambda h: h.update_pipeline_sources(7, {"host": "db"}),
        "PATCH",
        f"{BASE}/7/sources",
        {"config": {"host": "db"}},
        {"config": {"host": "db"}},
    ),
    (
        "update_pipeline_sources, wrapped",
        lambda h: h.update_pipeline_sources(7, {"config": {"host": "db"}}),
        "PATCH",
        f"{BASE}/7/sources",
        {"config": {"host": "db"}},
        {"config": {"host": "db"}},
    ),
    (
        "trigger_pipeline_sync",
        lambda h: h.trigger_pipeline_sync(7),
        "POST",
        f"{BASE}/7/actions/sync-now",
        None,
        None,
    ),
    (
        "resync_pipeline",
        lambda h: h.resync_pipeline(7),
        "POST",
        f"{BASE}/7/actions/resync",
        {"resync_mode": "EVOLVE_AND_MERGE"},
        None,
    ),
    (
        "resync_pipeline, dropping",
        lambda h: h.resync_pipeline(7, ResyncMode.DROP_AND_LOAD),
        "POST",
        f"{BASE}/7/actions/resync",
        {"resync_mode": "DROP_AND_LOAD"},
        None,
    ),
    (
        "enable_pipeline",
        lambda h: h.enable_pipeline(7),
        "POST",
        f"{BASE}/7/actions/enable",
        None,
        None,
    ),
    (
        "disable_pipeline",
        lambda h: h.disable_pipeline(7),
        "POST",
        f"{BASE}/7/actions/disable",
        {"cancel_active_jobs": False},
        None,
    ),
    (
        "disable_pipeline, cancelling",
        lambda h: h.disable_pipeline(7, cancel_active_jobs=True),
        "POST",
        f"{BASE}/7/actions/disable",
        {"cancel_active_jobs": True},
        None,
    ),
    ("list_jobs", lambda h: list(h.list_jobs(7)), "GET", f"{BASE}/7/jobs{LIMIT}", None, [JOB]),
    ("job_pages", lambda h: list(h.job_pages(7)), "GET", f"{BASE}/7/jobs{LIMIT}", None, [JOB]),
    ("get_job", lambda h: h.get_job(7, "j1"), "GET", f"{BASE}/7/jobs/j1", None, JOB),
    (
        "get_job_completion_status",
        lambda h: h.get_job_completion_status(7, "j1"),
        "GET",
        f"{BASE}/7/jobs/j1",
        None,
        JOB,
    ),
    (
        "find_active_job_by_type",
        lambda h: h.find_active_job_by_type(7, JobType.HISTORICAL),
        "GET",
        f"{BASE}/7/jobs{LIMIT}",
        None,
        [JOB],
    ),
    (
        "cancel_job",
        lambda h: h.cancel_job(7, "j1"),
        "POST",
        f"{BASE}/7/jobs/j1/actions/cancel",
        None,
        None,
    ),
    (
        "get_job_objects",
        lambda h: list(h.get_job_objects(7, "j1")),
        "GET",
        f"{BASE}/7/jobs/j1/objects{LIMIT}",
        None,
        [{"object_name": "orders"}],
    ),
    (
        "job_object_pages",
        lambda h: list(h.job_object_pages(7, "j1")),
        "GET",
        f"{BASE}/7/jobs/j1/objects{LIMIT}",
        None,
        [{"object_name": "orders"}],
    ),
    (
        "list_objects",
        lambda h: list(h.list_objects(7)),
        "GET",
        f"{BASE}/7/objects{LIMIT}",
        None,
        [OBJECT],
    ),
    (
        "object_pages",
        lambda h: list(h.object_pages(7)),
        "GET",
        f"{BASE}/7/objects{LIMIT}",
        None,
        [OBJECT],
    ),
    ("get_object", lambda h: h.get_object(7, "o1"), "GET", f"{BASE}/7/objects/o1", None, OBJECT),
    (
        "refresh_schema",
        lambda h: h.refresh_schema(7),
        "POST",
        f"{BASE}/7/objects/actions/refresh-schema",
        {},
        None,
    ),
    (
        "resync_objects",
        lambda h: h.resync_objects(7, ["o1", "o2"]),
        "POST",
        f"{BASE}/7/objects/actions/resync",
        {"object_ids": ["o1", "o2"], "drop_and_load": False},
        None,
    ),
    (
        "resync_objects, dropping",
        lambda h: h.resync_objects(7, ("o1",), drop_and_load=True),
        "POST",
        f"{BASE}/7/objects/actions/resync",
        {"object_ids": ["o1"], "drop_and_load": True},
        None,
    ),
]


@pytest.mark.parametrize(
    ("call", "method", "target", "body", "answer"),
    [case[1:] for case in ENDPOINTS],
    ids=[case[0] for case in ENDPOINTS],
)
def test_an_endpoint_is_asked_as_documented(serve, connect, call, method, target, body, answer):
    answers = {list: lambda: page(*answer), type(None): lambda: Answer(status=204)}
    server = serve(answers.get(type(answer), lambda: Answer(answer))())
    call(connect(server))
    (seen,) = server.requests
    assert (seen.method, seen.target) == (method, target)
    assert seen.body == (Answer(body).raw if body is not None else b"")
    assert seen.keys == (KEY, SECRET)
    assert seen.headers["User-Agent"] == f"dagster-hevo/{__version__}"
    assert "Cookie" not in seen.headers
    if method == "POST":
        assert seen.headers["Content-Type"] == "application/json"


def test_a_content_type_among_the_extra_headers_wins(serve, connect):
    server = serve(Answer(status=204))
    connect(server, extra_headers={"content-type": "text/plain"}).trigger_pipeline_sync(7)
    headers = {name.lower(): value for name, value in server.requests[0].headers.items()}
    assert headers["content-type"] == "text/plain"


def test_every_public_method_is_tried_above():
    tried = {name.partition(",")[0] for name, *_ in ENDPOINTS}
    public = {name for name, kind in vars(HevoClient).items() if name[0] != "_" and callable(kind)}
    assert tried == public - {"close", "with_deadline", "within", "hevo_now_ms"}


@pytest.mark.parametrize("answer", [Answer(), Answer({"job_id": "j9"}), Answer(status=202)])
def test_a_trigger_answers_nothing_whatever_came_back(serve, connect, answer):
    assert connect(serve(answer)).trigger_pipeline_sync(7) is None


def test_the_answers_are_typed(sandbox, connect):
    hevo = connect(sandbox)
    (pipeline,) = hevo.list_pipelines()
    objects = list(hevo.list_objects(pipeline.id))
    job_id = sandbox.start_scheduled_job(pipeline.id).job_id
    sandbox.finish_jobs()
    assert hevo.get_pipeline(pipeline.id) == pipeline
    assert [each.fields for each in objects] == [None] * 3
    assert hevo.get_object(pipeline.id, objects[0].object_id).fields[0].destination_name
    assert [job.job_id for job in hevo.list_jobs(pipeline.id)] == [job_id]
    assert hevo.get_job(pipeline.id, job_id).status is JobStatus.COMPLETED
    done = {each.object_id for each in hevo.get_job_objects(pipeline.id, job_id)}
    assert done == {each.object_id for each in objects}


def test_the_completion_of_a_job_is_what_its_status_means(sandbox, connect):
    job_id = sandbox.start_scheduled_job(101).job_id
    hevo = connect(sandbox)
    before = hevo.get_job_completion_status(101, job_id)
    sandbox.end_job(job_id, "DEFERRED_WITH_FAILURES")
    after = hevo.get_job_completion_status(101, job_id)
    assert (before, after) == (JobCompletionStatus.PENDING, JobCompletionStatus.FAILED)


def test_only_a_job_in_progress_of_that_type_is_active(sandbox, connect):
    job_id = sandbox.start_scheduled_job(101, type="INCREMENTAL").job_id
    hevo = connect(sandbox)
    assert hevo.find_active_job_by_type(101, "INCREMENTAL").job_id == job_id
    assert hevo.find_active_job_by_type(101, "HISTORICAL") is None
    sandbox.finish_jobs()
    assert hevo.find_active_job_by_type(101, "INCREMENTAL") is None


def test_disabling_cancelling_and_enabling_do_what_they_say(sandbox, connect):
    job_id = sandbox.start_scheduled_job(101).job_id
    hevo = connect(sandbox)
    hevo.cancel_job(101, job_id)
    hevo.disable_pipeline(101)
    sandbox.advance(10)
    assert hevo.get_job(101, job_id).status is JobStatus.CANCELLED
    assert hevo.get_pipeline(101).status == "DISABLED"
    hevo.enable_pipeline(101)
    sandbox.advance(10)
    assert hevo.get_pipeline(101).status == "INITIALIZED"


def test_an_odd_id_stays_inside_its_path(serve, connect):
    odd_id = "a/b?c=d#e é"
    server = serve(Answer({**OBJECT, "object_id": odd_id}))
    connect(server).get_object(7, odd_id)
    assert server.requests[0].target == f"{BASE}/7/objects/a%2Fb%3Fc%3Dd%23e%20%C3%A9"


def test_keys_beyond_latin_1_are_sent_as_utf_8(serve, connect):
    server = serve(Answer(PIPELINE))
    connect(server, api_key="schlüssel", api_secret="s€cret").get_pipeline(7)
    assert server.requests[0].keys == ("schlüssel", "s€cret")


def test_extra_headers_win_over_the_clients_own(serve, connect):
    server = serve(Answer(PIPELINE))
    extra = {"User-Agent": "mine", "Accept": "text/plain", "X-Custom-Header": "value"}
    connect(server, extra_headers=extra).get_pipeline(7)
    assert extra.items() <= server.requests[0].headers.items()
    assert server.requests[0].keys == (KEY, SECRET)


def test_cookies_are_not_kept(serve, connect):
    server = serve(Answer(PIPELINE, headers={"Set-Cookie": "session=1; Path=/"}))
    hevo = connect(server)
    hevo.get_pipeline(7)
    hevo.get_pipeline(7)
    assert "Cookie" not in server.requests[1].headers


def test_a_proxy_given_as_extra_argument_is_used(serve, connect):
    proxy = serve(Answer(PIPELINE))
    hevo = connect("http://127.0.0.1:9", extra_kwargs={"proxies": {"http": proxy.url}})
    assert hevo.get_pipeline(7).name == "Shop"
    assert proxy.requests[0].target == f"http://127.0.0.1:9{BASE}/7"


def test_a_certificate_given_as_extra_argument_is_trusted(serve, connect, certificate):
    server = serve(Answer(PIPELINE), certificate=certificate)
    hevo = connect(server, extra_kwargs={"verify": str(certificate)})
    assert hevo.get_pipeline(7).name == "Shop"


def test_many_requests_share_one_connection(sandbox, connect):
    hevo = connect(sandbox, page_size=1)
    for _ in range(3):
        list(hevo.list_objects(101))
        hevo.get_pipeline(101)
        hevo.refresh_schema(101)
    assert len(sandbox.requests) == 15
    assert len({seen.connection for seen in sandbox.requests}) == 1


def test_it_counts_the_requests_it_sends_repeated_ones_too(serve, connect):
    server = serve(Answer(status=503), Answer(PIPELINE))
    hevo = connect(server)
    hevo.get_pipeline(7)
    assert hevo.requests_sent == len(server.requests) == 2


def test_an_error_answer_keeps_the_connection(serve, connect):
    server = serve(Answer({"message": "no"}, status=503), Answer(PIPELINE))
    connect(server).get_pipeline(7)
    assert len({seen.connection for seen in server.requests}) == 1


@pytest.mark.parametrize("pipeline_id", ["abc", "7", 0, -1, True, None, 1.0])
def test_what_is_no_pipeline_id_is_refused_unasked(serve, connect, pipeline_id):
    server = serve(Answer(PIPELINE))
    hevo = connect(server)
    calls: list[Call] = [
        lambda h: h.get_pipeline(pipeline_id),
        lambda h: h.list_jobs(pipeline_id),
        lambda h: h.trigger_pipeline_sync(pipeline_id),
        lambda h: h.resync_objects(pipeline_id, ["o1"]),
        lambda h: h.cancel_job(pipeline_id, "j1"),
    ]
    for call in calls:
        with pytest.raises(HevoConfigurationError, match="pipeline_id is"):
            call(hevo)
    assert server.requests == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda h: h.resync_objects(7, []), "object_ids"),
        (lambda h: h.resync_objects(7, iter(())), "object_ids"),
        (lambda h: h.resync_objects(7, "o1"), "object_ids"),
        (lambda h: h.resync_objects(7, ["o1", " "]), "object_ids"),
        (lambda h: h.resync_pipeline(7, "SOME_MODE"), "resync_mode"),
        (lambda h: h.update_pipeline(7, {}), "fields"),
        (lambda h: h.update_pipeline_sources(7, {}), "fields"),
        (lambda h: h.update_pipeline(7, {"x": float("nan")}), "not JSON"),
        (lambda h: h.update_pipeline(7, {"x": object()}), "not JSON"),
        (lambda h: h.get_job(7, ""), "job_id"),
        (lambda h: h.get_job(7, ".."), "job_id"),
        (lambda h: h.get_object(7, " "), "object_id"),
    ],
)
def test_a_bad_argument_is_refused_unasked_and_named(serve, connect, call, named):
    server = serve(Answer(PIPELINE))
    with pytest.raises(HevoConfigurationError, match=named):
        call(connect(server))
    assert server.requests == []


def test_its_repr_shows_the_address_and_no_key(connect):
    assert repr(connect("http://127.0.0.1:9")) == "HevoClient(base_url='http://127.0.0.1:9')"


def test_threads_share_a_client(sandbox, connect):
    from concurrent.futures import ThreadPoolExecutor

    hevo = connect(sandbox)
    with ThreadPoolExecutor(8) as pool:
        names = {each.name for each in pool.map(hevo.get_pipeline, itertools.repeat(101, 40))}
    assert len(names) == 1
    assert len({seen.connection for seen in sandbox.requests}) <= 8


def test_the_client_and_the_life_of_a_job_need_no_dagster():
    code = (
        "import sys, dagster_hevo.api, dagster_hevo.jobs\n"
        "dagster_hevo.api.HevoClient, dagster_hevo.api.AsyncHevoClient\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'dagster'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
