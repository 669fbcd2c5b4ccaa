"""`diml fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import check_learners, check_mechanism_name, column_options, form_options
from diml_inverse.cli.output import check_is_file, check_new_folder
from diml_inverse.files import FACTS


@click.command()
@click.argument("plays", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@form_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the fit.")
@column_options
@click.option("--group-column", help="Column that names a group of episodes; each group is fitted apart.")
@click.option("--payoff-column", help="Column of the payoffs earned, to compare with. The fit does not see it.")
@click.option("--overwrite", is_flag=True, help="Replace the fit that is there.")
@click.option("--no-errors", is_flag=True, help="Leave out standard errors and intervals.")
@click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="End the fit by then with the best found so far; as Ctrl-C does.",
)
def command(**asked: Any) -> None:
    """Recover the payoffs behind the choices in PLAYS, a .nc, .csv or .parquet file.

    By default the fit is a table with a free payoff for every joint action and agent, if there are at least 20 observed
    decisions for each of those payoffs. Otherwise the structure is learnt as well: in a small game, which kinds of
    interaction the payoffs are made of; in a large one, which family of networks predicts best.

    The fit needs a model of how the agents learn. Its parameters are those given here, else those of the simulated
    learners named in the file, else .25, 1 and .02. Choices show only the product of payoffs and precision: unless you
    know the precision, read signs and ratios of payoffs. With --learners auto you need know nothing of the learners:
    models from bandits to experience-weighted attraction are compared on held-out episodes, in a minute or more.

    The folder holds estimate.safetensors, payoff_differences.csv, history.csv, fit.json and picture.png; summary.txt
    where there are standard errors; and what the game is made of where that was learnt. Stdout gets the payoff
    differences as CSV, also scaled so that each agent's largest is 1, beside the true ones where they are known. A
    sentence on stderr says whether the model describes the agents. "Do not believe its payoffs" means what it says: try
    --learners auto, and if that is refused too, do not use the table.

    What was recovered is written before its errors, verdict and pictures are worked out. A fit that is ended by
    --time-limit or Ctrl-C keeps the best found so far; "stopped" in fit.json says so.

    \b
    Examples:
      diml fit plays.nc -o fit/
      diml fit plays.csv -o fit/ --agent-column player --payoff-column points --learners auto
    """
    check_mechanism_name(asked["mechanism"])
    check_learners(asked)
    check_is_file(asked["plays"])
    check_new_folder(asked["output"], asked["overwrite"], FACTS)
    from diml_inverse.cli.fits import fit  # late: torch takes seconds to load

    fit(**asked)
