"""What an observer sees less of: actions, agents, or play under one mechanism only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms import MISSING, Mechanism, TabularMechanism
from diml_envs.mechanisms.tabular import payoff_table
from diml_envs.traces import Traces


class Recorded(NamedTuple):
    """Play, and what its choices were drawn with, [E, T, N, A]."""

    traces: Traces
    choice_probs: NDArray[np.float64]


def before_the_change(former: Recorded, later: Recorded, episodes: int) -> Recorded:
    """The first episodes of `former` in place of those of `later`."""
    probs = np.concatenate([former.choice_probs[:episodes], later.choice_probs[episodes:]])
    return Recorded(former.traces[:episodes] + later.traces[episodes:], probs)


def with_gaps(recorded: Recorded, share: float, seed: int) -> Recorded:
    """Each action with probability `share` not observed."""
    traces = recorded.traces
    lost = np.random.default_rng(seed).random(traces.actions.shape) < share
    return Recorded(_like(traces, np.where(lost, MISSING, traces.actions)), recorded.choice_probs)


def without_agents(truth: Mechanism, recorded: Recorded, hidden: Sequence[int]) -> tuple[Mechanism, Recorded]:
    """The play of the others; and what they play for, averaged over what the hidden agents did in this play.

    Enumerates the game, so it must be small. Actions [E, T, N] -> [E, T, N - hidden].
    """
    traces = recorded.traces
    seen = [agent for agent in range(traces.num_agents) if agent not in hidden]
    others = Traces(
        traces.actions[..., seen],
        traces.lengths,
        [traces.agents[agent] for agent in seen],
        [traces.action_labels[agent] for agent in seen],
        traces.episodes,
        traces.metadata,
    )
    return _averaged(truth, traces, seen, hidden), Recorded(others, recorded.choice_probs[..., seen, :])


def _averaged(truth: Mechanism, traces: Traces, seen: Sequence[int], hidden: Sequence[int]) -> TabularMechanism:
    counts = truth.action_counts
    with torch.no_grad():
        payoffs = payoff_table(truth).double().numpy()
    for agent in sorted(hidden, reverse=True):  # from the last axis on, so that the others keep their places
        played = traces.actions[..., agent]
        shares = np.bincount(played[played != MISSING], minlength=counts[agent])
        payoffs = np.average(payoffs, axis=agent, weights=shares)
    return TabularMechanism.from_payoffs(payoffs[..., seen])


def _like(traces: Traces, actions: NDArray[np.int64]) -> Traces:
    return Traces(actions, traces.lengths, traces.agents, traces.action_labels, traces.episodes, traces.metadata)
