"""What the records of a request mean together: on plain values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.records import (
    Answer,
    Record,
    RecordedRequest,
    RecordKind,
    Settlement,
    baseline_content,
    request_content,
    requests_in,
)
from dagster_hevo.jobs.request import SyncAction, make_request

FEW = settings(max_examples=100, deadline=None)

REQUEST = make_request(1, ["a", "b"], ["a", "b", "c"])
BASELINE = Baseline(frozenset({"old"}), 7, 9, False)


def baseline(
    request_id: str = "r", triggers: int = 1, run: str = "run", attempt: int = 0
) -> Record:
    content = baseline_content(REQUEST, BASELINE, step_key="step", triggers=triggers)
    return Record(RecordKind.BASELINE, request_id, run, attempt, content)


def answered(answer: Answer, *, possible: bool | None = None, hevo_ms: int | None = 20) -> Record:
    may_have_started_a_job = answer.may_have_started_a_job if possible is None else possible
    content = {
        "answer": answer.value,
        "hevo_ms": hevo_ms,
        "may_have_started_a_job": may_have_started_a_job,
    }
    return Record(RecordKind.ANSWERED, "r", "run", 0, content)


def claimed(job_id: str = "j", *, adopted=False, cancellable=True, detached=False) -> Record:
    content = {
        **request_content(REQUEST, step_key="step"),
        "job": job_id,
        "adopted": adopted,
        "cancellable": cancellable,
        "detached": detached,
    }
    return Record(RecordKind.CLAIMED, "r", "run", 0, content)


def settled(how: Settlement, run: str = "run") -> Record:
    return Record(RecordKind.SETTLED, "r", run, 0, {"how": how.value})


def resumed(run: str, attempt: int = 0) -> Record:
    return Record(RecordKind.RESUMED, "r", run, attempt)


def told(*records: Record) -> RecordedRequest:
    (found,) = requests_in(records)
    return found


def test_a_baseline_tells_the_request_and_that_a_trigger_may_have_been_sent():
    found = told(baseline())
    assert (found.pipeline_id, found.step_key, found.triggers) == (1, "step", 1)
    assert (found.action, found.object_ids) == (SyncAction.RESYNC.value, {"a", "b"})
    assert found.baseline == BASELINE
    assert found.may_have_started_a_job
    assert found.answer is Answer.LOST


@pytest.mark.parametrize("answer", list(Answer))
def test_an_answer_tells_whether_a_job_may_come_of_the_trigger(answer):
    found = told(baseline(), answered(answer))
    assert (found.answer, found.answered_ms) == (answer, 20)
    assert found.may_have_started_a_job is (answer is not Answer.REFUSED)


def test_a_refusal_does_not_undo_an_earlier_trigger_that_was_lost():
    records = [baseline(), answered(Answer.LOST), baseline(triggers=2)]
    found = told(*records, answered(Answer.REFUSED, possible=True))
    assert found.may_have_started_a_job
    assert found.triggers == 2


def test_a_claim_tells_the_job():
    found = told(baseline(), answered(Answer.ACCEPTED), claimed("x", adopted=True, detached=True))
    assert (found.job_id, found.is_adopted, found.is_detached) == ("x", True, True)
    assert found.settlement is None


@pytest.mark.parametrize("how", list(Settlement))
def test_a_settlement_tells_how_the_request_ended(how):
    assert told(baseline(), claimed(), settled(how)).settlement is how


def test_a_request_is_held_by_the_run_that_wrote_last():
    found = told(baseline(), claimed(), resumed("second", 3))
    assert (found.run_id, found.attempt) == ("second", 3)


def test_a_settlement_by_the_sensor_does_not_change_who_holds_the_request():
    found = told(baseline(), claimed(), settled(Settlement.OBSERVED, "the sensor's"))
    assert found.run_id == "run"


def test_requests_are_told_apart_in_the_order_in_which_they_began():
    found = requests_in([baseline("one"), baseline("two"), baseline("one", triggers=2)])
    assert [(item.request_id, item.triggers) for item in found] == [("one", 2), ("two", 1)]


@pytest.mark.parametrize(
    ("wanted", "is_covered"), [(["a"], True), (["a", "b"], True), (["c"], False), ("abc", False)]
)
def test_a_request_covers_those_that_want_no_more(wanted, is_covered):
    assert told(baseline()).covers(make_request(1, wanted, "abc")) is is_covered


def test_records_of_a_request_whose_beginning_is_missing_are_left_out():
    assert requests_in([answered(Answer.ACCEPTED), settled(Settlement.RECORDED)]) == ()


@pytest.mark.parametrize(
    "record",
    [
        Record(RecordKind.SETTLED, "r", "run", 0, {}),
        Record(RecordKind.SETTLED, "r", "run", 0, {"how": "brand new"}),
        Record(RecordKind.CLAIMED, "r", "run", 0, {"job": "x"}),
        Record(
            RecordKind.ANSWERED, "r", "run", 0, {"answer": "maybe", "may_have_started_a_job": True}
        ),
        Record(RecordKind.BASELINE, "r", "run", 0, {"pipeline": "one"}),
    ],
)
def test_a_record_that_makes_no_sense_changes_nothing(record):
    assert told(baseline(), record) == told(baseline())


CONTENT = st.dictionaries(
    st.text(max_size=8).filter(
        lambda key: key not in {"version", "kind", "request", "run", "attempt"}
    ),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=3)),
    max_size=4,
)


@FEW
@given(st.sampled_from(RecordKind), st.text(max_size=12), st.text(max_size=12), CONTENT)
def test_records_come_back_as_they_were_written(kind, request_id, run, content):
    record = Record(kind, request_id, run, 2, content)
    assert Record.from_text(record.to_text()) == record


@FEW
@given(st.lists(st.builds(Record, st.sampled_from(RecordKind), st.just("r"), content=CONTENT)))
def test_whatever_the_records_say_they_can_be_read(records):
    requests_in([baseline(), *records])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "7",
        "[]",
        "null",
        "{}",
        json.dumps({"version": 2, "kind": "baseline"}),
        json.dumps({"version": 2, "kind": "new", "request": "r", "run": "x", "attempt": 0}),
        json.dumps({"version": 99, "kind": "settled", "request": "r", "run": "x", "attempt": 0}),
        json.dumps({"version": 2, "kind": "settled", "request": "r", "run": "x", "attempt": None}),
        "[" * 100_000,
    ],
)
def test_a_text_that_is_no_record_is_none(text):
    assert Record.from_text(text) is None
