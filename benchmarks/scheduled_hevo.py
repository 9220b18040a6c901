"""A local Hevo in a process of its own, faster than real time, that keeps its own schedule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from dagster_hevo.sandbox import (
    HevoSandbox,
    ObjectScenario,
    PipelineScenario,
    Scenario,
    ScheduleScenario,
)


def scenario(pipelines: int, objects: int, *, job_seconds: tuple[float, float]) -> Scenario:
    """Pipelines of different lengths and frequencies; some objects fail now and then."""
    least, most = job_seconds

    def pipeline(number: int) -> PipelineScenario:
        tables = [ObjectScenario(name=f"table_{place:02d}") for place in range(1, objects + 1)]
        if number % 5 == 0:
            tables[0] = ObjectScenario(name="table_01", outcome="failed", outcome_every=2)
        if number % 7 == 0:
            tables[-1] = ObjectScenario(
                name=f"table_{objects:02d}", outcome="failed_events", outcome_every=3
            )
        return PipelineScenario(
            name=f"Shop {number}",
            schema_name=f"shop_{number}",
            job_seconds=least + (most - least) * (number % 10) / 9,
            schedule=ScheduleScenario(
                sync_type="SCHEDULED", frequency_minutes=10 + (number * 7) % 21
            ),
            objects=tuple(tables),
        )

    return Scenario(
        name="benchmark", pipelines=tuple(pipeline(number) for number in range(1, pipelines + 1))
    )


def serve(options: dict[str, Any]) -> None:
    """Serve until standard input ends; each line on it is an order."""
    made = scenario(
        options["pipelines"], options["objects"], job_seconds=tuple(options["job_seconds"])
    )
    keys = {"api_key": "sandbox-key", "api_secret": "sandbox-secret"}
    with HevoSandbox(made, speed=options["speed"], requests_per_minute=0, **keys) as sandbox:
        sandbox.set_behaviour(own_schedule=False)
        print(json.dumps({"url": sandbox.url}), flush=True)
        for line in sys.stdin:
            order = line.strip()
            answer: Any = None
            if order in ("begin", "end"):
                sandbox.set_behaviour(own_schedule=order == "begin")
            elif order == "jobs":
                answer = [[job.pipeline_id, job.job_id, job.finished] for job in sandbox.jobs()]
            elif order == "requests":
                answer = [[seen.real_at, seen.user_agent] for seen in sandbox.requests]
            print(json.dumps(answer), flush=True)


class Hevo:
    """The process that serves."""

    def __init__(self, options: dict[str, Any]) -> None:
        environment = dict(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.url: str = self._read()["url"]

    def order(self, order: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
