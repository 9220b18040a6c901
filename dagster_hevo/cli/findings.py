"""What the doctor's observations mean: each one ok, warn or wrong, and how to mend it.

Pure but for reading which packages are installed; the requests are sent in `doctor.py`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from dagster_hevo.cli.exits import ExitCode
from dagster_hevo.version import __version__

CLOCK_TOLERANCE = 60.0
FEW_REQUESTS = 0.2


class Level(str, Enum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    WRONG = "wrong"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self.value), spec)

    @property
    def style(self) -> str:
        """Its colour on a terminal."""
        return {Level.OK: "green", Level.WARN: "yellow", Level.WRONG: "bold red"}[self]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        what: What was looked at.
        level: How bad it is.
        said: What was found.
        mend: What to do about it; empty where there is nothing to do.
        exit_code: What it means to a script, where it is wrong.
    """

    what: str
    level: Level
    said: str
    mend: str = ""
    exit_code: ExitCode = ExitCode.WRONG

    def to_json(self) -> dict[str, Any]:
        """The line for programs."""
        return {
            "what": self.what,
            "level": self.level.value,
            "said": self.said,
            "mend": self.mend or None,
        }


def wrong(what: str, said: str, mend: str, exit_code: ExitCode) -> Finding:
    """Something that has to be mended before anything works."""
    return Finding(what, Level.WRONG, said, mend, exit_code)


def version_finding() -> Finding:
    """What runs here."""
    said = f"dagster-hevo {__version__}, Dagster {_version_of('dagster')}"
    return Finding("versions", Level.OK, f"{said}, Python {platform.python_version()}")


def _version_of(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def requirement_findings() -> Iterator[Finding]:
    """A finding for each package that this one needs and that is missing or too old or too new."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        needed = requires("dagster-hevo") or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, needed):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _version_of(requirement.name)
        if installed == "not installed" or not requirement.specifier.contains(
            installed, prereleases=True
        ):
            yield Finding(
                "versions",
                Level.WARN,
                f"{requirement.name} is {installed}, and {requirement.specifier} is needed",
                f'pip install "{requirement.name}{requirement.specifier}"',
            )


def clock_finding(date: str | None, began: float, ended: float) -> Finding:
    """Whether this machine's clock agrees with Hevo's.

    Args:
        date: The answer's header `Date`, if it has one. It is cut off to whole seconds.
        began: When the request was sent, in seconds since the epoch by this machine's clock.
        ended: When the answer came.
    """
    try:
        there = None if date is None else parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        there = None
    if there is None:
        return Finding("clock", Level.OK, "the answer tells no time to compare with")
    # The answer's time was somewhere within a second, and within the request.
    ahead = began - (there + 1) if began > there + 1 else min(ended - there, 0.0)
    if abs(ahead) <= CLOCK_TOLERANCE:
        return Finding("clock", Level.OK, f"within {max(abs(ahead), 1):.0f} s of Hevo's")
    side = "ahead of" if ahead > 0 else "behind"
    return Finding(
        "clock",
        Level.WARN,
        f"{abs(ahead):.0f} s {side} Hevo's",
        "set this machine's clock (NTP): times of runs and of Hevo's jobs do not fit together.",
    )


def key_findings(missing: list[str], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the keys are there, and look like keys. They are never shown.

    Args:
        missing: The variables that hold none.
        environment: All variables.
    """
    if missing:
        yield wrong(
            "keys",
            f"{' and '.join(missing)} not set",
            "make API keys in Hevo as an owner of the account and set both variables.",
            ExitCode.KEYS,
        )
    for name in ("HEVO_API_KEY", "HEVO_API_SECRET"):
        value = environment.get(name, "")
        if value and (value != value.strip() or value[0] in "\"'"):
            yield Finding(
                "keys",
                Level.WARN,
                f"{name} begins or ends with a space, a line break or a quotation mark",
                "set it to the key alone.",
            )


def budget_finding(
    *,
    limit: int,
    left: int,
    watchers: int,
    store: str | None,
    dagster_home: str | None,
    complaint: str | None,
) -> Finding:
    """How the request budget is.

    Args:
        limit: Requests a minute; 0 for no limit.
        left: How many could be sent now.
        watchers: How many jobs are watched on it.
        store: The store that was set, if one was; only its kind is shown.
        dagster_home: The value of DAGSTER_HOME.
        complaint: What the budget itself had to say, if it could not use its store.
    """
    if limit == 0:
        mend = "unset HEVO_REQUESTS_PER_MINUTE, or Hevo answers 429 to everybody at times."
        return Finding("budget", Level.WARN, "no limit: requests are not counted", mend)
    if store is not None:
        where = "in this process alone" if store == "memory" else f"in {store.split(':', 1)[0]}"
    elif dagster_home:
        where = f"in a SQLite file under DAGSTER_HOME ({dagster_home})"
    else:
        where = "in a SQLite file in the temp folder"
    said = f"{left} of {limit} requests left this minute, {watchers} jobs watched, kept {where}"
    if complaint is not None:
        mend = "check that the store can be reached and written."
        return Finding("budget", Level.WARN, f"{said}. {complaint}", mend)
    if left < limit * FEW_REQUESTS:
        mend = "wait a minute; other tools with the same keys share the budget."
        return Finding("budget", Level.WARN, said, mend)
    if store is None and not dagster_home:
        mend = (
            "set DAGSTER_HOME as for Dagster's own processes, or they and this one count "
            "requests apart."
        )
        return Finding("budget", Level.WARN, said, mend)
    return Finding("budget", Level.OK, said)
