"""What is done for a release, and now and then: `nox -l` lists it, `nox -s audit` runs one.

The checks of every change are `make check` and `make test`.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import nox

LOCK = "locks/runtime.txt"
EXTRAS = ("sandbox", "postgres", "redis")
nox.options.sessions = ["audit"]


def _lock(session: nox.Session, target: Path) -> None:
    extras = [part for extra in EXTRAS for part in ("--extra", extra)]
    session.run(
        *("uv", "pip", "compile", "pyproject.toml", *extras, "--universal", "--generate-hashes"),
        *("--python-version", "3.10", "--no-header", "--quiet", "--output-file", str(target)),
    )


@nox.session
def lock(session: nox.Session) -> None:
    """Write the lock file again: versions and hashes of all that the package needs at run time."""
    session.install("uv")
    _lock(session, Path(LOCK))


@nox.session
def audit(session: nox.Session) -> None:
    """Check that the lock file fits pyproject.toml, and look its packages up among known holes."""
    session.install("uv", "pip-audit")
    fresh = Path(session.create_tmp()) / "runtime.txt"
    fresh.write_text(Path(LOCK).read_text())  # what is locked stays, where it still fits
    _lock(session, fresh)
    if fresh.read_text() != Path(LOCK).read_text():
        session.error(f"{LOCK} does not fit pyproject.toml any more: run nox -s lock.")
    session.run("pip-audit", "--requirement", LOCK, "--disable-pip", "--require-hashes", "--strict")


@nox.session
def release(session: nox.Session) -> None:
    """Build sdist and wheel of tracked files, with a software bill of materials beside them."""
    session.install("build", "cyclonedx-bom", "twine")
    dist = Path("dist")
    for old in dist.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    for built in dist.iterdir():
        session.log("%s: %d files", built.name, len(_names_in(built)))
    session.run(
        *("cyclonedx-py", "requirements", LOCK, "--pyproject", "pyproject.toml"),
        *("--output-reproducible", "--output-file", str(dist / "dagster-hevo.cdx.json")),
    )


def _names_in(built: Path) -> list[str]:
    if built.suffix == ".whl":
        with zipfile.ZipFile(built) as wheel:
            return wheel.namelist()
    with tarfile.open(built) as sdist:
        return sdist.getnames()
