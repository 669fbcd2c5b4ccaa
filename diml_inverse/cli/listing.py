"""The work of `diml tasks`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from diml_inverse.benchmark.running.suites import SUITES
from diml_inverse.benchmark.tasks.catalogue import TASKS, task_named, tasks_like
from diml_inverse.benchmark.tasks.export import SEEN, TRUTH, export_task
from diml_inverse.benchmark.tasks.people import with_human_play
from diml_inverse.benchmark.tasks.task import Task
from diml_inverse.cli.output import new_folder, note

COLUMNS = ("task", "suites", "agents", "actions", "learners", "metric", "about")


def list_tasks(names: tuple[str, ...], export: Path | None, seed: int, human_play: Path | None) -> None:
    """Print the tasks that there are, or write one as files. The arguments are the command's."""
    if export is not None:
        _export(with_human_play(task_named(names[0]), human_play), seed, export)
        return
    chosen = _chosen(names)  # before the header, which no error should follow
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(map(_row, chosen))


def _chosen(names: tuple[str, ...]) -> list[Task]:
    expanded = [part for name in names for part in (SUITES[name].tasks if name in SUITES else (name,))]
    return list((tasks_like(expanded) if names else TASKS).values())


def _row(task: Task) -> list[str]:
    suites = " ".join(name for name, suite in SUITES.items() if task.name in suite.tasks)
    counts = task.action_counts
    known = "unknown" if task.told is None else "known"
    return [task.name, suites, str(len(counts)), str(max(counts)), known, task.metrics[0], task.about]


def _export(task: Task, seed: int, folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.ClickException(f"{folder} exists; name a new folder")
    with new_folder(folder) as new:
        export_task(task, seed, new)
    note(f"{folder / SEEN} is for the method, {folder / TRUTH} is not; task.json says what to hand in")
