"""Every job that ends is offered once, and none that is settled: over any interleaving."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_hevo.api.models import Job
from dagster_hevo.jobs.cursor import LATE_MS, JobCursor

FEW = settings(max_examples=120, deadline=None)

SECOND = 1000


@dataclass(frozen=True)
class Happening:
    """A job of the story: when it is made, listed and over, in seconds; times may be missing."""

    number: int
    made: int
    shows_up: int
    lasts: int
    status: str
    tells_time: bool

    @property
    def listed(self) -> int:
        return self.made + self.shows_up

    @property
    def ends(self) -> int:
        return self.made + self.lasts

    def seen_at(self, moment: int) -> Job | None:
        if moment < self.listed:
            return None
        told = {"created_ts": self.made * SECOND} if self.tells_time else {}
        status = self.status if moment >= self.ends else "IN_PROGRESS"
        return Job.model_validate({"job_id": f"j{self.number}", "status": status, **told})


@st.composite
def stories(draw: st.DrawFn) -> list[Happening]:
    count = draw(st.integers(0, 8))
    tells_time = draw(st.booleans())
    return [
        Happening(
            number,
            draw(st.integers(0, 4000)),
            draw(st.integers(0, 15)),
            draw(st.integers(0, 3000)),
            draw(st.sampled_from(["COMPLETED", "FAILED", "CANCELED", "SKIPPED"])),
            tells_time or draw(st.booleans()),
        )
        for number in range(count)
    ]


MOMENTS = st.lists(st.integers(0, 8000), min_size=1, max_size=30).map(sorted)


@FEW
@given(stories(), MOMENTS, st.randoms(use_true_random=False))
def test_every_job_that_ends_is_offered_exactly_once(story, moments, random):
    cursor: JobCursor | None = None
    offered: list[str] = []
    settled_at_first: set[str] = set()
    for moment in [*moments, 8000]:
        jobs = [seen for each in story if (seen := each.seen_at(moment)) is not None]
        random.shuffle(jobs)
        if cursor is None:
            cursor = JobCursor.starting_at(jobs)
            settled_at_first = {each.job_id for each in jobs if each.is_terminal}
            continue
        over = [each.job_id for each in cursor.still_to_come(jobs) if each.is_terminal]
        offered += over
        # A tick may run out of time: the rest is offered again, and counts once it is settled.
        cut = random.randint(0, len(over)) if moment != 8000 else len(over)
        for postponed in over[cut:]:
            offered.remove(postponed)
        cursor = JobCursor.from_json(
            json.loads(json.dumps(cursor.after(jobs, settled=over[:cut]).to_json()))
        )
        assert cursor is not None
    ended = {f"j{each.number}" for each in story if max(each.listed, each.ends) <= 8000}
    assert sorted(offered) == sorted(ended - settled_at_first)


def ended(job_id: str, made: int | None) -> Job:
    return Job.model_validate(
        {"job_id": job_id, "status": "COMPLETED", **({} if made is None else {"created_ts": made})}
    )


def test_the_first_look_settles_what_is_over_and_awaits_what_goes_on():
    going_on = Job.model_validate({"job_id": "b", "status": "IN_PROGRESS", "created_ts": 5})
    cursor = JobCursor.starting_at([ended("a", 1), going_on])
    offered = cursor.still_to_come([ended("a", 1), ended("b", 5), ended("c", 9)])
    assert [job.job_id for job in offered] == ["b", "c"]


def test_a_job_that_shows_up_behind_a_newer_settled_one_is_still_offered():
    cursor = JobCursor.starting_at([ended("new", LATE_MS)])
    assert cursor.still_to_come([ended("late", 1)]) == (ended("late", 1),)


def test_a_job_of_long_ago_from_a_later_page_is_not_offered():
    cursor = JobCursor.starting_at([ended("new", 10 * LATE_MS)])
    assert cursor.still_to_come([ended("ancient", 1)]) == ()


def test_a_job_in_a_state_that_is_not_known_stays_open():
    strange = Job.model_validate({"job_id": "a", "status": "SOMETHING_NEW", "created_ts": 1})
    cursor = JobCursor.starting_at([strange])
    assert cursor.still_to_come([ended("a", 1)]) == (ended("a", 1),)


def test_a_job_that_is_missing_from_one_list_is_not_forgotten():
    going_on = Job.model_validate({"job_id": "a", "status": "IN_PROGRESS", "created_ts": 1})
    cursor = JobCursor.starting_at([going_on]).after([ended("b", 9 * LATE_MS)], settled={"b"})
    assert [job.job_id for job in cursor.still_to_come([ended("a", 1)])] == ["a"]


def test_the_cursor_does_not_grow_with_the_jobs_it_settled():
    cursor = JobCursor()
    jobs: list[Job] = []
    for number in range(500):
        jobs.append(ended(f"j{number}", number * 60 * SECOND))
        cursor = cursor.after(jobs, settled={f"j{number}"})
    assert len(cursor.settled) <= LATE_MS / (60 * SECOND) + 1


@pytest.mark.parametrize(
    "content", [None, [], "x", {}, {"settled": 5}, {"settled": [], "newest_ts": "x"}]
)
def test_a_cursor_that_is_not_understood_is_none(content):
    assert JobCursor.from_json(content) is None
