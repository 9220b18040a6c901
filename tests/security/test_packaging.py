"""What is packed, and what is said of it: nothing untracked, every dependency locked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PLANTED = ("planted.env", "dagster_hevo/planted.py", "docs/plan[ted] #1!.md", "tests/.planted")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository with this project's build, and files that nobody has added to it."""
    root = tmp_path / "project"
    (root / "dagster_hevo").mkdir(parents=True)
    for folder in ("docs", "tests"):
        (root / folder).mkdir()
        (root / folder / "kept.md").write_text("kept")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "SECURITY.md"):
        shutil.copy(PROJECT / name, root)
    for name in ("__init__.py", "version.py"):
        (root / "dagster_hevo" / name).write_text('__version__ = "1.0"\n')
    git(root, "init", "-q")
    git(root, "add", "-A")
    for name in PLANTED:
        (root / name).write_text("planted")
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def build(root: Path, target: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(root / "dist")],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (built,) = (root / "dist").glob("*.tar.gz" if target == "sdist" else "*.whl")
    return built


def names_in(built: Path) -> set[str]:
    if built.suffix == ".whl":
        with zipfile.ZipFile(built) as wheel:
            return set(wheel.namelist())
    with tarfile.open(built) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_an_sdist_holds_no_untracked_file(project: Path):
    found = names_in(build(project, "sdist"))
    assert not [name for name in found if "plan" in name]
    assert {"dagster_hevo/version.py", "docs/kept.md", "hatch_build.py", "SECURITY.md"} <= found


def test_a_wheel_holds_no_untracked_file(project: Path):
    found = names_in(build(project, "wheel"))
    assert not [name for name in found if "plan" in name]
    assert "dagster_hevo/version.py" in found


def test_an_unpacked_sdist_is_built_whole_within_another_repository(project: Path, tmp_path: Path):
    git(tmp_path, "init", "-q")
    with tarfile.open(build(project, "sdist")) as sdist:
        sdist.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert "dagster_hevo/version.py" in names_in(build(unpacked, "wheel"))


def test_every_dependency_is_locked_with_its_hash():
    lock = (PROJECT / "locks" / "runtime.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", lock, re.MULTILINE))
    declared = re.search(r"^dependencies = \[(.*?)^\]", pyproject(), re.DOTALL | re.MULTILINE)
    assert declared is not None
    needed = re.findall(r'^ *"([A-Za-z0-9_.-]+)', declared[1], re.MULTILINE)
    assert len(needed) >= 10
    assert set(map(str.lower, needed)) <= set(locked)
    entries = re.split(r"\n(?=[a-z0-9])", lock.strip())
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)


def pyproject() -> str:
    return (PROJECT / "pyproject.toml").read_text()


def test_the_hook_is_in_the_sdist_and_the_policy_too():
    for name in ("hatch_build.py", "SECURITY.md", "locks", "noxfile.py"):
        assert f'"{name}"' in pyproject()
        assert (PROJECT / name).exists()


@pytest.mark.parametrize("verify", [False, True, "/etc/ssl/certs/ca-certificates.crt", None])
def test_verify_false_is_said_aloud(connect, caplog, verify):
    connect("https://hevo.invalid", extra_kwargs={} if verify is None else {"verify": verify})
    assert ("verify=False" in caplog.text) == (verify is False)
