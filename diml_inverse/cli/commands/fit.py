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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the fit.")
@column_options
@click.option("--group-column", help="Fit each group of episodes apart: the column that names the group.")
@click.option("--payoff-column", help="Column of realised payoffs, to compare with; the fit does not see it.")
@click.option("--overwrite", is_flag=True, help="Replace a former fit.")
def command(**asked: Any) -> None:
    """Recover the payoffs behind the choices in PLAYS, a .nc, .csv or .parquet file.

    The form fitted by default is a table with a free payoff for every profile and agent if there are at least 20
    observed decisions for each of those payoffs; else the structure is learnt as well: which kinds of interaction the
    payoffs are made of in a small game, which family of networks predicts best in a large one.

    The learners' parameters are those given here, else those of the simulated learners named in the file, else .25,
    1 and .02. Behaviour shows the product of payoffs and precision only: unless the precision is known, read signs
    and ratios. With --learners auto nothing is taken to be known of them: models of learning from bandits to
    experience-weighted attraction are compared on held-out episodes, which takes a minute or more.

    The folder holds estimate.safetensors, payoff_differences.csv, history.csv, fit.json and picture.png; summary.txt
    where there are standard errors; and what the game is made of where that was learnt. On stdout: the payoff
    differences as CSV, also scaled so that each agent's largest is 1, beside the true ones where known.

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
