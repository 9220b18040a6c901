"""`watch` and `resync` follow a job to its end and tell how it went."""

from __future__ import annotations

import threading

import pytest

from dagster_hevo.cli.exits import ExitCode

QUICKLY = ("--poll-interval", "0.05")


def test_watch_follows_the_running_job_to_its_end(at):
    line = at(objects=3, seconds_per_object=0.3)
    job = line.sandbox.start_scheduled_job(101)
    ended = line.run("watch", 101, *QUICKLY)
    assert ended.code == ExitCode.OK
    assert f"Job {job.job_id} (INCREMENTAL) of pipeline 101 is COMPLETED: 3 of 3" in ended.out
    assert "IN_PROGRESS" in ended.err


def test_watch_tells_a_failed_job_by_its_exit_code(at):
    line = at(jobs_end_as="FAILED")
    job = line.sandbox.start_scheduled_job(101)
    ended = line.run("watch", 101, job.job_id, "--json", *QUICKLY)
    assert ended.code == ExitCode.WRONG
    assert (ended.json["job_id"], ended.json["completion"]) == (job.job_id, "FAILED")


def test_watch_without_a_running_job_tells_of_the_last_one(at):
    line = at()
    line.sandbox.start_scheduled_job(101)
    line.sandbox.finish_jobs()
    assert line.run("watch", 101, "--json").json["status"] == "COMPLETED"


def test_watch_of_a_pipeline_without_jobs_finds_none(at):
    ended = at().run("watch", 101)
    assert ended.code == ExitCode.NOT_FOUND
    assert "has had no job yet" in ended.err


def test_watch_gives_up_in_time_and_leaves_the_job_alone(at):
    line = at(seconds_per_object=60.0)
    line.sandbox.start_scheduled_job(101)
    ended = line.run("watch", 101, "--timeout", "0.3", *QUICKLY)
    assert ended.code == ExitCode.BUSY
    assert [job.status for job in line.sandbox.jobs(101)] == ["IN_PROGRESS"]


def test_resync_of_all_objects_is_one_pipeline_resync(at):
    line = at(objects=3)
    ended = line.run("resync", 101, "--json", *QUICKLY)
    assert ended.code == ExitCode.OK
    assert ended.json["type"] == "RESYNC"
    assert [item["result"] for item in ended.json["objects"]] == ["LOADED"] * 3
    assert len(line.sandbox.triggers(101)) == 1


def test_resync_takes_objects_by_id_and_by_name(at):
    line = at(objects=4)
    ended = line.run("resync", 101, "obj-101-1", "shop_1.table_03", *QUICKLY)
    assert ended.code == ExitCode.OK
    (job,) = line.sandbox.jobs(101)
    assert set(job.object_ids) == {"obj-101-1", "obj-101-3"}
    table = ended.out.splitlines()
    assert table[0].split() == ["object", "result", "loaded", "failed", "remark"]
    assert [row.split()[:3] for row in table[2:4]] == [
        ["table_01", "LOADED", "100"],
        ["table_03", "LOADED", "100"],
    ]
    assert "2 of 2 objects loaded" in ended.out


def test_resync_refuses_an_object_that_is_not_replicated(at):
    line = at()
    line.sandbox.set_object(101, "table_01", status="INACTIVE")
    ended = line.run("resync", 101, "table_01")
    assert ended.code == ExitCode.NOT_FOUND
    assert "INACTIVE" in ended.err
    assert line.sandbox.triggers(101) == []


def test_drop_and_load_is_asked_for_in_so_many_words(at):
    line = at()
    ended = line.run("resync", 101, "--drop-and-load", "--json", *QUICKLY)
    assert ended.json["type"] == "RESYNC_WITH_DROP_AND_LOAD"


def test_resync_without_waiting_tells_the_job_to_watch(at):
    line = at(seconds_per_object=60.0)
    ended = line.run("resync", 101, "--no-wait", *QUICKLY)
    assert ended.code == ExitCode.OK
    (job,) = line.sandbox.jobs(101)
    assert f"dagster-hevo watch 101 {job.job_id}" in ended.out


@pytest.mark.parametrize(("options", "code"), [((), ExitCode.OK), (("--strict",), ExitCode.WRONG)])
def test_failed_events_fail_only_a_strict_resync(at, options, code):
    line = at()
    line.sandbox.set_object(101, "table_02", outcome="failed_events", failed_events=7)
    ended = line.run("resync", 101, "--json", *QUICKLY, *options)
    assert ended.code == code
    by_name = {item["name"]: item for item in ended.json["objects"]}
    assert by_name["table_02"]["result"] == "LOADED_WITH_FAILURES"
    assert by_name["table_02"]["events_failed"] == 7


def test_resync_that_is_to_fail_on_a_running_job_does(at):
    line = at(seconds_per_object=60.0)
    line.sandbox.start_scheduled_job(101)
    ended = line.run("resync", 101, "--if-job-running", "fail", *QUICKLY)
    assert ended.code == ExitCode.BUSY
    assert ended.out == ""


def test_resync_adopts_a_running_job_if_told_so(at):
    line = at(seconds_per_object=0.4)
    job = line.sandbox.start_scheduled_job(101, type="RESYNC")
    ended = line.run("resync", 101, "--if-job-running", "adopt", "--json", *QUICKLY)
    assert (ended.json["job_id"], ended.json["is_adopted"]) == (job.job_id, True)


def test_resync_of_a_disabled_pipeline_says_what_is_wrong(at):
    line = at()
    line.sandbox.set_pipeline_status(101, "DISABLED")
    ended = line.run("resync", 101, *QUICKLY)
    assert ended.code == ExitCode.WRONG
    assert "DISABLED" in ended.err


def test_resync_that_runs_out_of_time_leaves_the_job_alone(at):
    line = at(seconds_per_object=60.0)
    ended = line.run("resync", 101, "--timeout", "0.8", *QUICKLY)
    assert ended.code == ExitCode.BUSY
    (job,) = line.sandbox.jobs(101)
    assert job.status == "IN_PROGRESS"
    assert job.job_id in ended.err


def test_the_watched_job_counts_in_the_shared_budget_while_it_is_watched(at, monkeypatch):
    line = at(seconds_per_object=0.2)
    line.sandbox.start_scheduled_job(101)
    counts: list[int] = []
    budget = {"HEVO_REQUESTS_PER_MINUTE": "100"}
    done = threading.Event()

    def count() -> None:
        from dagster_hevo.api.rate_limit import open_budget

        shared = open_budget(
            f"sqlite:///{line.home}/shared.sqlite",
            requests_per_minute=100,
            user_key=f"{line.sandbox.url}\n{line.sandbox.api_key}",
        )
        while not done.wait(0.05):
            counts.append(shared.watchers())
        counts.append(shared.watchers())

    counting = threading.Thread(target=count)
    counting.start()
    store = f"sqlite:///{line.home}/shared.sqlite"
    ended = line.run("watch", 101, *QUICKLY, HEVO_RATE_LIMIT_STORE=store, **budget)
    done.set()
    counting.join()
    assert ended.code == ExitCode.OK
    assert max(counts) == 1
    assert counts[-1] == 0
