"""Suites: which tasks go with which estimators. Small TOML files, those of this project in `built_in/`."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from diml_inverse.benchmark.running.entries import Entry, check_use, entries_named
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.tasks.catalogue import tasks_like
from diml_inverse.benchmark.tasks.task import Task
from diml_inverse.plugins import nearest

LARGEST_FILE = 2**20  # bytes
LARGEST_SEED = 2**31 - 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # it becomes a folder
PLAIN = (bool, int, float, str)


@dataclass(frozen=True)
class Suite:
    """What a file says.

    Attributes:
        name: of the file, without its ending.
        about: a sentence.
        tasks: by name.
        estimators: run unless others are asked for.
        quick: tasks of a cut-down run.
        seeds: run unless others are asked for.
        limits: of each cell.
    """

    name: str
    about: str
    tasks: Mapping[str, Task]
    estimators: tuple[Entry, ...]
    quick: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    limits: Limits = field(default_factory=Limits)


def read_suite(path: Path, places: Mapping[str, str] | None = None) -> Suite:
    """Read a suite's file. It is data: no code is imported or run, whatever stands in it.

        about = "what it is for"                 # may be left out, as all but tasks and estimators
        tasks = ["congestion-small-v0", "E7-*"]
        estimators = [
            "auto",
            { name = "tabular_smooth", use = "tabular", settings = { ridge = 0.1 } },
        ]
        seeds = [0, 1, 2]
        quick = ["congestion-small-v0"]
        limits = { seconds = 300, memory_mb = 4096 }

    Args:
        path: the file.
        places: `FILE.py:NAME` of the plug-ins that the user named on the command line, by their NAME.

    Raises:
        ValueError: what is wrong, and where.
        FileNotFoundError: no such file.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a suite is a TOML file")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path} has more than {LARGEST_FILE} bytes; a suite is a small TOML file")
    try:
        content = tomllib.loads(path.read_bytes().decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from error
    try:
        return _suite(content, path.stem, places or {})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _suite(content: Mapping[str, Any], name: str, places: Mapping[str, str]) -> Suite:
    known = {"about": str, "tasks": list, "estimators": list, "seeds": list, "quick": list, "limits": dict}
    _check_keys(content, known, "")
    for key in ("tasks", "estimators"):
        if not content.get(key):
            raise ValueError(f"{key} must list at least one")
    _each(content["tasks"], str, "tasks")
    tasks = tasks_like(content["tasks"])
    return Suite(
        name,
        content.get("about", ""),
        tasks,
        _entries(content["estimators"], places),
        _quick(content.get("quick", []), tasks),
        _seeds(content.get("seeds", [0, 1, 2])),
        _limits(content.get("limits", {})),
    )


def _entries(listed: list[Any], places: Mapping[str, str]) -> tuple[Entry, ...]:
    entries: dict[str, Entry] = {}
    for number, one in enumerate(listed):
        where = f"estimators[{number}]"
        if not isinstance(one, str | dict):
            raise ValueError(f"{where} must be a name, or a table with `use`; got {one!r}")
        for entry in entries_named([one], places) if isinstance(one, str) else [_entry(one, where, places)]:
            if entry.name in entries:
                raise ValueError(f"{where}: two estimators are called {entry.name!r}; give one a `name` of its own")
            entries[entry.name] = entry
    return tuple(entries.values())


def _entry(table: dict[str, Any], where: str, places: Mapping[str, str]) -> Entry:
    _check_keys(table, {"name": str, "use": str, "settings": dict}, where)
    if "use" not in table:
        raise ValueError(f"{where} must say which estimator to `use`")
    check_use(table["use"], places)
    name, settings = table.get("name", table["use"]), table.get("settings", {})
    if not NAME.fullmatch(name):
        raise ValueError(f"{where}: name {name!r} must be of letters, digits and _ . -, at most 64")
    if "task" in settings:
        raise ValueError(f"{where}: an estimator is told nothing of the task but what it says itself")
    for key, value in settings.items():
        _check_plain(value, f"{where}: setting {key!r}")
    return Entry(name, table["use"], settings, places.get(table["use"], ""))


def _check_plain(value: Any, what: str) -> None:
    if isinstance(value, list):
        for part in value:
            _check_plain(part, what)
    elif isinstance(value, dict):
        for part in value.values():
            _check_plain(part, what)
    elif not isinstance(value, PLAIN) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{what} must be text, a finite number, true or false, or made of them; got {value!r}")


def _quick(names: list[Any], tasks: Mapping[str, Task]) -> tuple[str, ...]:
    _each(names, str, "quick")
    chosen = tuple(tasks_like(names)) or tuple(tasks)[:2]
    for name in chosen:
        if name not in tasks:
            raise ValueError(f"quick: {name!r} is not among the tasks")
    return chosen


def _seeds(seeds: list[Any]) -> tuple[int, ...]:
    _each(seeds, int, "seeds")
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be distinct whole numbers in 0..{LARGEST_SEED}, at least one; got {seeds}")
    return tuple(seeds)


def _limits(table: dict[str, Any]) -> Limits:
    _check_keys(table, {"seconds": (int, float), "memory_mb": int}, "limits")
    for key, value in table.items():
        if not 0 < value < math.inf:
            raise ValueError(f"limits: {key} must be above 0 and finite; got {value}")
    return Limits(**table)


def _check_keys(table: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    before = f"{where}: " if where else ""
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"{before}unknown key {key!r}; {nearest(key, known)}")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise ValueError(f"{before}{key} must be {_called(known[key])}; got {value!r}")


def _each(values: list[Any], kind: type, where: str) -> None:
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{where} must be a list of {'names' if kind is str else 'whole numbers'}; got {value!r}")


def _called(kind: Any) -> str:
    names = {str: "text", list: "a list", dict: "a table", int: "a whole number"}
    return names.get(kind, "a number")


def _built_in() -> dict[str, Suite]:
    folder = files("diml_inverse.benchmark.running") / "built_in"
    suites = [read_suite(Path(str(one))) for one in folder.iterdir() if one.name.endswith(".toml")]
    return {suite.name: suite for suite in sorted(suites, key=lambda suite: suite.name)}


SUITES = _built_in()
