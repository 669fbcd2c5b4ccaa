"""The work of `diml evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces import Traces
from diml_inverse.cli.options import Columns
from diml_inverse.cli.output import new_folder, note
from diml_inverse.cli.plays import read_plays
from diml_inverse.cli.scores import errors, likelihoods
from diml_inverse.cli.truth import truth_of
from diml_inverse.diagnosis import Diagnosis, diagnose
from diml_inverse.diagnosis.rivals import CLONING, SHARES
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.files import ESTIMATE, FACTS

UNKNOWN = -2


def evaluate(
    fit: Path,
    plays: Path,
    train: Path | None,
    output: Path,
    columns: Columns,
) -> None:
    """Print how well a fit predicts other play, and keep what the checks of it found."""
    estimate = Estimate.load(fit / ESTIMATE)
    traces = relabelled(read_plays(plays, columns), estimate)
    trained_on = relabelled(read_plays(train, columns), estimate) if train else _decisions(fit)
    truth = truth_of(traces)
    scores = {**likelihoods(estimate, traces, truth), **errors(estimate, traces, truth)}
    found = diagnose(estimate, traces, trained_on)
    with new_folder(output) as folder:
        found.save(folder)
    click.echo("metric,value")
    for metric, value in {**scores, **_of_rivals(found)}.items():
        click.echo(f"{metric},{value:.8g}")
    note(found.verdict)
    note(f"its checks, tables and picture are in {output}")


def _of_rivals(found: Diagnosis) -> dict[str, float]:
    values = found.likelihoods.set_index("predictor")["log_likelihood"]
    return {f"{name.replace(' ', '_')}_log_likelihood": values[name] for name in (SHARES, CLONING) if name in values}


def _decisions(fit: Path) -> int | None:
    """How many the fit was fitted to, if it says so."""
    facts = json.loads((fit / FACTS).read_text()) if (fit / FACTS).is_file() else {}
    number = facts.get("decisions")
    return number if isinstance(number, int) else None


def relabelled(traces: Traces, estimate: Estimate) -> Traces:
    """The traces with agents and actions numbered as the estimate numbers them.

    Raises:
        click.ClickException: other agents, or actions that the estimate does not know.
    """
    if set(traces.agents) != set(estimate.agents):
        raise click.ClickException(f"the fit is of the agents {estimate.agents}, the plays of {traces.agents}")
    actions = np.full_like(traces.actions, MISSING)
    for i, (agent, labels) in enumerate(zip(estimate.agents, estimate.action_labels, strict=True)):
        column = traces.agents.index(agent)
        known = {label: b for b, label in enumerate(labels)}
        places = [known.get(label, UNKNOWN) for label in traces.action_labels[column]]
        # MISSING is -1, so that it reads the last entry.
        actions[:, :, i] = np.array([*places, MISSING])[traces.actions[:, :, column]]
        if (actions[:, :, i] == UNKNOWN).any():
            new = traces.action_labels[column][places.index(UNKNOWN)]
            raise click.ClickException(f"{agent!r} has an action {new!r} that the fit does not know; it knows {labels}")
    return Traces(actions, traces.lengths, estimate.agents, estimate.action_labels, traces.episodes, traces.metadata)
