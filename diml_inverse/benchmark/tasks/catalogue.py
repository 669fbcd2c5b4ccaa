"""All tasks by name, whatever suite they are in."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping

from diml_inverse.benchmark.tasks.consistency import CONSISTENCY
from diml_inverse.benchmark.tasks.core import CORE
from diml_inverse.benchmark.tasks.learners import LEARNERS
from diml_inverse.benchmark.tasks.people import HUMAN
from diml_inverse.benchmark.tasks.strangers import STRANGERS
from diml_inverse.benchmark.tasks.task import PAPER, Task
from diml_inverse.plugins import nearest

TASKS: Mapping[str, Task] = {**PAPER, **CORE, **HUMAN, **LEARNERS, **STRANGERS, **CONSISTENCY}
FIRST_VERSION = "-v0"


def task_named(name: str, tasks: Mapping[str, Task] = TASKS) -> Task:
    """The task of this name. Tasks from before there were versions may be written with one, `E2-v0`.

    Raises:
        ValueError: no such task, with the nearest there is.
    """
    for written in (name, name.removesuffix(FIRST_VERSION)):
        if written in tasks:
            return tasks[written]
    raise ValueError(f"no task {name!r}; {nearest(name, tasks)}")


def tasks_like(names: Iterable[str], tasks: Mapping[str, Task] = TASKS) -> dict[str, Task]:
    """Of these tasks, those with such names, or like patterns such as `E7-*`, each once.

    Raises:
        ValueError: a name or pattern that fits none.
    """
    found = [task for name in names for task in _like(name, tasks)]
    return {task.name: task for task in found}


def _like(name: str, tasks: Mapping[str, Task]) -> list[Task]:
    if "*" not in name:
        return [task_named(name, tasks)]
    chosen = fnmatch.filter(tasks, name)
    if not chosen:
        raise ValueError(f"no task is like {name!r}; `diml tasks` lists them")
    return [tasks[one] for one in chosen]


def in_order(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Each once, those known first and in their order; others, a user's own, as they come."""
    given = list(dict.fromkeys(names))
    first = [name for name in known if name in set(given)]
    return [*first, *[name for name in given if name not in set(first)]]
