"""`diml bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import QUICK_EPISODES, human_play_option
from diml_inverse.cli.settings import check_name

SUITES = Path(__file__).parents[2] / "benchmark" / "running" / "built_in"  # TOML files
# Estimators by name, and the steps of the ablation; those of one model of learning are called as_logit_q and so on.
ESTIMATORS = (
    "auto, families, neural, tabular, structured, wrong_learner, cloning, equilibrium, qre, maxent_irl, least_regret, "
    "published, published_exact, published_early, single, paper_surrogate, as_MEMBER"
)
ABLATION = "published, published_exact, published_early, single, neural, auto"
SEVERAL = ("--seeds", "--tasks", "--estimators")


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
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of results."
)
@click.option(
    "--seeds", multiple=True, type=click.IntRange(0), help="Seeds of mechanism, play and fit.  [default: the suite's]"
)
@click.option("--tasks", multiple=True, help="Tasks of the suite to run, by name or pattern (`E7-*`).  [default: all]")
@click.option(
    "--estimators",
    multiple=True,
    help=f"Estimators to run: the suite's, or any of {ESTIMATORS}; `ablation` for {ABLATION}. [default: the suite's]",
)
@click.option(
    "--plugin",
    "places",
    multiple=True,
    metavar="FILE.py:NAME",
    help="An estimator of your own. It runs beside the suite's, unless --estimators says otherwise.",
)
@click.option(
    "--jobs", type=click.IntRange(1), help="Cells to run at a time, one thread each.  [default: 1; all cores of Ray]"
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Run on a Ray cluster: HOST:PORT, `auto`, or `local` to start one here. All its machines need this program, "
    "and the files named here in the same place.",
)
@click.option(
    "--cell-seconds",
    type=click.FloatRange(0, min_open=True),
    help="Time limit of a cell, in seconds.  [default: the suite's]",
)
@click.option("--cell-memory", type=click.IntRange(1), help="Memory limit of a cell, in MB.  [default: the suite's]")
@human_play_option
@click.option("--quick", is_flag=True, help=f"Run two tasks only, with seed 0 and {QUICK_EPISODES} episodes.")
def command(suite: str, **asked: Any) -> None:
    """Run a SUITE of tasks with its estimators, and report.

    A suite is a list of tasks and estimators. SUITE is a TOML file, or one of these: `paper`, the published
    experiments, where estimators are told how the agents learn; `learners`, learners of every kind, of which estimators
    are told nothing; `core`, small games under every condition that play comes in; `consistency`, the error against the
    number of episodes; `strangers`, learners that no model of learning here describes.

    The folder gets a JSON file for each cell (task, estimator, seed), and in the end results.csv, report.md and
    figures. If a run was interrupted, or is given more seeds, tasks or estimators, the same command does what is
    missing and what failed. A cell that raises an error, hangs or takes too much memory becomes a row that says so; the
    rest goes on. Stdout gets the main metrics as CSV, means over seeds.

    \b
    Examples:
      diml bench paper --quick -o quick/
      diml bench paper --seeds 0 1 2 --tasks E1 E2 -o results/
      diml bench core --jobs 2 --plugin my_method.py:MyEstimator -o results/
      diml bench my_suite.toml --ray auto -o results/
    """
    if not suite.endswith(".toml") and not Path(suite).exists():
        check_name(suite, sorted(path.stem for path in SUITES.glob("*.toml")), "suite")
    from diml_inverse.cli.benching import bench  # late: torch takes seconds to load

    bench(suite, **asked)
