"""The command `doctor`: what is wrong with this machine's way to Hevo, and how to mend it.

The command asks; what its answers mean is decided in `findings.py`.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import click

from dagster_hevo.cli.account import (
    address_meant,
    address_options,
    json_option,
    missing_keys,
    open_account,
    requests_per_minute,
)
from dagster_hevo.cli.exits import CommandError, ExitCode, exit_code_of
from dagster_hevo.cli.findings import (
    Finding,
    Level,
    budget_finding,
    clock_finding,
    key_findings,
    requirement_findings,
    version_finding,
    wrong,
)
from dagster_hevo.cli.output import console, shown, write_json

if TYPE_CHECKING:
    from dagster_hevo.resources import HevoResource

LONGEST_WAIT = 10.0


@click.command()
@address_options
@json_option
def doctor(region: str, base_url: str | None, as_json: bool) -> None:
    """Check address, keys, permission, request budget, clock and versions.

    Each line is ok, warn or wrong, and says how to mend it. Three requests at most.
    """
    findings = [version_finding(), *requirement_findings()]
    findings += _examine(region, address_meant(base_url))
    if as_json:
        write_json(
            {
                "ok": not any(finding.level is Level.WRONG for finding in findings),
                "findings": [finding.to_json() for finding in findings],
            }
        )
    else:
        _show(findings)
    for finding in findings:
        if finding.level is Level.WRONG:
            raise click.exceptions.Exit(finding.exit_code)


def _examine(region: str, base_url: str | None) -> list[Finding]:
    """All that depends on where Hevo is and on the keys."""
    from dagster_hevo.api.errors import HevoError
    from dagster_hevo.api.settings import resolve_base_url

    try:
        address = resolve_base_url(region, base_url)
    except HevoError as error:
        return [
            wrong("address", str(error), "correct HEVO_REGION or HEVO_BASE_URL.", ExitCode.USAGE)
        ]
    found = [Finding("address", Level.OK, address)]
    reached = _reach(address)
    found += reached
    found += key_findings(missing_keys(), os.environ)
    if missing_keys():
        return found
    try:
        account = open_account(region, base_url)
        found.append(_budget(account))
    except HevoError as error:
        return [*found, wrong("settings", str(error), "correct the setting.", ExitCode.USAGE)]
    except CommandError as error:
        return [*found, wrong("settings", error.message, "correct it.", ExitCode(error.exit_code))]
    if reached[0].level is not Level.WRONG:
        found += _permission(account)
    return found


def _reach(address: str) -> list[Finding]:
    """Whether somebody answers there, and what time it is there. No keys are sent."""
    import requests

    from dagster_hevo.api.broken_connections import connection_error
    from dagster_hevo.api.exchange import HevoSession
    from dagster_hevo.version import __version__

    path = "/api/v1/pipelines"
    began = time.time()
    try:
        response = HevoSession().get(
            f"{address}{path}",
            params={"limit": "1"},
            headers={"User-Agent": f"dagster-hevo/{__version__}"},
            # Not None: then keys of a .netrc file would be sent along.
            auth=lambda prepared: prepared,
            timeout=LONGEST_WAIT,
            allow_redirects=False,
        )
    except requests.exceptions.RequestException as error:
        host = address.split("://", 1)[1]
        told = connection_error("GET", path, host, LONGEST_WAIT, error)
        mend = "check region or base_url, the network, and proxy settings (HTTPS_PROXY)."
        return [wrong("reachable", str(told), mend, ExitCode.UNREACHABLE)]
    ended = time.time()
    took = f"answered {response.status_code} in {(ended - began) * 1000:.0f} ms"
    if response.status_code >= 500:
        mend = "try again in a few minutes; if it stays, look at Hevo's status page."
        return [wrong("reachable", took, mend, ExitCode.UNREACHABLE)]
    reachable = Finding("reachable", Level.OK, took)
    if response.status_code not in {200, 401, 403, 429}:
        reachable = Finding(
            "reachable",
            Level.WARN,
            f"{took}, which Hevo's API does not answer without keys",
            "check that the address is Hevo's API and that no proxy answers in its place.",
        )
    return [reachable, clock_finding(response.headers.get("Date"), began, ended)]


def _budget(account: HevoResource) -> Finding:
    """How much of the request budget is left, read from where all processes share it."""
    complaints = _Complaints()
    log = logging.getLogger("dagster_hevo")
    log.addHandler(complaints)
    before, log.propagate = log.propagate, False
    try:
        budget = account.get_budget()
        left, watchers = budget.remaining(), budget.watchers()
    finally:
        log.removeHandler(complaints)
        log.propagate = before
    return budget_finding(
        limit=requests_per_minute(),
        left=left,
        watchers=watchers,
        store=os.environ.get("HEVO_RATE_LIMIT_STORE"),
        dagster_home=os.environ.get("DAGSTER_HOME"),
        complaint=complaints.first,
    )


class _Complaints(logging.Handler):
    """Keeps the first warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


def _permission(account: HevoResource) -> list[Finding]:
    """Whether the keys are right, and may read pipelines and their jobs."""
    from dagster_hevo.api.errors import HevoAuthenticationError, HevoError, HevoPermissionError

    client = account.make_client(retry_limit=1, longest_timeout=LONGEST_WAIT)
    try:
        pipeline = next(client.list_pipelines(), None)
        if pipeline is not None:
            _ = next(client.list_jobs(pipeline.id), None)
    except HevoAuthenticationError as error:
        return [wrong("keys", error.message or "refused", error.advice, ExitCode.KEYS)]
    except HevoPermissionError as error:
        return [
            Finding("keys", Level.OK, "Hevo knows them"),
            wrong("permission", error.message or "refused", error.advice, ExitCode.KEYS),
        ]
    except HevoError as error:
        return [wrong("keys", str(error), "see the message.", exit_code_of(error))]
    finally:
        client.close()
    known = Finding("keys", Level.OK, "Hevo knows them")
    if pipeline is None:
        mend = "check region and account, or make a pipeline in Hevo."
        return [known, Finding("permission", Level.WARN, "the account has no pipelines", mend)]
    what = "they may read pipelines and jobs; whether they may start jobs shows when they do"
    return [known, Finding("permission", Level.OK, what)]


def _show(findings: list[Finding]) -> None:
    from rich.text import Text

    screen = console()
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        line = Text()
        line.append(f"{finding.level:<5} ", style=finding.level.style)
        line.append(f"{finding.what:<{width}}  {shown(finding.said)}")
        screen.print(line, soft_wrap=True)
        if finding.mend:
            screen.print(Text(f"{'':<{width + 8}}To mend: {shown(finding.mend)}"), soft_wrap=True)
