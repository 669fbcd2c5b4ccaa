"""`diml evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import column_options
from diml_inverse.cli.output import check_is_file, check_new_folder
from diml_inverse.files import DIAGNOSIS, ESTIMATE, VERDICT


@click.command()
@click.argument("fit", type=click.Path(path_type=Path))
@click.argument("plays", type=click.Path(path_type=Path))
@click.option(
    "--train",
    type=click.Path(path_type=Path),
    help="The play that FIT was fitted to. It is checked too, and cloning learns from it.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help=f"Folder for what the checks found; default: FIT/{DIAGNOSIS}.",
)
@column_options
def command(**asked: Any) -> None:
    """Judge the fit in the folder FIT by the play in PLAYS, which it should not have been fitted to.

    Stdout gets metric,value as CSV. Log-likelihoods are in nats (natural logarithms) per decision: that of the fit, of
    choosing uniformly, of constant shares of choices, and of behavioural cloning, which predicts choices from the last
    rounds and knows no payoffs. Where the file says in which game and by which learners the play was simulated, the
    truth's log-likelihood is there too, with the mean squared error of payoff differences, and that error divided by
    the one of knowing nothing.

    A sentence says whether the fit describes the agents: whether its errors of prediction are unrelated to what was
    known before the choice, and whether no method that ignores payoffs predicts better. Tables and a picture (choices
    over the rounds, calibration, autocorrelation, likelihoods) go to a folder, which is replaced.

    \b
    Example:
      diml rollout diml/congestion_v0 --seed 1 -o more.nc
      diml evaluate fit/ more.nc
    """
    _check_is_fit(asked["fit"])
    check_is_file(asked["plays"])
    asked["output"] = asked["output"] or asked["fit"] / DIAGNOSIS
    check_new_folder(asked["output"], True, VERDICT)
    from diml_inverse.cli.evaluating import evaluate  # late: torch takes seconds to load

    evaluate(**asked)


def _check_is_fit(folder: Path) -> None:
    if not (folder / ESTIMATE).is_file():
        groups = sorted(str(found.parent) for found in folder.glob(f"*/{ESTIMATE}"))
        hint = f"; it holds fits by group, name one: {', '.join(groups)}" if groups else ""
        raise click.ClickException(f"no fit in {folder}{hint}")
