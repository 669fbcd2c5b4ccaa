"""`diml bench`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from diml_inverse.benchmark.cells import Cell, Record
from diml_inverse.benchmark.estimators import ABLATION, ESTIMATORS
from diml_inverse.benchmark.report import write_report
from diml_inverse.benchmark.results import read_records, write_results
from diml_inverse.benchmark.runner import run_suite
from diml_inverse.benchmark.suites import SUITES, Suite
from diml_inverse.benchmark.tables import summary
from diml_inverse.benchmark.tasks import Task
from diml_inverse.cli.output import note
from diml_inverse.cli.settings import check_name
from diml_inverse.versions import versions

SEVERAL = ("--seeds", "--tasks", "--estimators")
QUICK_EPISODES = 20


class Bench(click.Command):
    """Options that take several values, as in `--seeds 0 1 2`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, repeated(args))


def repeated(args: list[str]) -> list[str]:
    """`--seeds 0 1` as click knows it: `--seeds 0 --seeds 1`."""
    written: list[str] = []
    option = ""
    for arg, following in zip(args, [*args[1:], "-"], strict=True):
        if arg in SEVERAL:
            option = arg
            if following.startswith("-"):
                raise click.UsageError(f"{arg} needs a value, or several")
        elif arg.startswith("-"):
            option = ""
            written.append(arg)
        else:
            written += [option, arg] if option else [arg]
    return written


@click.command(cls=Bench)
@click.argument("suite")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder.")
@click.option("--seeds", multiple=True, type=click.IntRange(0), help="Of mechanism, play and fit.  [default: 0 1 2]")
@click.option("--tasks", multiple=True, help="Of the suite's.  [default: all]")
@click.option(
    "--estimators",
    multiple=True,
    help=f"Of {', '.join(ESTIMATORS)}; `ablation` for {', '.join(ABLATION)}.  [default: the suite's]",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells at a time, one thread each.")
@click.option("--quick", is_flag=True, help=f"Two tasks, seed 0, {QUICK_EPISODES} episodes.")
def command(
    suite: str,
    output: Path,
    seeds: tuple[int, ...],
    tasks: tuple[str, ...],
    estimators: tuple[str, ...],
    jobs: int,
    quick: bool,
) -> None:
    """Run a SUITE of tasks with its estimators, and report.

    Suites: `paper`, the published experiments, learners known; `learners`, learners of every kind, estimators told
    nothing of how they learn.

    The folder fills with a JSON file for each cell (task, estimator, seed), and in the end results.csv, report.md and
    figures. A run that was interrupted, or is given more seeds, tasks or estimators, does only what is missing, and
    what failed. On stdout: the main metrics as CSV, means over seeds.

    \b
    Examples:
      diml bench paper --quick -o quick/
      diml bench paper --seeds 0 1 2 --tasks E1 E2 -o results/
    """
    check_name(suite, SUITES, "suite")
    cells = [
        Cell(task, name, seed, suite, _command(suite, task, name, seed, quick))
        for task in _tasks(SUITES[suite], tasks, quick)
        for seed in seeds or ((0,) if quick else (0, 1, 2))
        for name in _estimators(SUITES[suite], estimators)
    ]
    output.mkdir(parents=True, exist_ok=True)
    try:
        run_suite(cells, output, jobs, progress=True)
    finally:
        records = _report(output)
    if failed := [record for record in records if record.failed]:
        first = failed[0]
        raise click.ClickException(
            f"{len(failed)} of {len(records)} cells failed, the first {first.task} {first.estimator} {first.seed} "
            f"({first.note}); see {output / 'logs'}; run again to try them again"
        )


def _command(suite: str, task: Task, estimator: str, seed: int, quick: bool) -> str:
    """What does this cell and no other."""
    chosen = ["--tasks", task.name, "--estimators", estimator, "--seeds", str(seed)]
    return shlex.join(["diml", "bench", suite, *chosen, *(["--quick"] if quick else []), "-o", "cell/"])


def _report(output: Path) -> list[Record]:
    """Write results, report and figures of all cells that are there."""
    if records := read_records(output):
        table = write_results(output)
        command = shlex.join(["diml", *sys.argv[1:]])
        write_report(output, records, table, command, versions())
        click.echo(summary(table).to_csv(index=False, float_format="%.4g"), nl=False)
        note(f"{output / 'report.md'} has the tables and figures")
    return records


def _tasks(suite: Suite, names: tuple[str, ...], quick: bool) -> list[Task]:
    for name in names:
        check_name(name, suite.tasks, "task")
    chosen = [suite.tasks[name] for name in dict.fromkeys(names or (suite.quick if quick else suite.tasks))]
    return [replace(task, num_episodes=min(QUICK_EPISODES, task.num_episodes)) for task in chosen] if quick else chosen


def _estimators(suite: Suite, names: tuple[str, ...]) -> list[str]:
    for name in names:
        check_name(name, (*ESTIMATORS, "ablation"), "estimator")
    expanded = [part for name in names or suite.estimators for part in (ABLATION if name == "ablation" else (name,))]
    return list(dict.fromkeys(expanded))
