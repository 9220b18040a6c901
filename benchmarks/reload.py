"""How many requests it takes to load a code location again, and to start the process of a step.

    python benchmarks/reload.py

A local Hevo with three pipelines counts. First a code location is loaded with an empty
DAGSTER_HOME, then by another process, then a run of two pipelines starts with the multiprocess
executor: its step processes load the location too. Needs `pip install "dagster-hevo[sandbox]"`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile

import dagster as dg

from dagster_hevo import HevoResource, build_hevo_assets_definitions, build_hevo_job_sensor

ADDRESS = "HEVO_BENCHMARK_ADDRESS"
LOADING = re.compile(r"/api/v1/pipelines(/\d+/objects)?")
SETTINGS = {
    "api_key": "sandbox-key",
    "api_secret": "sandbox-secret",
    "requests_per_minute": 0,
    "poll_interval": 0.1,
}


def definitions() -> dg.Definitions:
    """A code location as users write it."""
    hevo = HevoResource(base_url=os.environ[ADDRESS], **SETTINGS)
    return dg.Definitions(
        assets=build_hevo_assets_definitions(workspace=hevo),
        sensors=[build_hevo_job_sensor(workspace=hevo)],
        jobs=[
            dg.define_asset_job(
                "two_pipelines",
                dg.AssetSelection.groups("shop_1", "shop_2"),
                executor_def=dg.multiprocess_executor,
            )
        ],
        resources={"hevo": hevo},
    )


if ADDRESS in os.environ:
    defs = definitions()


def two_pipelines() -> dg.JobDefinition:
    """The job, found by each step process again."""
    return defs.resolve_job_def("two_pipelines")


def run() -> None:
    """Run the job as a run worker does."""
    import reload  # the steps load the location by its module's name

    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(dg.reconstructable(reload.two_pipelines), instance=instance)
        starts = [e for e in result.all_events if e.event_type_value == "STEP_WORKER_STARTED"]
        print(f"run succeeded: {result.success}, step processes: {len(starts)}")


def main() -> None:
    """Print the figures."""
    from dagster_hevo.sandbox import HevoSandbox, Scenario

    quick = {"job_appears_after": (0.05, 0.15), "restarting_seconds": 0.1}
    scenario = Scenario.simple(3, 5, seconds_per_object=0.05, requests_per_minute=0, **quick)
    keys = {name: SETTINGS[name] for name in ("api_key", "api_secret")}
    with HevoSandbox(scenario, **keys) as sandbox, tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "DAGSTER_HOME": home, ADDRESS: sandbox.url}

        def loading_requests(program: str) -> int:
            before = len(sandbox.requests)
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", f"import reload\n{program}"],
                cwd=os.path.dirname(os.path.abspath(__file__)),
                env=environment,
                check=True,
                stderr=subprocess.DEVNULL,
            )
            return sum(
                seen.method == "GET" and LOADING.fullmatch(seen.path) is not None
                for seen in sandbox.requests[before:]
            )

        print(f"first load: {loading_requests('')} loading requests")
        print(f"reload by another process: {loading_requests('')} loading requests", flush=True)
        # Each step reads the objects of its own pipeline once, before it triggers.
        checked = 2
        print(
            f"run worker and its steps: {loading_requests('reload.run()') - checked} loading "
            f"requests, besides {checked} to notice what changed since loading"
        )


if __name__ == "__main__":
    main()
