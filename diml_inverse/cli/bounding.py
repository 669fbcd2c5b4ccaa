"""The work of `diml bounds`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_envs.mechanisms import CongestionMechanism, Mechanism, OwnLoadTableMechanism, TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.bounds import PayoffBounds, payoff_bounds
from diml_inverse.cli.options import Columns
from diml_inverse.cli.output import new_folder, note
from diml_inverse.cli.plays import read_plays
from diml_inverse.files import BOUNDS


def bound_file(
    plays: Path, output: Path, regret: str, mechanism: str, overwrite: bool, columns: Columns, **options: Any
) -> None:
    """Bound the payoffs behind the play in a file. Arguments: of the command."""
    traces = read_plays(plays, columns)
    if max(traces.action_counts) == 1:
        raise click.ClickException(f"{plays}: no agent ever chose between actions, so there is nothing to bound")
    form = None if mechanism == "tabular" else _form(mechanism, traces)
    found = payoff_bounds(traces, _limit(regret), mechanism=form, **options)
    _save(found, output)
    note(f"\n{found}\n\neverything is in {output}")
    click.echo(found.table.to_csv(index=False, float_format="%.6g"), nl=False)


def _form(name: str, traces: Traces) -> Mechanism:
    counts = traces.action_counts
    if len(set(counts)) > 1:
        raise click.ClickException(f"--mechanism {name} needs agents with the same number of actions; got {counts}")
    form = CongestionMechanism if name == "congestion" else OwnLoadTableMechanism
    return form(traces.num_agents, counts[0])


def _limit(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _save(found: PayoffBounds, output: Path) -> None:
    with new_folder(output) as folder:
        folder.mkdir()
        found.table.to_csv(folder / BOUNDS, index=False, float_format="%.6g")
        if not isinstance(found.payoffs.form.mechanism, TabularMechanism):
            found.parameters.to_csv(folder / "parameters.csv", index=False, float_format="%.6g")
        found.plot().savefig(folder / "bounds.png", dpi=130)
        (folder / "report.txt").write_text(f"{found}\n")
