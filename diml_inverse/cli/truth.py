"""The true mechanism behind some play, where it is known. For comparison after a fit; no fit sees it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms import Mechanism, TabularMechanism
from diml_envs.traces import Traces
from diml_envs.traces.columns import Columns as FrameColumns
from diml_envs.traces.columns import both_sides, own_rows
from diml_inverse.cli.candidates import logit_learners
from diml_inverse.cli.games import GAMES, make
from diml_inverse.cli.plays import Columns, check_numbers, source_labels, sources_of
from diml_inverse.dynamics import Dynamics, LogitDynamics


class Truth(NamedTuple):
    """dynamics: None if the learners were others than logit-Q, or people. unpaid: agents of whom no payoff is known."""

    mechanism: Mechanism
    dynamics: Dynamics | None = None
    unpaid: tuple[str, ...] = ()


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
    """The payoff table that realised payoffs show: their mean at each profile played, NaN at the others.

    Of agents without a payoff all is NaN. Only rows of these episodes count: other groups may be paid otherwise.

    Raises:
        ValueError: nobody has a payoff in a round in which all actions are known.
    """
    check_numbers(frame, payoff)
    here = frame[source_labels(frame, columns).isin([str(label) for label in sources_of(traces, columns)])]
    wide = _rounds(here, payoff, columns)
    played = wide[columns.action][list(traces.agents)].dropna()
    table = np.full((math.prod(traces.action_counts), traces.num_agents), np.nan)
    for i, agent in enumerate(traces.agents):
        earned = wide[payoff][agent].loc[played.index].dropna().astype(float)
        means = earned.groupby(_profiles(played.loc[earned.index], traces)).mean()
        table[means.index.to_numpy(np.int64), i] = means.to_numpy()
    unpaid = tuple(agent for agent, own in zip(traces.agents, table.T, strict=True) if np.isnan(own).all())
    if len(unpaid) == traces.num_agents:
        raise ValueError(f"column {payoff!r}: no round has all agents' actions and a payoff: nothing to compare with")
    mechanism = TabularMechanism(traces.action_counts)
    mechanism.table.data = torch.tensor(table.reshape(*traces.action_counts, traces.num_agents))
    return Truth(mechanism, unpaid=unpaid)


def _rounds(frame: pd.DataFrame, payoff: str, columns: Columns) -> pd.DataFrame:
    """A row for each round of a group, columns (action or payoff, agent)."""
    named: Any = columns[: len(FrameColumns._fields)]
    found = FrameColumns(*named).found_in(frame)
    keys = [found.episode, found.round, *([] if found.match is None else [found.match])]
    if found.other is not None:
        keys.append(str(found.person))
        frame, found = both_sides(frame, found)
        frame = frame.assign(**{payoff: frame[payoff].where(own_rows(frame))})  # the other's is not in the row
    elif found.agent is None:
        raise ValueError(f"column {payoff!r} cannot be compared with: seats mean nothing here, so nobody has a table")
    return frame.pivot(index=keys, columns=found.agent, values=[found.action, payoff])


def _profiles(played: pd.DataFrame, traces: Traces) -> NDArray[np.int64]:
    """The number of each round's profile among all, from its labels as text."""
    number = np.zeros(len(played), np.int64)
    for agent, labels in zip(traces.agents, traces.action_labels, strict=True):
        own = played[agent].map({str(label): b for b, label in enumerate(labels)})
        number = number * len(labels) + own.to_numpy(np.int64)
    return number
