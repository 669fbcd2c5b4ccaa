"""`diml score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import human_play_option


@click.command()
@click.argument("task")
@click.argument("answers", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="That the task was exported with.")
@click.option("--fill-missing", is_flag=True, help="Take contexts that are not answered for ones without differences.")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="Results of `diml bench` to add it to.")
@click.option("--name", default="submitted", show_default=True, help="Of the method, in those results.")
@click.option("--suite", default="", help="Of those results, for the leaderboard.")
@human_play_option
def command(**asked: Any) -> None:
    """Judge ANSWERS to a TASK by its truth: CSV files as `diml tasks TASK --export` describes.

    A file of payoff differences has columns agent, others, action, payoff_difference; one of choice probabilities
    episode, round, agent, action, probability. On stdout: metric, value, low, high as CSV (95 % over the test
    episodes), those first that the task is judged by.

    \b
    Examples:
      diml score congestion-small-v0 payoff_differences.csv
      diml score congestion-small-v0 payoff_differences.csv choice_probabilities.csv --into results/ --name mine
    """
    from diml_inverse.cli.scoring import score  # late: torch takes seconds to load

    score(**asked)
