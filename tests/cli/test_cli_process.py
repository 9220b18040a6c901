"""The command as a process of its own: start, end, interruption, a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dagster_hevo.cli.exits import ExitCode
from dagster_hevo.sandbox import Fault, FaultKind


def test_help_imports_neither_dagster_nor_http_nor_tables():
    code = (
        "import sys\n"
        "from dagster_hevo.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(sorted(sys.modules), file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for heavy in ("dagster", "requests", "rich", "pydantic", "fastapi", "yaml"):
        assert repr(heavy) not in ended.stderr
    assert "130 interrupted" in ended.stdout


def test_json_is_all_that_a_program_reads(at):
    line = at()
    ended = line.wait(line.start("resync", 101, "--json", "--poll-interval", "0.05"))
    assert ended.code == ExitCode.OK
    assert ended.json["status"] == "COMPLETED"


@pytest.mark.parametrize("command", ["watch", "resync"])
def test_ctrl_c_ends_the_waiting_and_not_the_job(at, command):
    line = at(seconds_per_object=60.0)
    if command == "watch":
        line.sandbox.start_scheduled_job(101)
    process = line.start(command, 101, "--poll-interval", "0.05")
    lines: list[str] = []
    while "IN_PROGRESS" not in "".join(lines):
        lines.append(process.stderr.readline())
        assert lines[-1], f"it ended: {lines}"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    ended = line.wait(process)
    assert ended.code == ExitCode.INTERRUPTED
    assert "goes on" in ended.err
    (job,) = line.sandbox.jobs(101)
    assert job.status == "IN_PROGRESS"


@pytest.mark.parametrize("command", [("jobs", 101), ("objects", 101), ("pipelines",)])
def test_ctrl_c_ends_a_listing_with_its_own_code(at, command):
    line = at()
    line.sandbox.faults.add(Fault(FaultKind.DELAY_BEFORE, path="*/101/*", seconds=4))
    process = line.start(*command)
    while not any("/101/" in seen.path for seen in line.sandbox.requests):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    ended = line.wait(process)
    assert ended.code == ExitCode.INTERRUPTED
    assert ended.err.strip() == "Error: interrupted."


def test_the_sandbox_tells_its_address_as_json_and_ends_on_ctrl_c(at):
    line = at()
    process = line.start("sandbox", "--port", "0", "--json")
    told = ""
    while not told.endswith("}\n"):
        read = process.stdout.readline()
        assert read, "it ended"
        told += read
    address = json.loads(told)
    ended = line.run(
        "pipelines",
        "--quick",
        "--json",
        "--base-url",
        address["HEVO_BASE_URL"],
        HEVO_API_KEY=address["HEVO_API_KEY"],
        HEVO_API_SECRET=address["HEVO_API_SECRET"],
    )
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert [row["id"] for row in ended.json] == address["pipelines"]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_a_terminal_shows_a_bar_of_the_objects_done(at):
    import pty

    line = at(objects=4, seconds_per_object=60.0)
    line.sandbox.start_scheduled_job(101)
    ours, theirs = pty.openpty()
    given = {**os.environ, **line.environment(), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster_hevo.cli", "watch", "101", "--poll-interval", "0.05"],
        env={name: value for name, value in given.items() if value is not None},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # how a terminal says that the other end is gone
            break
        if not read:
            break
        shown += read
        if b"IN_PROGRESS" in shown:
            line.sandbox.finish_jobs()
    os.close(ours)
    assert process.wait(10) == ExitCode.OK
    text = shown.decode("utf-8", "replace")
    assert "4/4" in text
    assert "objects" in text
    assert "0/4" in text
