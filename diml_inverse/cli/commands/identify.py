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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the fit.")
@column_options
@click.option("--overwrite", is_flag=True, help="Replace a former folder.")
def command(**asked: Any) -> None:
    """Say which payoff differences the choices in PLAYS pin down, a .nc, .csv or .parquet file.

    The form and the learners are fitted first, as `diml fit` with the same options does: how much a choice tells
    depends on how even it was. Then each difference (payoff of an own action less the mean over own actions, given
    what the others did) is identified exactly, only through the structure or smoothness of the form fitted, in part,
    or not at all, with the effective number of observations behind it; and what no choice tells is listed.

    The folder holds identification.csv, invariances.csv, identification.png and report.txt. On stdout, as CSV: how
    many differences of each agent are identified how, and the median of their effective observations.

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
