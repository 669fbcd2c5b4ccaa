"""The work of `diml bench`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from diml_inverse.benchmark.reports.report import write_report
from diml_inverse.benchmark.reports.results import read_records, write_results
from diml_inverse.benchmark.reports.tables import summary
from diml_inverse.benchmark.running.cells import Cell, Record
from diml_inverse.benchmark.running.entries import Entry, entries_named
from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.running.limits import Limits
from diml_inverse.benchmark.running.runner import run_suite
from diml_inverse.benchmark.running.suites import SUITES, Suite, read_suite
from diml_inverse.benchmark.tasks.catalogue import tasks_like
from diml_inverse.benchmark.tasks.people import with_human_play
from diml_inverse.benchmark.tasks.task import Task
from diml_inverse.cli.options import QUICK_EPISODES
from diml_inverse.cli.output import note
from diml_inverse.cli.settings import check_name
from diml_inverse.versions import versions


def bench(
    suite: str,
    output: Path,
    seeds: tuple[int, ...],
    tasks: tuple[str, ...],
    estimators: tuple[str, ...],
    places: tuple[str, ...],
    jobs: int | None,
    ray: str | None,
    cell_seconds: float | None,
    cell_memory: int | None,
    human_play: Path | None,
    quick: bool,
) -> None:
    """Run a suite of tasks and estimators, and report. The arguments are the command's."""
    plugin_places = _plugins(places)
    chosen = _suite(suite, plugin_places)
    limits = Limits(cell_seconds or chosen.limits.seconds, cell_memory or chosen.limits.memory_mb)
    try:
        rows, columns = _tasks(chosen, tasks, quick, human_play), _estimators(chosen, estimators, plugin_places)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    cells = [
        Cell(task, entry.name, seed, chosen.name, _command(suite, task, entry, seed, quick), entry)
        for task in rows
        for seed in seeds or (chosen.seeds[:1] if quick else chosen.seeds)
        for entry in columns
    ]
    _try_to_build(cells)
    output.mkdir(parents=True, exist_ok=True)
    try:
        run_suite(cells, output, jobs, progress=True, limits=limits, ray=ray)
    finally:
        records = _report(output)
    if failed := [record for record in records if record.failed]:
        first = failed[0]
        raise click.ClickException(
            f"{len(failed)} of {len(records)} cells failed, the first {first.task} {first.estimator} {first.seed} "
            f"({first.note}); see {output / 'logs'}; run again to try them again"
        )


def _plugins(places: tuple[str, ...]) -> dict[str, str]:
    """`FILE.py:NAME` by NAME."""
    named = {place.rpartition(":")[2]: place for place in places}
    if len(named) < len(places) or (taken := named.keys() & ESTIMATORS.keys()):
        which = "two have the same name" if len(named) < len(places) else f"{min(taken)!r} is a built-in estimator"
        raise click.UsageError(f"--plugin: {which}; give one of your own in its file")
    return named


def _suite(given: str, places: Mapping[str, str]) -> Suite:
    if given not in SUITES and (given.endswith(".toml") or Path(given).exists()):
        return read_suite(Path(given), places)
    check_name(given, SUITES, "suite")
    return SUITES[given]


def _command(suite: str, task: Task, entry: Entry, seed: int, quick: bool) -> str:
    """What does this cell and no other."""
    chosen = ["--tasks", task.name, "--estimators", entry.name, "--seeds", str(seed)]
    plugin = ["--plugin", entry.plugin] if entry.plugin else []
    return shlex.join(["diml", "bench", suite, *chosen, *plugin, *(["--quick"] if quick else []), "-o", "cell/"])


def _try_to_build(cells: Sequence[Cell]) -> None:
    """Each estimator once, so that wrong settings are an error now and not a failure of every cell.

    Raises:
        ValueError: of the first that cannot be built.
    """
    applicable = {cell.estimator: cell for cell in reversed(cells) if not cell.made_by.why_not(cell.task)}
    for cell in applicable.values():
        cell.made_by.build(cell.task, cell.seed)


def _report(output: Path) -> list[Record]:
    """Write results, report and figures of all cells that are there."""
    if records := read_records(output):
        table = write_results(output)
        command = shlex.join(["diml", *sys.argv[1:]])
        write_report(output, records, table, command, versions())
        click.echo(summary(table).to_csv(index=False, float_format="%.4g"), nl=False)
        note(f"{output / 'report.md'} has the tables and figures")
    return records


def _tasks(suite: Suite, names: tuple[str, ...], quick: bool, human_play: Path | None) -> list[Task]:
    chosen = tasks_like(names or (suite.quick if quick else suite.tasks), suite.tasks)
    tasks = [with_human_play(task, human_play) for task in chosen.values()]
    return [replace(task, num_episodes=min(QUICK_EPISODES, task.num_episodes)) for task in tasks] if quick else tasks


def _estimators(suite: Suite, names: tuple[str, ...], places: Mapping[str, str]) -> tuple[Entry, ...]:
    """The suite's own with the user's; or those asked for, as the suite has them if it does."""
    own = {entry.name: entry for entry in suite.estimators}
    if names:
        found = [entry for name in names for entry in ([own[name]] if name in own else entries_named([name], places))]
        return tuple({entry.name: entry for entry in found}.values())
    used = {entry.plugin for entry in suite.estimators}
    return (*suite.estimators, *entries_named([name for name, place in places.items() if place not in used], places))
