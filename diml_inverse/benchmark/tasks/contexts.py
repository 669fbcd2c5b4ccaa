"""The contexts that a task asks for payoff differences in, as rows of a table and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms import Mechanism
from diml_envs.traces import Label, Traces
from diml_envs.traces.labels import play_in_words

MOST_NAMES = 20_000_000  # of agents in column `others`: more would fill a disk

Key = tuple[int, bytes]  # an agent and what the others did


def asked_contexts(test: Traces) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each agent with the distinct profiles of the rounds seen whole, [K, N], its own action 0."""
    whole = test.actions[test.observed.all(-1)]
    for agent in range(test.num_agents):
        others = whole.copy()
        others[:, agent] = 0
        yield agent, np.unique(others, axis=0)


def too_many(test: Traces) -> bool:
    """Whether a table of the contexts would hold more than `MOST_NAMES` names of agents."""
    rows = int(test.observed.all(-1).sum()) * test.num_agents
    return rows * max(test.action_counts) * test.num_agents > MOST_NAMES


def contexts_table(test: Traces, truth: Mechanism | None = None) -> pd.DataFrame:
    """Columns agent, others (`student=honest;...`, in the order of the agents) and action; a row for each asked.

    truth: fills a column payoff_difference, the payoff less its mean over the agent's actions.
    """
    parts = []
    for agent, profiles in asked_contexts(test):
        labels = test.action_labels[agent]
        others = [others_text(test, agent, profile) for profile in profiles]
        part = pd.DataFrame(
            {
                "agent": test.agents[agent],
                "others": np.repeat(np.array(others, object), len(labels)),
                "action": [label for _ in others for label in labels],
            }
        )
        if truth is not None:
            with torch.no_grad():
                payoffs = truth.counterfactual_payoffs(torch.tensor(profiles))[:, agent, : len(labels)].double()
            part["payoff_difference"] = (payoffs - payoffs.mean(1, keepdim=True)).flatten().numpy()
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def others_text(traces: Traces, agent: int, profile: NDArray[np.int64]) -> str:
    """What the others did, as in `payoff_differences.csv` of a fit."""
    return play_in_words(traces.agents, traces.action_labels, profile, agent)


def action_texts(labels: tuple[Label, ...]) -> dict[str, int]:
    """Number of each action by its label as text."""
    return {str(label): number for number, label in enumerate(labels)}


class GivenDifferences(Mechanism):
    """Payoffs known in some contexts only, up to the mean over own actions.

    Args:
        action_counts: of each agent.
        known: differences [A] by agent and others' actions, as `context_key` makes them.
    """

    def __init__(self, action_counts: tuple[int, ...], known: Mapping[Key, NDArray[np.float64]]) -> None:
        super().__init__(action_counts)
        self.known = known

    def counterfactual_payoffs(self, actions: Tensor) -> Tensor:
        """Differences for payoffs, [*B, N] -> [*B, N, A]; raises KeyError in a context that is not known."""
        self.validate(actions)
        flat = actions.reshape(-1, self.num_agents).numpy()
        rows = [self.known[context_key(agent, profile)] for profile in flat for agent in range(self.num_agents)]
        return torch.tensor(np.array(rows)).reshape(*actions.shape, self.num_actions)


def context_key(agent: int, profile: NDArray[np.int64]) -> Key:
    """Of an agent in a profile, whatever its own action there."""
    others = np.array(profile, dtype=np.int64)
    others[agent] = 0
    return agent, others.tobytes()
