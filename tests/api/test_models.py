"""Answers as they come from a service that changes: more than known, less than known, odd."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from stub_server import Answer

from dagster_hevo.api import (
    Job,
    JobCompletionStatus,
    JobObject,
    JobObjectStatus,
    JobStatus,
    JobType,
    Namespace,
    ObjectStatus,
    Pipeline,
    PipelineObject,
    PipelineStatus,
)
from dagster_hevo.api.enums import OpenEnum
from dagster_hevo.api.errors import HevoResponseError
from dagster_hevo.api.foreign_text import escaped
from dagster_hevo.sandbox import Fault

PIPELINE = {
    "id": 7,
    "name": "Shop",
    "status": "INITIALIZED",
    "source": {
        "name": "db",
        "connector_id": 12,
        "source_type": "POSTGRES",
        "config": {"host": "db.internal", "password": "hunter2-of-the-source"},
    },
    "destination": {"id": 3, "name": "wh", "destination_type": "SNOWFLAKE", "status": "ACTIVE"},
    "schedule": {"sync_type": "SCHEDULED", "frequency_minutes": 60},
    "failure_handling_policy": {"object_failure_level": "MODERATE"},
    "created_ts": 1_700_000_000_000,
}
JOB = {"job_id": "j1", "type": "HISTORICAL", "status": "IN_PROGRESS"}


def test_unknown_fields_are_ignored_at_every_level(sandbox, connect):
    hevo = connect(sandbox)
    job_id = sandbox.start_scheduled_job(101).job_id
    object_id = sandbox.object_ids(101)[0]

    def all_of_it():
        return (
            list(hevo.list_pipelines()),
            list(hevo.list_objects(101)),
            hevo.get_object(101, object_id),
            list(hevo.get_job_objects(101, job_id)),
            hevo.get_job(101, job_id),
        )

    as_known = repr(all_of_it())
    sandbox.faults.add(Fault("unknown_fields"))
    assert repr(all_of_it()) == as_known


def test_missing_fields_are_none_or_nought(sandbox, connect):
    sandbox.faults.add(Fault("missing_fields"))
    job_id = sandbox.start_scheduled_job(101).job_id
    hevo = connect(sandbox)
    pipeline, job = hevo.get_pipeline(101), hevo.get_job(101, job_id)
    (told, *_) = hevo.list_objects(101)
    assert (pipeline.schedule, pipeline.source.config, pipeline.destination.id) == (None,) * 3
    assert (job.type, job.created_ts, job.events_loaded, job.objects_total) == (None, None, 0, 0)
    assert (told.field_count, told.source_namespace, told.name) == (
        None,
        Namespace(),
        told.object_id,
    )


def test_unknown_words_are_kept_and_known_to_be_unknown(sandbox, connect):
    sandbox.faults.add(Fault("unknown_values"))
    job_id = sandbox.start_scheduled_job(101).job_id
    hevo = connect(sandbox)
    pipeline, job = hevo.get_pipeline(101), hevo.get_job(101, job_id)
    (told, *_) = hevo.list_objects(101)
    words = [pipeline.status, pipeline.load_mode, job.status, job.type, told.status]
    assert words == ["SOMETHING_NEW"] * 5
    assert [word.is_known for word in words] == [False] * 5
    assert job.status.completion is JobCompletionStatus.PENDING
    assert not job.is_terminal
    assert pipeline.status.accepts_triggers
    assert not told.is_replicated


@pytest.mark.parametrize("kind", OpenEnum.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_unknown_word_is_a_full_member_of_its_kind(kind):
    word = kind("BRAND_NEW")
    assert isinstance(word, kind)
    assert word == "BRAND_NEW" == kind("BRAND_NEW") == str(word)
    assert hash(word) == hash("BRAND_NEW")
    assert len({word, kind("BRAND_NEW")}) == 1
    assert copy.deepcopy(word) == word
    assert (word.name, word.value) == ("BRAND_NEW", "BRAND_NEW")
    assert not word.is_known
    assert "BRAND_NEW" not in kind.__members__


@pytest.mark.parametrize("kind", OpenEnum.__subclasses__(), ids=lambda kind: kind.__name__)
def test_a_known_word_is_itself_in_any_case_of_letters(kind):
    for member in kind:
        assert kind(member.value) is kind(member.value.lower()) is member
        assert member.is_known


@pytest.mark.parametrize(
    ("kind", "spelling", "meant"),
    [
        (JobStatus, "CANCELED", JobStatus.CANCELLED),
        (JobStatus, "CANCELLED", JobStatus.CANCELLED),
        (JobStatus, "CANCELING", JobStatus.CANCELLING),
        (JobStatus, "DEFERRED_WITH_FAILURE", JobStatus.DEFERRED_WITH_FAILURES),
        (JobStatus, "DEFERRED_WITH_FAILURES", JobStatus.DEFERRED_WITH_FAILURES),
        (JobObjectStatus, "CANCELED", JobObjectStatus.CANCELLED),
        (JobObjectStatus, "SUCCESS", JobObjectStatus.COMPLETED),
    ],
)
def test_both_spellings_of_a_status_are_one(kind, spelling, meant):
    assert kind(spelling) is meant


@pytest.mark.parametrize("spelling", ["CANCELLED", "CANCELED"])
def test_a_cancelled_job_is_cancelled_however_hevo_spells_it(sandbox, connect, spelling):
    sandbox.set_behaviour(cancelled_spelling=spelling)
    job_id = sandbox.start_scheduled_job(101).job_id
    sandbox.cancel_job(job_id)
    sandbox.advance(30)
    job = connect(sandbox).get_job(101, job_id)
    assert job.status.was_cancelled
    assert job.status.completion is JobCompletionStatus.FAILED


@pytest.mark.parametrize(
    ("status", "completion"),
    [
        ("IN_PROGRESS", "PENDING"),
        ("CANCELLING", "PENDING"),
        ("DEFERRED", "PENDING"),
        ("COMPLETED", "COMPLETED"),
        ("COMPLETED_WITH_FAILURES", "COMPLETED_WITH_FAILURES"),
        ("FAILED", "FAILED"),
        ("CANCELLED", "FAILED"),
        ("SKIPPED", "FAILED"),
        ("DEFERRED_WITH_FAILURES", "FAILED"),
        ("SOMETHING_NEW", "PENDING"),
    ],
)
def test_a_job_status_means_what_hevos_hook_says(status, completion):
    assert JobStatus(status).completion == completion
    assert JobStatus(status).is_terminal == (completion != "PENDING")


@pytest.mark.parametrize("model", [Pipeline, PipelineObject, Job, JobObject])
def test_null_is_the_same_as_left_out(model):
    needed = {"id": 7, "name": "n", "status": "X", "job_id": "j", "object_id": "o"}
    least = {name: needed[name] for name, f in model.model_fields.items() if f.is_required()}
    nulls = {name: None for name in model.model_fields if name not in least}
    assert model.model_validate({**nulls, **least}) == model.model_validate(least)


def test_null_deeper_down_is_left_out_too():
    told = Pipeline.model_validate({**PIPELINE, "schedule": {"sync_type": None}, "source": None})
    assert told.schedule.sync_type is None
    assert told.source.name is None


@pytest.mark.parametrize(
    ("missing", "body", "call"),
    [
        ("name", {"id": 7, "status": "x"}, lambda h: h.get_pipeline(7)),
        ("id", {"id": None, "name": "x", "status": "x"}, lambda h: h.get_pipeline(7)),
        ("job_id", {"status": "x"}, lambda h: h.get_job(7, "j")),
        ("job_id", {"job_id": " ", "status": "x"}, lambda h: h.get_job(7, "j")),
        ("object_id", {"object_id": ["o"]}, lambda h: h.get_object(7, "o")),
        ("the answer", ["x"], lambda h: h.get_object(7, "o")),
    ],
)
def test_a_missing_field_that_is_needed_is_named_with_its_endpoint(
    serve, connect, missing, body, call
):
    server = serve(Answer(body))
    with pytest.raises(HevoResponseError, match=rf"\({missing}: ") as raised:
        call(connect(server))
    assert str(raised.value).startswith(f"GET {server.requests[0].target.partition('?')[0]}: ")
    assert "What to do" in str(raised.value)


def test_an_empty_answer_where_one_is_needed_is_an_error(serve, connect):
    with pytest.raises(HevoResponseError, match="not a Pipeline"):
        connect(serve(Answer(status=204))).get_pipeline(7)


@pytest.mark.parametrize(
    ("answer", "call"),
    [
        ({**PIPELINE, "id": 8}, lambda hevo: hevo.get_pipeline(7)),
        ({**PIPELINE, "id": 8}, lambda hevo: hevo.update_pipeline(7, {"name": "Shop"})),
        ({"job_id": "b", "status": "COMPLETED"}, lambda hevo: hevo.get_job(7, "a")),
        ({"object_id": "b"}, lambda hevo: hevo.get_object(7, "a")),
    ],
)
def test_the_value_of_another_id_is_no_answer(serve, connect, answer, call):
    server = serve(Answer(answer))
    with pytest.raises(HevoResponseError, match="another id"):
        call(connect(server))


@pytest.mark.parametrize("sent", ["AB12", "ab12", 12])
def test_an_id_in_another_spelling_is_the_same(serve, connect, sent):
    server = serve(Answer({"job_id": sent}))
    assert connect(server).get_job(7, str(sent).upper()).job_id == str(sent)


def test_a_sources_settings_are_readable_and_never_shown(serve, connect):
    hevo = connect(serve(Answer(PIPELINE)))
    told = hevo.get_pipeline(7)
    assert told.source.config == PIPELINE["source"]["config"]
    shown = [
        *(repr(told), str(told), f"{told}", repr(told.source), repr([told]), repr(vars(told))),
        *(told.model_dump_json(), str(told.model_dump()), str(told.model_dump(mode="json"))),
        *(told.source.model_dump_json(), str(told.source.model_dump())),
    ]
    assert "hunter2-of-the-source" not in "".join(shown)
    assert "db.internal" not in "".join(shown)


def test_updated_settings_are_readable_and_never_shown(serve, connect):
    hevo = connect(serve(Answer({"config": {"password": "hunter2"}})))
    source = hevo.update_pipeline_sources(7, {"password": "hunter2"})
    assert source.config == {"password": "hunter2"}
    assert "hunter2" not in repr(source) + str(source) + source.model_dump_json()


def test_ids_are_text_however_hevo_writes_them():
    assert Job.model_validate({**JOB, "job_id": 42}).job_id == "42"
    assert PipelineObject.model_validate({"object_id": 42}).object_id == "42"
    assert Pipeline.model_validate(PIPELINE).source.connector_id == "12"


def test_a_value_read_from_hevo_does_not_change():
    with pytest.raises(ValidationError):
        Job.model_validate(JOB).status = JobStatus.FAILED


def test_a_job_counts_its_objects():
    counts = {"success": 3, "skipped": 2, "failed": 1, "queued": 4}
    job = Job.model_validate({**JOB, **{f"objects_{name}": n for name, n in counts.items()}})
    assert (job.objects_done, job.objects_total) == (6, 10)


def test_a_namespace_reads_from_the_outside_in():
    assert Namespace(k0="orders", k1="shop", k2="prod").path == ("prod", "shop", "orders")
    assert Namespace(k0="orders").path == ("orders",)


@pytest.mark.parametrize("status", list(ObjectStatus))
def test_only_active_objects_are_replicated(status):
    told = PipelineObject.model_validate({"object_id": "o", "status": status})
    assert told.is_replicated == (status in {"ACTIVE", "RESETTING"})


def test_an_object_is_called_by_the_best_name_it_has():
    names = [
        {"object_name": "Orders", "source_namespace": {"k0": "src"}},
        {"source_namespace": {"k0": "src"}, "destination_namespace": {"k0": "dst"}},
        {"destination_namespace": {"k0": "dst"}},
        {},
    ]
    told = [PipelineObject.model_validate({"object_id": "o", **each}).name for each in names]
    assert told == ["Orders", "src", "dst", "o"]


def test_only_a_running_pipeline_and_an_unknown_state_accept_triggers():
    accepting = {status for status in PipelineStatus if status.accepts_triggers}
    assert accepting == {"INITIALIZED", "ENABLED"}
    assert {status for status in PipelineStatus if status.becomes_triggerable} == {"RESTARTING"}


def test_the_older_names_of_resyncs_are_resyncs():
    assert JobType("RESYNC_WITH_EVOLVE").is_resync
    assert JobType("TRUNCATE_AND_LOAD").is_resync
    assert not JobType("HISTORICAL").is_resync


# Job objects are not documented, so nothing about them may fail.

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
odd_property = anything | st.sampled_from(["FAILED", "12"])
near_miss = st.fixed_dictionaries({}, optional=dict.fromkeys(JobObject.model_fields, odd_property))


@settings(max_examples=80, deadline=None)
@given(near_miss | anything)
def test_a_job_object_of_any_shape_is_read(answer):
    told = JobObject.model_validate(answer)
    assert told.failed_events is not None
    assert told.loaded_events is None or isinstance(told.loaded_events, int)
    assert told.status is None or isinstance(told.status, JobObjectStatus)
    assert told.source_namespace is None or isinstance(told.source_namespace.path, tuple)
    hash(told.status)
    repr(told)


def test_one_odd_job_object_leaves_the_others_readable(serve, connect):
    entries = [{"object_name": "a", "rows_processed": "many"}, "odd", None, {"object_name": "b"}]
    told = list(connect(serve(Answer({"data": entries}))).get_job_objects(7, "j"))
    assert [each.object_name for each in told] == ["a", "b"]


def test_rows_and_events_are_two_names_of_one_count():
    rows = JobObject.model_validate({"rows_processed": 5, "rows_failed": 2})
    events = JobObject.model_validate({"events_loaded": 5, "events_failed": 2})
    assert (rows.loaded_events, rows.failed_events) == (5, 2)
    assert (events.loaded_events, events.failed_events) == (5, 2)


def test_no_events_loaded_is_a_count_and_not_a_gap():
    told = JobObject.model_validate({"events_loaded": 0, "rows_processed": 5})
    assert told.loaded_events == 0


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_job_status(text):
    status = JobStatus(text)
    assert status.is_known or status == escaped(text)
    assert status.completion in JobCompletionStatus
    assert Job.model_validate({**JOB, "status": text}).status == status
