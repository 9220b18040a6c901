"""Numbers, times and words that Hevo does not document, in every model: read or left out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_server import Answer

from dagster_hevo.api import (
    Job,
    JobCompletionStatus,
    JobObject,
    JobStatus,
    Namespace,
    ObjectField,
    Pipeline,
    PipelineObject,
    PipelineStatus,
)
from dagster_hevo.api.lenient import ANSWER
from dagster_hevo.api.models import HevoModel

NOON = 1_735_732_800_000  # 2025-01-01T12:00:00Z
LEAST = {"id": 7, "name": "n", "job_id": "j", "object_id": "o"}
MODELS = [Pipeline, PipelineObject, Job, JobObject, Namespace, ObjectField]


def read(model: type[HevoModel], **properties: object):
    return model.model_validate({**LEAST, **properties}, context=ANSWER)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        *((0, 0), (7, 7), (7.0, 7), (7.9, 7), ("7", 7), (" 7 ", 7), ("7.9", 7), ("7e2", 700)),
        (2**63 - 1, 2**63 - 1),
        *((2**63, None), (10**30, None), (1e300, None), ("9" * 100, None)),
        *((-1, None), (-0.5, None), ("-7", None), (None, None), ("", None), ("many", None)),
        *((math.nan, None), (math.inf, None), (-math.inf, None), ("nan", None), ("inf", None)),
        *((True, None), (False, None), ([], None), ([7], None), ({}, None), ({"a": 7}, None)),
    ],
)
def test_a_count_is_read_however_it_is_written_or_left_out(written, count):
    job = read(Job, events_loaded=written, duration=written, objects_failed=written)
    assert (job.events_loaded, job.duration, job.objects_failed) == (count or 0, count, count or 0)
    assert read(PipelineObject, field_count=written).field_count == count
    told = read(JobObject, rows_processed=written, events_failed=written)
    assert (told.loaded_events, told.events_failed, told.failed_events) == (
        count,
        count,
        count or 0,
    )
    schedule = read(Pipeline, schedule={"frequency_minutes": written}).schedule
    assert schedule is not None
    assert schedule.frequency_minutes == count
    assert type(job.events_loaded) is int


@pytest.mark.parametrize(
    ("written", "measure"),
    [
        *((0, 0), (1.5, 1.5), ("1.5", 1.5), (7, 7)),
        *((-1, None), (math.nan, None), (math.inf, None), ("slow", None), (True, None)),
        *((10**400, None), (None, None), ([], None)),
    ],
)
def test_a_measure_keeps_its_fraction_or_is_left_out(written, measure):
    assert read(Job, mean_latency=written).mean_latency == measure


@pytest.mark.parametrize(
    ("written", "time"),
    [
        *((NOON, NOON), (float(NOON), NOON), (NOON + 0.9, NOON), (str(NOON), NOON)),
        *(("2025-01-01T12:00:00Z", NOON), ("2025-01-01T12:00:00+00:00", NOON)),
        *(("2025-01-01T13:00:00+01:00", NOON), ("2025-01-01T12:00:00.250Z", NOON + 250)),
        *(("2025-01-01T12:00:00", NOON), ("2025-01-01 12:00:00", NOON)),
        ("2025-01-01T12:00:00.123456Z", NOON + 123),
        *((946_684_800_000, 946_684_800_000), (946_684_799_999, None), (0, None), (1, None)),
        *((NOON // 1000, None), ("1999-12-31T23:59:59Z", None), (-NOON, None)),
        *((253_402_300_799_999, 253_402_300_799_999), (253_402_300_800_000, None)),
        *((10**30, None), ("9999-12-31T23:59:59-12:00", None), ("99999-01-01T00:00:00Z", None)),
        *((math.nan, None), (math.inf, None), (None, None), (True, None)),
        *(("", None), ("now", None), ("2025", None), ("2025-13-01T00:00:00Z", None)),
        *(([NOON], None), ({}, None)),
    ],
)
def test_a_time_is_read_however_it_is_written_or_left_out(written, time):
    job = read(Job, created_ts=written, updated_ts=written)
    assert (job.created_ts, job.updated_ts) == (time, time)
    pipeline = read(Pipeline, created_ts=written, source_schema_status={"refreshed_ts": written})
    assert pipeline.created_ts == time
    assert pipeline.source_schema_status is not None
    assert pipeline.source_schema_status.refreshed_ts == time


def test_a_time_before_the_year_2000_is_left_out_over_http(serve, connect):
    entries = [{"job_id": "a", "created_ts": 5}, {"job_id": "b", "created_ts": NOON}]
    server = serve(Answer({"data": entries}), Answer(entries[0]))
    hevo = connect(server)
    assert [job.created_ts for job in hevo.list_jobs(7)] == [None, NOON]
    assert hevo.get_job(7, "a").created_ts is None


ODD_WORDS = [None, 5, 1.5, True, [], ["COMPLETED"], {}, {"value": "COMPLETED"}]


@pytest.mark.parametrize("status", ODD_WORDS)
def test_a_job_without_a_readable_status_is_pending(status):
    for job in (read(Job, status=status), read(Job)):
        assert job.status == "UNKNOWN"
        assert isinstance(job.status, JobStatus)
        assert not job.status.is_known
        assert not job.is_terminal
        assert job.status.completion is JobCompletionStatus.PENDING


@pytest.mark.parametrize("word", ODD_WORDS)
def test_a_word_of_an_odd_type_is_unknown_or_left_out(word):
    pipeline = read(Pipeline, status=word, load_mode=word, schedule={"sync_type": word})
    assert isinstance(pipeline.status, PipelineStatus)
    assert pipeline.status == "UNKNOWN"
    assert pipeline.load_mode is None
    assert read(Job, type=word).type is None
    told = read(PipelineObject, status=word, replication_status=word)
    assert (told.status, told.replication_status, told.is_replicated) == (None, None, False)
    assert read(JobObject, status=word).status is None


def test_one_job_without_a_status_leaves_the_others_readable(serve, connect):
    entries = [{"job_id": "a", "status": None}, {"job_id": "b"}, {"job_id": "c", "status": 5}]
    server = serve(Answer({"data": [*entries, {"job_id": "d", "status": "COMPLETED"}]}))
    jobs = list(connect(server).list_jobs(7))
    assert [job.status for job in jobs] == ["UNKNOWN"] * 3 + ["COMPLETED"]


@pytest.mark.parametrize("odd", [None, 5, "text", [], ["x"], True])
def test_a_part_of_an_odd_type_counts_as_left_out(odd):
    names = ["source", "destination", "schedule", "failure_handling_policy", "latency_alert"]
    assert read(Pipeline, **dict.fromkeys(names, odd)) == read(Pipeline)
    assert read(PipelineObject, source_namespace=odd).source_namespace == Namespace()
    assert read(JobObject, source_namespace=odd).source_namespace is None


def test_a_namespace_of_numbers_is_read_as_text():
    assert Namespace.model_validate({"k0": 5, "k1": None, "k2": ["x"]}).path == ("5",)


@pytest.mark.parametrize("fields", [None, 5, "text", {}, True])
def test_columns_that_are_no_list_count_as_left_out(fields):
    assert read(PipelineObject, fields=fields).fields is None


def test_odd_columns_leave_the_others_readable():
    columns = ["odd", None, {"source_name": "a", "primary_key": "perhaps"}, {"source_name": 5}]
    fields = read(PipelineObject, fields=columns).fields
    assert fields is not None
    assert [(each.source_name, each.primary_key) for each in fields] == [("a", False), ("5", False)]


@pytest.mark.parametrize("written", [7, "7", " 7"])
def test_a_pipelines_id_is_a_number_however_it_is_written(written):
    assert read(Pipeline, id=written).id == 7


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_only_ids_and_a_pipelines_name_can_make_a_value_unreadable(model, data):
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    odd = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(optional, anything)))
    value = read(model, **odd)
    assert type(value).model_validate_json(value.model_dump_json()) == value.model_copy(
        update={"source": type(value.source).model_validate(value.source.model_dump())}
        if isinstance(value, Pipeline)
        else {}
    )
    repr(value)
    hash(value.model_dump_json())


def test_what_is_read_leniently_is_written_as_before(recwarn):
    job = read(Job, status="COMPLETED", events_loaded="7", created_ts="2025-01-01T12:00:00Z")
    assert job.model_dump(mode="json", exclude_defaults=True) == {
        "job_id": "j",
        "status": "COMPLETED",
        "events_loaded": 7,
        "created_ts": NOON,
    }
    assert not recwarn.list


@pytest.mark.parametrize("half", [rb"\ud800", b"\xed\xa0\x80"])
def test_half_a_character_is_replaced(serve, connect, half):
    answer = b'{"object_id": "a", "object_name": "x' + half + b'", "status": "y' + half + b'"}'
    found = connect(serve(Answer(answer))).get_object(7, "a")
    assert found.object_name in {"x?", "x\ufffd\ufffd\ufffd"}
    assert found.model_dump_json()
