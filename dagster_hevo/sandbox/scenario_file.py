"""Scenarios from YAML: files and the built-in ones, with errors that name the line.

What a scenario may say is in `scenario.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dagster_hevo.sandbox.scenario import Scenario

LONGEST_FILE = 8 * 2**20
MOST_NODES = 1_000_000
_BUILT_IN = Path(__file__).parent / "scenarios"


class ScenarioError(ValueError):
    """A scenario file that cannot be used, with everything that is wrong in it."""


def built_in_scenarios() -> tuple[str, ...]:
    """The names that `read_scenario` takes instead of a path."""
    return tuple(sorted(path.stem for path in _BUILT_IN.glob("*.yaml")))


def read_scenario(source: str | Path | None = None) -> Scenario:
    """Read a scenario.

    Args:
        source: The path of a YAML file, the name of a built-in scenario, or none for `default`.

    Raises:
        ScenarioError: There is no such file, it is no YAML, or it says what it must not.
    """
    name = "default" if source is None else str(source)
    path = _BUILT_IN / f"{name}.yaml" if name in built_in_scenarios() else Path(name)
    known = ", ".join(built_in_scenarios())
    try:
        if not path.is_file():
            raise ScenarioError(f"{name}: no such scenario file, nor a built-in scenario ({known})")
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as unreadable:
        if isinstance(unreadable, ScenarioError):
            raise
        raise ScenarioError(f"{name!r:.200}: cannot be read ({unreadable})") from unreadable
    if len(content) > LONGEST_FILE:
        raise ScenarioError(
            f"{name}: longer than {LONGEST_FILE // 2**20} MiB, which no scenario is"
        )
    return parse_scenario(content.decode("utf-8", "replace"), str(path))


def parse_scenario(text: str, origin: str = "scenario") -> Scenario:
    """Read a scenario from YAML text.

    Args:
        text: The YAML.
        origin: What errors call it.

    Raises:
        ScenarioError: It is no YAML, or it says what it must not.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if _size_of(tree) > MOST_NODES:
            raise ScenarioError(f"{origin}: its aliases make more than {MOST_NODES:,} values")
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as unreadable:
        raise ScenarioError(f"{origin}: not valid YAML: {unreadable}") from unreadable
    except RecursionError:
        raise ScenarioError(f"{origin}: values within values without end") from None
    except ValueError as unreadable:  # a date that no calendar has, a number too long to be read
        if isinstance(unreadable, ScenarioError):
            raise
        raise ScenarioError(f"{origin}: holds a value that is none: {unreadable}") from unreadable
    try:
        return Scenario.model_validate({} if content is None else content)
    except RecursionError:
        raise ScenarioError(f"{origin}: values within values without end") from None
    except ValidationError as invalid:
        complaints = [
            f"{origin}, line {_line(tree, error['loc'])}: "
            f"{'.'.join(str(part) for part in error['loc']) or 'scenario'}: {error['msg']}"
            for error in invalid.errors()
        ]
        raise ScenarioError("\n".join(complaints)) from invalid


def _size_of(tree: yaml.Node | None) -> int:
    """How many values a tree holds, each counted as often as an alias names it."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: object) -> int:
        if not isinstance(node, yaml.Node):
            return 0
        key = id(node)
        if key in open_nodes:  # an alias of what it is in
            raise RecursionError
        if key not in sizes:
            open_nodes.add(key)
            parts: list[Any] = []
            if isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                parts = list(node.value)
            sizes[key] = 1 + sum(map(size, parts))
            open_nodes.discard(key)
        return sizes[key]

    return size(tree)


def _line(tree: yaml.Node | None, place: tuple[int | str, ...]) -> int:
    """The line of the innermost part of the file that a path leads to, from 1."""
    if tree is None:
        return 1
    node, line = tree, tree.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                break
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1
