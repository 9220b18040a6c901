"""Two runs of two parts of one pipeline at the same time: both right, each with its own job."""

from __future__ import annotations

from shop_runs import PROCESSES

TIMES = 3


def test_two_runs_of_two_parts_at_the_same_time_are_both_right(station):
    place = station(objects=4)
    sandbox = place.shop.sandbox
    for _ in range(TIMES):
        before = {job.job_id for job in place.shop.jobs}
        runs_before = {run.run_id for run in place.runs}
        begin = PROCESSES.Event()
        processes = [place.launch(part, begin=begin) for part in ("first", "second")]
        begin.set()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0], place.output()
        jobs = [job for job in place.shop.jobs if job.job_id not in before]
        assert sorted(sorted(job.object_ids) for job in jobs) == [
            ["obj-101-1", "obj-101-2"],
            ["obj-101-3", "obj-101-4"],
        ]
        runs = [run for run in place.runs if run.run_id not in runs_before]
        recorded = sorted(place.materialized(run.run_id) for run in runs)
        assert recorded == [["table_01", "table_02"], ["table_03", "table_04"]]
    assert len(sandbox.jobs(101)) == 2 * TIMES
