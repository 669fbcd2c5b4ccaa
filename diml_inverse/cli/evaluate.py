"""`diml evaluate`."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces import Traces
from diml_inverse.cli.plays import Columns, column_options, read_plays
from diml_inverse.cli.scores import errors, likelihoods
from diml_inverse.cli.truth import truth_of
from diml_inverse.estimate import Estimate
from diml_inverse.report.folder import ESTIMATE

UNKNOWN = -2


@click.command()
@click.argument("fit", type=click.Path(path_type=Path))
@click.argument("plays", type=click.Path(path_type=Path))
@column_options
def command(
    fit: Path, plays: Path, episode_column: str, round_column: str, agent_column: str, action_column: str
) -> None:
    """Judge the fit in the folder FIT by the play in PLAYS, which it should not have been fitted to.

    Prints metric,value as CSV. Log-likelihoods are in nats per decision: of the fit, of choosing uniformly, and of the
    truth where the file says in which game and by which learners it was simulated; then also the mean squared error
    of payoff differences, and that error over the one of knowing nothing.

    \b
    Example:
      diml rollout diml/congestion_v0 --seed 1 -o more.nc
      diml evaluate fit/ more.nc
    """
    estimate = Estimate.load(_estimate_file(fit))
    columns = Columns(episode_column, round_column, agent_column, action_column)
    traces = relabelled(read_plays(plays, columns), estimate)
    truth = truth_of(traces)
    click.echo("metric,value")
    for metric, value in {**likelihoods(estimate, traces, truth), **errors(estimate, traces, truth)}.items():
        click.echo(f"{metric},{value:.8g}")


def _estimate_file(fit: Path) -> Path:
    if not (fit / ESTIMATE).is_file():
        groups = sorted(str(found.parent) for found in fit.glob(f"*/{ESTIMATE}"))
        hint = f"; it holds fits by group, name one: {', '.join(groups)}" if groups else ""
        raise click.ClickException(f"no fit in {fit}{hint}")
    return fit / ESTIMATE


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
