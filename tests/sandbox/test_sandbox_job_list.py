"""The job list as hostile as it may be: any order, partial pages, repeats, gaps, odd values."""

from __future__ import annotations

import pytest

from dagster_hevo.sandbox import Fault, Scenario

PIPELINE = "/pipelines/101"
JOBS = f"{PIPELINE}/jobs"
SYNC = f"{PIPELINE}/actions/sync-now"


def with_history(count=12, **behaviour):
    return Scenario.model_validate(
        {
            "behaviour": {"duration_jitter": 0, **behaviour},
            "pipelines": [{"name": "p", "objects": ["a"], "history": [{"count": count}]}],
        }
    )


@pytest.mark.parametrize(
    "order",
    [
        {"job_list_order": "newest_first"},
        {"job_list_order": "oldest_first"},
        {"job_list_order": "shuffled"},
        {"job_order": "newest"},
        {"job_order": "oldest"},
    ],
    ids=str,
)
def test_the_list_keeps_to_its_order_over_all_pages(start, order):
    _, hevo = start(with_history(**order))
    created = [job["created_ts"] for page in hevo.pages(JOBS, limit=5) for job in page]
    (stated,) = order.values()
    assert len(created) == len(set(created)) == 12
    assert (created == sorted(created)) is stated.startswith("oldest")
    assert (created == sorted(created, reverse=True)) is stated.startswith("newest")


def test_a_shuffled_list_is_the_same_in_every_read(start):
    _, hevo = start(with_history(job_list_order="shuffled"))
    assert hevo.job_ids(limit=5) == hevo.job_ids(limit=100)


@pytest.mark.parametrize("query", [{}, {"limit": 100}, {"limit": 3}])
def test_pages_can_hold_fewer_entries_than_requested(start, query):
    _, hevo = start(with_history(job_list_page_entries=4))
    pages = hevo.pages(JOBS, **query)
    most = min(4, query.get("limit", 10))
    assert [len(page) for page in pages] == [most] * (12 // most)
    assert len({job["job_id"] for page in pages for job in page}) == 12


def test_every_page_can_begin_with_the_last_entry_of_the_one_before(start):
    _, hevo = start(with_history(7, job_list_repeats=True))
    pages = [[job["job_id"] for job in page] for page in hevo.pages(JOBS, limit=3)]
    assert [len(page) for page in pages] == [3, 3, 3]
    assert [page[0] for page in pages[1:]] == [page[-1] for page in pages[:-1]]
    assert len({job_id for page in pages for job_id in page}) == 7


def test_repeats_end_even_where_a_page_has_one_entry(start):
    _, hevo = start(with_history(4, job_list_repeats=True))
    assert len(hevo.job_ids(limit=1)) == 4


def test_every_third_read_leaves_out_the_newest_job(start):
    sandbox, hevo = start(with_history(job_list_leaves_out_every=3))
    newest = sandbox.jobs(101)[-1].job_id
    assert [newest in hevo.job_ids(limit=100) for _ in range(6)] == [
        *(True, True, False),
        *(True, True, False),
    ]


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
@pytest.mark.parametrize("limit", [1, 5])
def test_a_job_that_a_read_leaves_out_is_on_none_of_its_pages(start, order, limit):
    scenario = with_history(7, job_list_leaves_out_every=1, job_list_order=order)
    sandbox, hevo = start(scenario)
    expected = {job.job_id for job in sandbox.jobs(101)[:-1]}
    assert set(hevo.job_ids(limit=limit)) == expected


def test_a_left_out_job_is_still_there_by_its_id(start):
    sandbox, hevo = start(with_history(1, job_list_leaves_out_every=1))
    (job,) = sandbox.jobs(101)
    assert hevo.listed(JOBS) == []
    assert hevo.get(f"{JOBS}/{job.job_id}").status_code == 200


def test_a_job_can_appear_long_after_its_trigger_and_its_end(start):
    sandbox, hevo = start(Scenario.simple(objects=1, job_appears_after=(90, 90)))
    hevo.post(SYNC)
    sandbox.advance(89.5)
    (job,) = sandbox.jobs(101)
    early = (job.status, hevo.listed(JOBS), hevo.get(f"{JOBS}/{job.job_id}").status_code)
    sandbox.advance(1)
    assert early == ("COMPLETED", [], 404)
    assert [entry["status"] for entry in hevo.listed(JOBS)] == ["COMPLETED"]


@pytest.mark.parametrize("order", ["newest_first", "shuffled"])
def test_the_oldest_job_can_have_odd_values_in_the_list_and_alone(start, order):
    sandbox, hevo = start(with_history(3, odd_job_values=True, job_list_order=order))
    oldest, *others = (job.job_id for job in sandbox.jobs(101))
    listed = {job["job_id"]: job for job in hevo.listed(JOBS)}
    odd = listed[oldest]
    assert odd == hevo.get(f"{JOBS}/{oldest}").json()
    assert odd["status"] is None
    assert odd["duration"] % 1 == 0.5
    assert odd["created_ts"].endswith("+00:00")
    assert odd["events_loaded"] < 0 > odd["objects_success"]
    assert len(odd.keys() - listed[others[0]].keys()) == 1
    assert {listed[job_id]["status"] for job_id in others} == {"COMPLETED"}


@pytest.mark.parametrize("kind", ["unknown_values", "unknown_fields", "missing_fields", "cut_json"])
def test_odd_values_can_be_garbled_further(start, kind):
    _, hevo = start(with_history(3, odd_job_values=True), faults=[Fault(kind, times=1)])
    struck, whole = (hevo.get(JOBS) for _ in range(2))
    assert struck.status_code == whole.status_code == 200
    assert struck.content != whole.content


def test_traits_of_one_pipeline_leave_the_others_alone(start):
    history = [{"count": 6}]
    scenario = Scenario.model_validate(
        {
            "pipelines": [
                {"name": "a", "history": history, "behaviour": {"job_list_page_entries": 2}},
                {"name": "b", "history": history},
            ]
        }
    )
    _, hevo = start(scenario)
    pages = [len(hevo.listed(f"/pipelines/{pipeline_id}/jobs")) for pipeline_id in (101, 102)]
    assert pages == [2, 6]
