"""`diml identify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import check_learners, check_mechanism_name, column_options, form_options
from diml_inverse.cli.output import check_is_file, check_new_folder
from diml_inverse.files import IDENTIFICATION


@click.command()
@click.argument("plays", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@form_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the fit.")
@column_options
@click.option("--overwrite", is_flag=True, help="Replace the result that is there.")
def command(**asked: Any) -> None:
    """Say which payoff differences the choices in PLAYS pin down, a .nc, .csv or .parquet file.

    First the payoffs and the learners are fitted, as `diml fit` with the same options does, since a choice tells the
    more the more even it was. A difference is the payoff of an own action less the mean over own actions, given what
    the others did. Each one is identified exactly, only through the structure or smoothness of the form fitted, in
    part, or not at all. Beside it stand its effective observations: how many fully informative decisions would tell as
    much. What no choice can tell is listed too.

    The folder holds identification.csv, invariances.csv, identification.png and report.txt. Stdout gets a CSV: for each
    agent, how many differences are identified in which way, and the median of their effective observations.

    \b
    Examples:
      diml identify plays.nc -o identified/
      diml identify plays.csv -o identified/ --mechanism congestion --precision 3
    """
    check_mechanism_name(asked["mechanism"])
    check_learners(asked)
    check_is_file(asked["plays"])
    check_new_folder(asked["output"], asked["overwrite"], IDENTIFICATION)
    from diml_inverse.cli.identifying import identify_file  # late: torch takes seconds to load

    identify_file(**asked)
