"""`diml bounds`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import column_options
from diml_inverse.cli.output import check_is_file, check_new_folder
from diml_inverse.files import BOUNDS

FORM = click.Choice(["tabular", "own-load", "congestion"])
AGAINST = click.Choice(["external", "internal", "swap", "last_profile", "episode"])


@click.command()
@click.argument("plays", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--regret", default="smallest", show_default=True, help="A number, 'smallest' or 'theory'.")
@click.option("--slack", type=click.FloatRange(0), default=0.0, show_default=True, help="Added to the regret allowed.")
@click.option("--against", type=AGAINST, default="external", show_default=True, help="What play is compared with.")
@click.option("--normalise", type=click.Choice(["largest", "range"]), help="The unit. Default: by the game's size.")
@click.option(
    "--exploration",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of choices made at random whatever was learnt; their regret is taken out.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Widen the set to cover that of endlessly many such episodes.",
)
@click.option("--mechanism", type=FORM, default="tabular", show_default=True, help="Form of the payoffs.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap for --confidence.")
@column_options
@click.option("--overwrite", is_flag=True, help="Replace a former folder.")
def command(**asked: Any) -> None:
    """Bound the payoffs behind PLAYS without believing any model of learning.

    Only this is assumed: nobody lost more than a little a round against the best fixed action in hindsight. The
    folder holds bounds.csv (agent, others, action, low, high, sharp, visits), for a form its parameters.csv, bounds.png
    and report.txt; bounds.csv goes to stdout too.

    \b
    Examples:
      diml bounds plays.csv -o bounds/
      diml bounds plays.csv -o bounds/ --regret 0.05 --against last_profile
    """
    check_is_file(asked["plays"])
    check_new_folder(asked["output"], asked["overwrite"], BOUNDS)
    from diml_inverse.cli.bounding import bound_file  # late: torch takes seconds to load

    bound_file(**asked)
