"""Entries that other code wrote into the ledger's lists: they raise nothing and decide nothing."""

from __future__ import annotations

import json
import logging

import dagster as dg
import pytest

from dagster_hevo.execution.run_ledger import InstanceStore, ledger_of_step, list_name
from dagster_hevo.jobs.ledger_store import (
    append_record,
    read_records,
    read_requests,
    records_list,
    warn_of_foreign_entries,
)
from dagster_hevo.jobs.marks import AssetSet, RecordMarks
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.pipeline_ledger import PipelineLedger
from dagster_hevo.jobs.request import make_request

URL = "https://eu.hevodata.com"
PLACE = f"{URL}/101"
REQUEST = make_request(101, ["o1"], ["o1", "o2"])
HEAD = {"version": 2, "kind": "baseline", "request": "r1", "run": "run-1", "attempt": 0}
BASELINE = {
    **HEAD,
    "step": "step",
    "pipeline": 101,
    "action": "RESYNC",
    "mode": "EVOLVE_AND_MERGE",
    "objects": ["o1"],
    "jobs": [],
    "not_before_ms": None,
    "hevo_ms": None,
    "complete": True,
    "reads": 1,
    "triggers": 1,
}
VALUES = [None, True, -1, 10**400, 1e308, "x" * 3000, "\x1b[31m", [], [[]], {"a": 1}, "101", ""]
GARBAGE = [
    "",
    "|",
    "x",
    "a.0.1|",
    "a.0.1|null",
    "a.0.1|[]",
    "a.0.1|{",
    "a.0.1|" + "[" * 700,
    "a.0.1|5",
    "a.0.99999999999999999999|x",
    "a.0.-1|{}",
    'a.0.1|{"version": 2}',
    'a.0.1|{"version": Infinity, "kind": []}',
    "r1|null",
    "r1|{}",
    'r1|{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}',
    "r1|[1, 2, 3, 4, 5]",
    'r1|["run-1", "run-1", "step", 5, false]',
    'r1|["run-1", "run-1", "step", null, 1]',
    'r1|["run-1", "run-1", ["step"], null, false]',
    "r1|" + "[" * 700,
    "\x00\x1b[31m",
    "begun.",
    "done.",
    "begun.x",
    "sensor:",
]


@pytest.fixture(autouse=True)
def fresh_warning():
    warn_of_foreign_entries.cache_clear()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def use(instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture) -> None:
    """Everything that reads a list, in the order of a request's life."""
    run = dg.DagsterRun("all", run_id="run-2", root_run_id="run-1", parent_run_id="run-1")
    ledger = ledger_of_step(instance, run, "step", base_url=URL, attempt=0)
    assert ledger.resume(REQUEST) is None
    pipeline = PipelineLedger(InstanceStore(instance), URL, 101)
    pipeline.starting(), pipeline.claimed(), pipeline.rivals("r2")
    pipeline.owner_of("j1"), pipeline.is_recorded("j1"), pipeline.recorders_of("j1")
    assert ledger.another_starting("r2", REQUEST, hevo_ms=1, may_appear_within=1.0) is None
    marks = RecordMarks(InstanceStore(instance), URL, 101, AssetSet.of([dg.AssetKey("a")]), "me")
    assert not marks.of("j1").is_settled
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) <= 1
    assert all("count for nothing" in record.getMessage() for record in warned)


def plant(instance: dg.DagsterInstance, name: str, *entries: str) -> None:
    instance.add_dynamic_partitions(list_name(name), list(entries))


LISTS = [
    records_list("run-1", "step"),
    f"starting/{PLACE}",
    f"claimed/{PLACE}",
    f"recorded/{PLACE}/j1",
]


@pytest.mark.parametrize("name", LISTS)
def test_garbage_in_a_list_raises_nothing_and_is_told_once(instance, caplog, name):
    plant(instance, name, *[each for each in GARBAGE if each])
    use(instance, caplog)
    use(instance, caplog)


@pytest.mark.parametrize("field", sorted(BASELINE))
def test_a_record_of_wrong_types_counts_for_nothing(instance, caplog, field):
    for place, value in enumerate(VALUES):
        if value == BASELINE[field] and type(value) is type(BASELINE[field]):
            continue
        text = json.dumps({**BASELINE, field: value})
        store = InstanceStore(instance)
        append_record(store, f"requests/{field}/{place}", "u1", text)
        for request in read_requests(store, f"requests/{field}/{place}"):
            # What is read has the types that it should have.
            assert isinstance(request.pipeline_id, int)
            assert isinstance(request.request_id, str)
            assert isinstance(request.run_id, str)
            assert request.triggers == 1 or isinstance(request.triggers, int)
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) <= 1


def test_a_pointer_of_wrong_types_asks_the_instance_for_nothing(instance, caplog):
    for value in VALUES:
        for place in range(5):
            fields = ["run-1", "run-1", "step", None, False]
            fields[place] = value
            plant(instance, f"starting/{PLACE}", f"r{place}|{json.dumps(fields)[:700]}")
    use(instance, caplog)


def test_what_was_written_first_counts_whatever_time_it_tells(instance):
    keys = AssetSet.of([dg.AssetKey("a")])
    ours = RecordMarks(InstanceStore(instance), URL, 101, keys, "sensor-1")
    assert ours.begin("j1", 1_700_000_000.0) is None
    for seconds in ("0", "-5", "1e3", "\u0663", "9" * 400):
        plant(instance, f"recorded/{PLACE}/j1", f"begun.{keys.name}.{seconds}.sensor-2")
    assert ours.begin("j1", 1_700_000_009.0) is None
    first = ours.of("j1").begun[0]
    assert (first.sensor, first.at) == ("sensor-1", 1_700_000_000.0)


def test_a_forged_early_time_in_a_record_does_not_come_first(instance):
    store = InstanceStore(instance)
    name = records_list("run-1", "step")
    append_record(store, name, "u1", json.dumps(BASELINE))
    forged = {**BASELINE, "request": "r0", "hevo_ms": 1, "not_before_ms": 1}
    append_record(store, name, "u0", json.dumps(forged))
    assert [found.request_id for found in read_requests(store, name)] == ["r1", "r0"]


def test_our_own_records_are_read_between_foreign_ones(instance, caplog):
    run = dg.DagsterRun("all", run_id="run-1")
    ledger = ledger_of_step(instance, run, "step", base_url=URL, attempt=0)
    name = records_list("run-1", "step")
    plant(instance, name, *[each for each in GARBAGE[:8] if each])
    ledger.write_baseline("r1", REQUEST, Baseline.of([], 5), triggers=1)
    plant(instance, name, *[each for each in GARBAGE[8:] if each])
    (found,) = read_requests(InstanceStore(instance), name)
    assert found.pipeline_id == 101
    assert len(read_records(InstanceStore(instance), name)) >= 1
