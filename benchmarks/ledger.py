"""What the ledger costs while little and while much goes on: one step, and 1,000 steps or runs.

Opening the ledger of a step, and reading the claims of a pipeline, must cost the same with 10
and with 1,000 steps of the same run, and with 10 and with 1,000 runs in progress.

    python benchmarks/ledger.py [--postgres]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from dagster_hevo.execution.run_ledger import ledger_of_step
from dagster_hevo.jobs.newness import Baseline
from dagster_hevo.jobs.records import Answer, Settlement
from dagster_hevo.jobs.request import SyncRequest, make_request

BASE_URL = "https://us.hevodata.com"
ALLOWED_MS = 30.0
REPEATS = 15


@dg.job
def any_job() -> None:
    """A job for the sake of its runs."""


def request_for(pipeline_id: int) -> SyncRequest:
    ids = [f"object-{number}" for number in range(30)]
    return make_request(pipeline_id, ids[:10], ids)


def carry_out(
    instance: dg.DagsterInstance, run: dg.DagsterRun, step: str, pipeline_id: int, *, settles: bool
) -> None:
    """What a step writes from its baseline to its end."""
    ledger = ledger_of_step(instance, run, step, base_url=BASE_URL, attempt=0)
    request, request_id = request_for(pipeline_id), ledger.new_request_id()
    ledger.announce(request_id, request)
    ledger.write_baseline(request_id, request, Baseline(frozenset({"a", "b"}), 1, 2), 1)
    ledger.write_answer(
        request_id, request, Answer.ACCEPTED, hevo_ms=3, may_have_started_a_job=True
    )
    job_id = f"job-{pipeline_id}"
    ledger.claim(
        request_id,
        request,
        job_id,
        is_adopted=False,
        may_be_cancelled=True,
        is_detached=False,
    )
    if settles:
        ledger.settle(request_id, request, job_id, Settlement.RECORDED)


def cpu_ms(act: Callable[[], object]) -> float:
    """The median CPU milliseconds of a call in this process."""
    spent: list[float] = []
    for _ in range(REPEATS):
        began = time.process_time()
        act()
        spent.append((time.process_time() - began) * 1000)
    return statistics.median(spent)


def measure(instance: dg.DagsterInstance, count: int, *, runs: bool) -> tuple[float, float]:
    """CPU milliseconds to open a step's ledger and to read claims, with so much going on.

    Args:
        instance: The Dagster instance.
        count: How many steps or runs there are.
        runs: Whether they are runs in progress, and not steps of one run.
    """
    started = dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(any_job, status=started)
    for number in range(count):
        if runs:
            other = instance.create_run_for_job(any_job, status=started)
            carry_out(instance, other, "step", 1000 + number, settles=False)
        else:
            carry_out(instance, run, f"step_{number}", 1000 + number, settles=number % 2 == 0)
    retried = ledger_of_step(
        instance, run, "step" if runs else f"step_{count - 1}", base_url=BASE_URL, attempt=1
    )
    last = request_for(1000 + count - 1)

    def open_ledger() -> None:
        retried.resume(last)

    def read_claims() -> None:
        retried.owners("request", last, [f"job-{1000 + count - 1}"])
        retried.another_starting("request", last, hevo_ms=4, may_appear_within=60.0)

    return cpu_ms(open_ledger), cpu_ms(read_claims)


@contextmanager
def sqlite() -> Iterator[Callable[[], dg.DagsterInstance]]:
    """Fresh instances on SQLite, as `dagster dev` makes them."""
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: dg.DagsterInstance.local_temp(tempfile.mkdtemp(dir=folder))


@contextmanager
def postgres() -> Iterator[Callable[[], dg.DagsterInstance]]:
    """Fresh instances on a throw-away PostgreSQL server, with dagster-postgres."""
    bin_folder = Path(
        shutil.which("initdb") or next(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    )
    with tempfile.TemporaryDirectory() as folder:
        shutil.chown(folder, user="postgres")
        place, data = Path(folder), Path(folder) / "data"
        as_user = ["runuser", "-u", "postgres", "--"]
        tools = bin_folder.parent
        subprocess.run(
            [*as_user, str(tools / "initdb"), "-D", str(data), "-A", "trust"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        options = f"-k {place} -c listen_addresses='' -c fsync=off"
        control = [*as_user, str(tools / "pg_ctl"), "-D", str(data), "-w"]
        subprocess.run([*control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL)
        counter = iter(range(100))

        def fresh() -> dg.DagsterInstance:
            name = f"dagster_{next(counter)}"
            create = ["createdb", "-h", str(place), "-U", "postgres", name]
            subprocess.run(create, check=True)
            home = tempfile.mkdtemp()
            url = f"postgresql://postgres@/{name}?host={place}"
            Path(home, "dagster.yaml").write_text(
                f"storage:\n  postgres:\n    postgres_url: {url}\n"
            )
            return dg.DagsterInstance.from_config(home)

        try:
            yield fresh
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], stdout=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 1000])
    arguments = parser.parse_args()
    worst = 0.0
    print(f"{'storage':<10} {'going on':<24} {'open, CPU ms':>14} {'claims, CPU ms':>16}")
    with (postgres if arguments.postgres else sqlite)() as fresh:
        for runs in (False, True):
            for count in arguments.counts:
                with fresh() as instance:
                    opened, claims = measure(instance, count, runs=runs)
                worst = max(worst, opened, claims)
                what = f"{count} {'runs in progress' if runs else 'steps of a run'}"
                storage = "postgres" if arguments.postgres else "sqlite"
                print(f"{storage:<10} {what:<24} {opened:>14.1f} {claims:>16.1f}", flush=True)
    print(f"worst {worst:.1f} ms, allowed {ALLOWED_MS:.0f} ms")
    return 0 if worst <= ALLOWED_MS else 1


if __name__ == "__main__":
    raise SystemExit(main())
