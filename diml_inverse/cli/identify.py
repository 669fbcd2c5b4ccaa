"""`diml identify`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from diml_inverse.cli.candidates import check_mechanism_name, form_options, learners_asked_for
from diml_inverse.cli.fitting import fit_form
from diml_inverse.cli.output import check_new_folder, new_folder, note
from diml_inverse.cli.plays import Columns, column_options, read_plays
from diml_inverse.identification import Identification, identify

TABLE = "identification.csv"


@click.command()
@click.argument("plays", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@form_options
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the fit.")
@column_options
@click.option("--overwrite", is_flag=True, help="Replace a former folder.")
def command(
    plays: Path,
    output: Path,
    mechanism: str,
    learners: str,
    seed: int,
    overwrite: bool,
    columns: Columns,
    **parameters: float | None,
) -> None:
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
    check_mechanism_name(mechanism)
    check_new_folder(output, overwrite, TABLE)
    traces = read_plays(plays, columns)
    if max(traces.action_counts) == 1:
        raise click.ClickException(f"{plays}: no agent ever chose between actions, so there is nothing to identify")
    known = learners_asked_for(learners, parameters, traces)
    estimate = fit_form(traces, mechanism, known, seed)[1]
    found = identify(traces, estimate.dynamics, estimate.mechanism)
    _save(found, output)
    note(f"\n{found}\n\neverything is in {output}")
    click.echo(_counts(found.table).to_csv(index=False, float_format="%.4g"), nl=False)


def _save(found: Identification, output: Path) -> None:
    with new_folder(output) as folder:
        folder.mkdir()
        found.table.to_csv(folder / TABLE, index=False, float_format="%.6g")
        found.invariances.to_csv(folder / "invariances.csv", index=False, float_format="%.6g")
        found.plot().savefig(folder / "identification.png", dpi=130)
        (folder / "report.txt").write_text(f"{found}\n")


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    observations = table["observations"].where(table["identified"] == "exactly", table["observations_with_form"])
    groups = table.assign(observations=observations).groupby(["agent", "identified"], sort=False)
    return groups["observations"].agg(differences="size", median_observations="median").reset_index()
