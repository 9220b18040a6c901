"""A fuzz of the transport: whatever comes back, only the package's own errors, in bounded time.

`benchmarks/fuzz_transport.py` sends a hundred thousand answers; here are two thousand.
"""

from __future__ import annotations

import random
import time
import tracemalloc

from canaries import assert_unseen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_bytes import odd_answer
from raw_server import http

from dagster_hevo.api import HevoClient
from dagster_hevo.api.errors import HevoError

CALLS = {
    "list of pipelines": lambda hevo: list(hevo.list_pipelines()),
    "pipeline": lambda hevo: hevo.get_pipeline(7),
    "jobs": lambda hevo: list(hevo.list_jobs(7)),
    "job": lambda hevo: hevo.get_job(7, "j"),
    "objects of a job": lambda hevo: list(hevo.get_job_objects(7, "j")),
    "object": lambda hevo: hevo.get_object(7, "o"),
    "trigger": lambda hevo: hevo.resync_objects(7, ["o"]),
    "change": lambda hevo: hevo.update_pipeline_sources(7, {"password": "planted-in-a-source"}),
}
ANSWERS_BY_CHANCE = 1_400
ANSWERS_OF_HYPOTHESIS = 600
MOST_SECONDS = 3.0
MOST_BYTES = 64 * 2**20


def ask(hevo: HevoClient, name: str, seed: object) -> None:
    """Make a call; whatever comes of it is a value or an error of ours, soon, and harmless."""
    began = time.monotonic()
    failure: HevoError | None = None
    try:
        told = repr(CALLS[name](hevo))
    except HevoError as error:
        failure, told = error, f"{error} {error!r} {vars(error)}"
    if failure is not None:
        assert failure.__cause__ is failure.__context__ is None, (name, seed)
        assert len(str(failure)) < 2_000, (name, seed)
        assert str(failure).isprintable(), (name, seed, str(failure))
    assert time.monotonic() - began < MOST_SECONDS, (name, seed)
    assert_unseen(told)
    assert "planted-in-a-source" not in told


def test_two_thousand_odd_answers_and_no_error_but_ours(raw, connect):
    answer = [b""]
    server = raw(lambda _: answer[0])
    hevo = connect(server, retry_limit=1, timeout=1.0)
    tracemalloc.start()
    for seed in range(ANSWERS_BY_CHANCE):
        chance = random.Random(seed)
        answer[0] = odd_answer(chance)
        ask(hevo, chance.choice(list(CALLS)), seed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_BYTES


def test_what_hypothesis_thinks_of_is_no_error_but_ours(raw, connect):
    answer = [b""]
    hevo = connect(raw(lambda _: answer[0]), retry_limit=1, timeout=1.0)
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=12,
    )
    known = st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("data", "id", "name", "job_id", "status", "message", "detail", "source"), anything
        ),
    )

    @settings(
        max_examples=ANSWERS_OF_HYPOTHESIS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(
        st.sampled_from(list(CALLS)),
        st.integers(200, 599),
        st.dictionaries(
            st.sampled_from(["Content-Type", "Retry-After", "Date", "Location", "X"]),
            st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40),
        ),
        known | anything | st.binary(max_size=200),
    )
    def check(name: str, status: int, headers: dict[str, str], content: object) -> None:
        answer[0] = http(content, status, headers)
        ask(hevo, name, content)

    check()
