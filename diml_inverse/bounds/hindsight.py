"""What agents would have gained by a fixed action, under payoffs that somebody recovered, in words."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.bounds.form import affine_form
from diml_inverse.bounds.payoff_set import context_lines
from diml_inverse.bounds.regret import NothingToJudge, gains

MODEST = 0.1  # of an agent's largest payoff difference
ERRORS = 2.0  # standard errors by which a gain must exceed that


def hindsight(mechanism: Mechanism, traces: Traces) -> pd.DataFrame:
    """The best fixed action of each agent that chose: agent, action, gain, std_error, share.

    gain: payoff a round above what the play earned; below 0 where it did better than any fixed action. std_error: from
    the episodes, NaN of a single one. share: of the agent's largest payoff difference in one context.

    Raises:
        NothingToJudge: as `gains`.
    """
    known = copy.deepcopy(mechanism).requires_grad_(False)
    form = affine_form(known, traces)
    found = gains(form, traces, "episode")
    rows = []
    for agent in np.flatnonzero(found.decisions):
        own = found.agent == agent
        count = traces.action_counts[agent]
        by_episode = found.offset[own].reshape(-1, count)  # of each the part of the mean over all rounds
        best = int(by_episode.sum(0).argmax())
        episodes = len(by_episode)
        error = float(np.sqrt(episodes) * by_episode[:, best].std(ddof=1)) if episodes > 1 else np.nan
        lines, exists = context_lines(form, [int(agent)])
        payoffs = form.offset[lines]
        spread = (np.where(exists, payoffs, -np.inf).max(1) - np.where(exists, payoffs, np.inf).min(1)).max()
        gain = float(by_episode[:, best].sum())
        label = traces.action_labels[agent][best]
        rows.append((traces.agents[agent], label, gain, error, gain / spread if spread > 0 else 0.0))
    return pd.DataFrame(rows, columns=["agent", "action", "gain", "std_error", "share"])


def departures(mechanism: Mechanism, traces: Traces) -> tuple[str, ...]:
    """A sentence for each agent whose play a fixed action beats by more than a tenth of its largest payoff difference.

    Such payoffs lie outside `payoff_bounds` at that regret. That need not be wrong, if the agent chooses at random as
    much as the model says; but nothing else speaks for these payoffs then. Where no choice can be judged one sentence
    says so.
    """
    try:
        table = hindsight(mechanism, traces)
    except NothingToJudge as nothing:
        return (f"Against fixed actions {nothing}.",)
    error = (table["std_error"].fillna(0.0) / table["gain"].where(table["gain"] > 0)) * table["share"]
    told = table[table["share"] - ERRORS * error > MODEST]
    return tuple(
        f"{row.agent} would have gained {row.share:.0%} of its largest payoff difference a round by always playing "
        f"{row.action}: if these are its payoffs, it chose badly."
        for row in told.itertuples(index=False)
    )
