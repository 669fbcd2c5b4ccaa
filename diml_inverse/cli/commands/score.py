"""`diml score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import human_play_option


@click.command()
@click.argument("task")
@click.argument("answers", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed that the task was exported with."
)
@click.option("--fill-missing", is_flag=True, help="Take contexts without an answer as having no payoff differences.")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), help="Results of `diml bench` to add the scores to."
)
@click.option("--name", default="submitted", show_default=True, help="Name of the method in those results.")
@click.option("--suite", default="", help="Suite of those results, for the leaderboard.")
@human_play_option
def command(**asked: Any) -> None:
    """Judge ANSWERS to a TASK by its truth: CSV files as `diml tasks TASK --export` describes.

    A file of payoff differences has the columns agent, others, action, payoff_difference. A file of choice
    probabilities has episode, round, agent, action, probability. Stdout gets metric, value, low, high as CSV (95 %
    intervals over the test episodes); the metrics that the task is judged by come first.

    \b
    Examples:
      diml score congestion-small-v0 payoff_differences.csv
      diml score congestion-small-v0 payoff_differences.csv choice_probabilities.csv --into results/ --name mine
    """
    from diml_inverse.cli.scoring import score  # late: torch takes seconds to load

    score(**asked)
