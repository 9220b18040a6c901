"""How the ledger's lists are written and read: over a store in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.jobs.ledger import Ledger
from dagster_hevo.jobs.ledger_store import MemoryStore, append_record, first_other, read_records
from dagster_hevo.jobs.newness import LONGEST_DELAY, Baseline
from dagster_hevo.jobs.pipeline_ledger import MOST_UNRESOLVED, PipelineLedger, RequestPointer
from dagster_hevo.jobs.records import Record, RecordKind, Settlement
from dagster_hevo.jobs.request import make_request

FEW = settings(max_examples=60, deadline=None)
REQUEST = make_request(1, ["a"], ["a", "b"])


def long_record(request_id: str, length: int) -> Record:
    return Record(RecordKind.BASELINE, request_id, content={"jobs": ["x" * length]})


@pytest.mark.parametrize("length", [0, 700, 801, 5000])
def test_a_record_of_any_length_comes_back(length):
    store = MemoryStore()
    record = long_record("r", length)
    append_record(store, "list", "uid", record.to_text())
    assert read_records(store, "list") == (record,)
    assert all(len(entry) < 1000 for entry in store.read("list"))


def test_a_record_of_which_a_part_is_missing_is_left_out():
    store = MemoryStore()
    append_record(store, "list", "one", long_record("r", 3000).to_text())
    append_record(store, "list", "two", long_record("s", 0).to_text())
    store.remove("list", store.read("list")[-2])
    assert read_records(store, "list") == (long_record("s", 0),)


@FEW
@given(st.randoms(use_true_random=False))
def test_records_whose_parts_are_mixed_come_back(random):
    parts = {}
    for uid in ("one", "two", "three"):
        store = MemoryStore()
        append_record(store, "list", uid, long_record(uid, 2500).to_text())
        parts[uid] = list(store.read("list"))
    mixed = MemoryStore()
    while any(parts.values()):
        uid = random.choice([uid for uid, left in parts.items() if left])
        mixed.append("list", [parts[uid].pop(0)])
    found = {record.request_id for record in read_records(mixed, "list")}
    assert found == {"one", "two", "three"}


def test_entries_of_another_version_are_left_out():
    store = MemoryStore()
    store.append("list", ["no record", "uid.0.1|{}", "|", "uid.0.x|7"])
    assert read_records(store, "list") == ()


@pytest.mark.parametrize("job_id", [None, "job"])
def test_a_pointer_comes_back_as_it_was_written(job_id):
    pointer = RequestPointer("r", "run", "root", 'step|with "odd" [marks]', job_id)
    assert RequestPointer.from_text(pointer.to_text()) == pointer


@pytest.mark.parametrize("text", ["", "r", "r|", "r|[]", "r|7", "r|{}"])
def test_a_text_that_is_no_pointer_is_none(text):
    assert RequestPointer.from_text(text) is None


# Claims


def test_the_first_request_that_claims_a_job_owns_it():
    ledger = PipelineLedger(MemoryStore(), "base_url", 1)
    assert ledger.claim("job", "first")
    assert not ledger.claim("job", "second")
    assert ledger.claim("job", "first")
    assert ledger.owner_of("job") == "first"


def test_a_job_that_is_recorded_keeps_its_owner():
    ledger = PipelineLedger(MemoryStore(), "base_url", 1)
    ledger.mark_for_sensor("job", "sensor")
    ledger.claim("job", "first")
    ledger.mark_recorded("job", "first")
    assert ledger.owner_of("job") == "first"
    assert ledger.is_recorded("job")
    assert ledger.is_for_sensor("job")


def test_jobs_of_other_accounts_and_pipelines_are_other_jobs():
    store = MemoryStore()
    places = [("base_url", 1), ("base_url", 2), ("another", 1)]
    for base_url, pipeline_id in places:
        assert PipelineLedger(store, base_url, pipeline_id).claim("job", f"{base_url}{pipeline_id}")


# One of several


class SlowStore(MemoryStore):
    """Lets another process act whenever this one waits for what others write."""

    def __init__(self, *acts) -> None:
        super().__init__()
        self.acts = list(acts)
        self.waited = 0.0

    def pause(self, seconds: float) -> None:
        self.waited += seconds
        if self.acts:
            self.acts.pop(0)(self)


def adds(entry: str, *, first: bool = False):
    """What another process does that adds its entry, in its place."""

    def act(store: MemoryStore) -> None:
        entries = store.lists.setdefault("list", [])
        entries.insert(0 if first else len(entries), entry)

    return act


def takes(entry: str):
    """What another process does that gives way."""
    return lambda store: store.remove("list", entry)


def first_in(store: MemoryStore) -> str | None:
    return first_other(store, "list", "ours", counts=lambda entry: entry != "other")


def test_who_is_alone_stays_and_waits_for_nobody():
    store = SlowStore()
    store.append("list", ["other"])
    assert first_in(store) is None
    assert first_in(store) is None
    assert store.waited == 0
    assert store.read("list") == ("other", "ours")


def test_who_sees_an_earlier_one_gives_way():
    store = SlowStore()
    store.append("list", ["theirs"])
    assert first_in(store) == "theirs"
    assert store.read("list") == ("theirs",)


def test_an_earlier_one_that_is_seen_late_gives_way_to_us():
    store = SlowStore(lambda _: None, adds("theirs", first=True))
    assert first_in(store) is None
    assert first_in(store) == "theirs"  # It did not: whoever comes now sees it first.


def test_a_later_one_that_gives_way_leaves_us_first():
    store = SlowStore(adds("theirs"), takes("theirs"))
    assert first_in(store) is None
    assert 0 < store.waited < 1


def test_a_later_one_that_stays_was_first():
    store = SlowStore(adds("theirs"))
    assert first_in(store) == "theirs"
    assert store.read("list") == ("theirs",)


# Requests


def test_what_this_process_settled_is_finished_and_what_another_did_is_not():
    store = MemoryStore()
    first = a_ledger(store, process_id="one")
    request_id = begin(first)
    first.settle(request_id, REQUEST, "job", Settlement.RECORDED)
    assert a_ledger(store, process_id="one").resume(REQUEST) is None
    again = a_ledger(store, process_id="two").resume(REQUEST)
    assert again is not None
    assert again.request_id == request_id


def test_a_request_that_another_run_carries_on_is_not_held_any_more():
    store = MemoryStore()
    first = a_ledger(store)
    request_id = begin(first)
    assert first.is_held(request_id)
    second = a_ledger(store, "second", root_run_id="run")
    assert second.resume(REQUEST) is not None
    assert second.is_held(request_id)
    assert not first.is_held(request_id)
    # What the first one writes later does not give the request back to it.
    claimed = {"is_adopted": False, "may_be_cancelled": False, "is_detached": False}
    first.claim(request_id, REQUEST, "job", **claimed)
    assert not first.is_held(request_id)
    assert second.is_held(request_id)


def a_ledger(store: MemoryStore, run: str = "run", **given) -> Ledger:
    return Ledger(store, run_id=run, step_key="step", **given)


def begin(ledger: Ledger, request=REQUEST) -> str:
    request_id = ledger.new_request_id()
    ledger.write_baseline(request_id, request, Baseline(frozenset()), 1)
    return request_id


def test_a_request_that_is_open_is_resumed():
    store = MemoryStore()
    request_id = begin(a_ledger(store))
    found = a_ledger(store, "second", root_run_id="run").resume(REQUEST)
    assert found is not None
    assert found.request_id == request_id


@pytest.mark.parametrize("how", [Settlement.FAILED, Settlement.OBSERVED])
def test_a_request_that_was_settled_otherwise_is_not_resumed(how):
    store = MemoryStore()
    ledger = a_ledger(store)
    ledger.settle(begin(ledger), REQUEST, None, how)
    assert a_ledger(store, "second", root_run_id="run").resume(REQUEST) is None


def test_a_request_of_another_step_or_root_run_is_not_resumed():
    store = MemoryStore()
    begin(a_ledger(store))
    assert a_ledger(store, "second").resume(REQUEST) is None
    other = Ledger(store, run_id="second", root_run_id="run", step_key="another")
    assert other.resume(REQUEST) is None


def test_the_newest_of_several_open_requests_is_resumed():
    store = MemoryStore()
    ledger = a_ledger(store)
    begin(ledger)
    newest = begin(ledger)
    found = a_ledger(store, "second", root_run_id="run").resume(REQUEST)
    assert found is not None
    assert found.request_id == newest


def lost(store: MemoryStore, run: str) -> str:
    """A run that sent a trigger, saw no job, and is gone; its request."""
    ledger = a_ledger(store, run)
    request_id = ledger.new_request_id()
    ledger.announce(request_id, REQUEST)
    ledger.write_baseline(request_id, REQUEST, Baseline(frozenset(), hevo_ms=5_000), 1)
    return request_id


@pytest.mark.parametrize(
    ("given_up", "hevo_ms"), [(True, 6_000), (False, 6_000 + 2 * round(LONGEST_DELAY * 1000))]
)
def test_a_request_that_nobody_waits_for_may_still_own_a_job(given_up, hevo_ms):
    store = MemoryStore()
    first = lost(store, "first")
    ledger = a_ledger(store, "second")
    ours = ledger.new_request_id()
    ledger.announce(ours, REQUEST)
    starting = ledger.another_starting(
        ours,
        REQUEST,
        hevo_ms=hevo_ms,
        may_appear_within=60,
        given_up={first} if given_up else (),
    )
    assert starting is None
    pipeline = ledger.pipeline(REQUEST)
    assert [pointer.request_id for pointer in pipeline.starting()] == [ours]
    (rival,) = pipeline.rivals(ours)
    assert rival.baseline.hevo_ms == 5_000
    pipeline.remove(first)
    assert pipeline.rivals(ours) == ()


def test_only_the_newest_unresolved_requests_are_kept():
    store = MemoryStore()
    pipeline = PipelineLedger(store, "base", 1)
    for number in range(MOST_UNRESOLVED + 3):
        pipeline.set_aside(RequestPointer(f"r{number}", "run", "run", "step", None))
    kept = [pointer.request_id for pointer in pipeline.unresolved()]
    assert kept == [f"r{number}" for number in range(3, MOST_UNRESOLVED + 3)]
