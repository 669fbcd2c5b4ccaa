"""The true mechanism behind some play, where it is known. For comparison after a fit; no fit sees it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from diml_envs.mechanisms import Mechanism, TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.cli.candidates import logit_learners
from diml_inverse.cli.games import GAMES, make
from diml_inverse.cli.plays import Columns, check_numbers
from diml_inverse.dynamics import Dynamics, LogitDynamics


class Truth(NamedTuple):
    """dynamics: None if the learners were others than logit-Q, or people."""

    mechanism: Mechanism
    dynamics: Dynamics | None = None


def truth_of(traces: Traces) -> Truth | None:
    """The registered game that the play says it was simulated in, made again; None if it says none."""
    env_id = traces.metadata.get("env")
    if env_id not in GAMES:
        return None
    try:
        mechanism = make(env_id, traces.metadata.get("env_kwargs", {})).mechanism
    except (TypeError, ValueError):  # made by hand: its payoffs were never recorded
        return None
    if mechanism.action_counts != traces.action_counts:
        return None
    parameters = logit_learners(traces)
    return Truth(mechanism, None if parameters is None else LogitDynamics(**parameters))


def truth_from_payoffs(frame: pd.DataFrame, payoff: str, columns: Columns, traces: Traces) -> Truth:
    """The payoff table that realised payoffs show: their mean at each profile played, NaN at the others."""
    check_numbers(frame, payoff)
    if columns.agent is None or columns.other is not None:
        raise ValueError(f"column {payoff!r} cannot be compared with: it needs a row and a seat for every agent")
    rounds = [columns.episode, columns.round, *([] if columns.match is None else [columns.match])]
    wide = frame.pivot(index=rounds, columns=columns.agent, values=[columns.action, payoff])
    wide = wide.dropna()
    if wide.empty:
        raise ValueError(
            f"column {payoff!r}: no round has all agents' payoffs and actions, so there is nothing to compare with"
        )
    profiles = [
        wide[columns.action][agent].map({str(label): b for b, label in enumerate(labels)}).astype(int)
        for agent, labels in zip(traces.agents, traces.action_labels, strict=True)
    ]
    means = wide[payoff][list(traces.agents)].astype(float).groupby(profiles).mean()
    table = np.full((*traces.action_counts, traces.num_agents), np.nan)
    table[tuple(np.array(means.index.to_list()).T)] = means.to_numpy()
    mechanism = TabularMechanism(traces.action_counts)
    mechanism.table.data = torch.tensor(table)
    return Truth(mechanism)
