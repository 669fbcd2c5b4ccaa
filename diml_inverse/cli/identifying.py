"""The work of `diml identify`."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from diml_inverse.cli.candidates import learners_asked_for
from diml_inverse.cli.fitting import fit_form
from diml_inverse.cli.options import Columns
from diml_inverse.cli.output import new_folder, note
from diml_inverse.cli.plays import read_plays
from diml_inverse.files import IDENTIFICATION
from diml_inverse.identification import Identification, identify


def identify_file(
    plays: Path,
    output: Path,
    mechanism: str,
    learners: str,
    seed: int,
    overwrite: bool,
    columns: Columns,
    **parameters: float | None,
) -> None:
    """Say which payoff differences the play in a file pins down. The arguments are the command's."""
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
        found.table.to_csv(folder / IDENTIFICATION, index=False, float_format="%.6g")
        found.invariances.to_csv(folder / "invariances.csv", index=False, float_format="%.6g")
        found.plot().savefig(folder / "identification.png", dpi=130)
        (folder / "report.txt").write_text(f"{found}\n")


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    observations = table["observations"].where(table["identified"] == "exactly", table["observations_with_form"])
    groups = table.assign(observations=observations).groupby(["agent", "identified"], sort=False)
    return groups["observations"].agg(differences="size", median_observations="median").reset_index()
