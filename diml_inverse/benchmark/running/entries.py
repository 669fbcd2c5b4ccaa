"""`Entry`: an estimator as a suite lists it, built-in, of an installed plug-in, or of a file on the command line."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diml_inverse import plugins
from diml_inverse.benchmark.running.estimators import ABLATION, ESTIMATORS, why_not
from diml_inverse.benchmark.tasks.task import Task

GROUPS = {"ablation": ABLATION}  # names for several


@dataclass(frozen=True)
class Entry:
    """One column of the leaderboard.

    Attributes:
        name: in results.
        use: what it is: a built-in name, that of an installed plug-in, or NAME of `plugin`.
        settings: JSON values, its arguments.
        plugin: `FILE.py:NAME` as given on the command line, in which case `use` is NAME; else empty.
    """

    name: str
    use: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    plugin: str = ""

    @property
    def built_in(self) -> bool:
        """It is one of this project's."""
        return not self.plugin and self.use in ESTIMATORS

    def build(self, task: Task, seed: int) -> Any:
        """The estimator, with `fit(traces)`.

        One from outside is offered the seed and, if its signature has `dynamics`, how the agents learn: None where it
        is not told, unless it cannot do without; then, as built-in ones, the paper's learners.

        Raises:
            ValueError: no such estimator, or settings that it does not take.
        """
        if self.built_in:
            return plugins.build_estimator(ESTIMATORS[self.use], self.settings, self.name, task=task, seed=seed)
        factory = plugins.from_file(self.plugin)[1] if self.plugin else plugins.load(self.use, plugins.ESTIMATORS)
        needed = callable(factory) and "dynamics" in plugins.required(factory)
        dynamics = task.assumed if needed else task.told
        return plugins.build_estimator(factory, self.settings, self.name, dynamics=dynamics, seed=seed)

    def why_not(self, task: Task) -> str | None:
        """Why there is nothing to fit; None if there is."""
        return task.missing or (why_not(self.use, task) if self.built_in else None)

    def description(self) -> dict[str, Any]:
        """JSON values that tell apart what goes by the same name; empty for what is built in, as it is."""
        if self.built_in and self.use == self.name and not self.settings:
            return {}
        return {"use": self.use, "settings": dict(self.settings), **self._code()}

    def _code(self) -> dict[str, str]:
        if not self.plugin:
            return {}
        path = Path(self.plugin.rpartition(":")[0])
        return {"plugin": self.plugin, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def entries_named(names: Sequence[str], places: Mapping[str, str] | None = None) -> tuple[Entry, ...]:
    """Entries without settings, by names, patterns of built-in names (`as_*`) or groups (`ablation`), each once.

    places: `FILE.py:NAME` of plug-ins by their NAME.

    Raises:
        ValueError: a name that nothing has, with the nearest there is.
    """
    found = [_entry(one, places or {}) for name in names for one in _expanded(name)]
    return tuple({entry.name: entry for entry in found}.values())


def _expanded(name: str) -> Sequence[str]:
    if "*" not in name:
        return GROUPS.get(name, (name,))
    if not (chosen := fnmatch.filter(ESTIMATORS, name)):
        raise ValueError(f"no built-in estimator is like {name!r}; known: {', '.join(ESTIMATORS)}")
    return chosen


def _entry(name: str, places: Mapping[str, str]) -> Entry:
    check_use(name, places)
    return Entry(name, name, plugin=places.get(name, ""))


def check_use(name: str, places: Mapping[str, str]) -> None:
    """Raise ValueError, with the nearest name, unless an estimator is called so. Nothing is imported."""
    if name in ESTIMATORS or name in places:
        return
    installed = plugins.names(plugins.ESTIMATORS)
    if name not in installed:
        known = [*ESTIMATORS, *installed, *places, *GROUPS]
        raise ValueError(f"no estimator {name!r}; {plugins.nearest(name, known)}")
