"""Imports go one way: each package may import those before it, and never one after it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dagster_hevo

ROOT = Path(dagster_hevo.__file__).parent
# What stands together may import each other.
ORDER = (
    ("version", "api"),
    ("markdown",),
    ("catalog",),
    ("jobs", "object_choice"),
    ("markdown", "variables"),
    ("dagster_private", "metadata", "secrets", "sync_config", "sensor_switch", "translator"),
    ("definitions",),
    ("execution",),
    ("job_sensor",),
    ("account_settings", "op_results"),
    ("resources",),
    ("assets", "sensors", "ops"),
    ("components",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}


def imports_of(path: Path) -> Iterator[str]:
    """The parts of this package that a module imports, also inside functions and for types."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "dagster_hevo" and len(parts) > 1:
                yield parts[1]


def modules_of(name: str) -> list[Path]:
    folder = ROOT / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{name}.py"]


@pytest.mark.parametrize("name", sorted(RANK))
def test_imports_point_one_way(name):
    modules = modules_of(name)
    assert modules
    wrong = {
        f"{path.relative_to(ROOT)} imports {found}"
        for path in modules
        for found in imports_of(path)
        if RANK.get(found, -1) > RANK[name]
    }
    assert not wrong


def test_every_part_has_a_place_in_the_order():
    parts = {path.stem for path in ROOT.glob("*.py")} | {
        path.parent.name for path in ROOT.glob("*/__init__.py")
    }
    assert parts - {"__init__", "sandbox"} == set(RANK)


@pytest.mark.parametrize("name", ["definitions", "execution", "job_sensor"])
def test_what_loads_and_runs_does_not_know_the_resource(name):
    for path in modules_of(name):
        assert "resources" not in set(imports_of(path)), path
