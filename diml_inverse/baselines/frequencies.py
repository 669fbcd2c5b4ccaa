"""`ChoiceFrequencies`: how often each agent chose each action, whatever happened or after each recent play."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.traces import Label, Traces
from diml_inverse import metrics
from diml_inverse.baselines.policy import check_action_counts, windows

MOST_SITUATIONS = 2**16
PRIOR_CHOICES = 0.5  # of each action: nothing is impossible because it was not seen (Krichevsky & Trofimov 1981)


class ChoiceFrequencies:
    """The maximum-likelihood logit model with one constant for each agent and each recent play.

    memory 0 is the static logit model: choice probabilities that never change. memory 1 lets them depend on the joint
    profile of the round before. Choices of rounds 1..T-1 are counted, those that are scored.

    Args:
        memory: rounds that a prediction looks back.

    Raises:
        ValueError: a negative memory.
    """

    def __init__(self, memory: int = 0) -> None:
        if memory < 0:
            raise ValueError(f"memory must be at least 0; got {memory}")
        self.memory = memory

    def fit(self, traces: Traces) -> FrequencyPolicy:
        """Count.

        Raises:
            ValueError: too many joint profiles to count after each.
        """
        radices = _radices(traces.action_counts, self.memory)
        num_agents, num_actions = traces.num_agents, max(traces.action_counts)
        exists = np.arange(num_actions) < np.array(traces.action_counts)[:, None]
        counts = np.broadcast_to(PRIOR_CHOICES * exists, (int(radices.prod()), num_agents, num_actions)).copy()
        episode, round_, agent = np.nonzero(metrics.scored_decisions(traces))
        situation = _situations(traces, self.memory, radices)[episode, round_]
        np.add.at(counts, (situation, agent, traces.actions[episode, round_, agent]), 1)
        info = {"estimator": type(self).__name__, "memory": self.memory}
        probs = counts / counts.sum(-1, keepdims=True)
        return FrequencyPolicy(probs, self.memory, traces.agents, traces.action_labels, info)


@dataclass(frozen=True)
class FrequencyPolicy:
    """What `ChoiceFrequencies` found: a `Predictor` without a mechanism.

    Attributes:
        probs: [situations, N, A].
        memory: rounds of recent play that make a situation.
        agents, action_labels: those of the traces it was fitted to.
        info: JSON values: estimator, settings.
    """

    probs: NDArray[np.float64]
    memory: int
    agents: tuple[str, ...]
    action_labels: tuple[tuple[Label, ...], ...]
    info: Mapping[str, Any] = field(default_factory=dict)

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """Predicted choice probabilities along the play, given the rounds before. [E, T, N, A]; 0 for no action.

        Raises:
            ValueError: traces of other action counts than those it was fitted to.
        """
        counts = tuple(map(len, self.action_labels))
        check_action_counts(counts, traces)
        return self.probs[_situations(traces, self.memory, _radices(counts, self.memory))]

    def log_likelihood(self, traces: Traces) -> float:
        """Mean nats per observed decision of rounds 1..T-1, like `diml_inverse.log_likelihood`."""
        return metrics.log_likelihood_by_episode(self.choice_probs(traces), traces).value


def _radices(action_counts: tuple[int, ...], memory: int) -> NDArray[np.int64]:
    """How many values each remembered action takes, "none" among them, [memory N]."""
    radices = np.tile(np.array(action_counts) + 1, memory)
    if float(np.log2(radices).sum()) > np.log2(MOST_SITUATIONS):
        raise ValueError(
            f"{memory} rounds of agents with action counts {action_counts} make more than {MOST_SITUATIONS} "
            "situations to count after; use BehaviouralCloning"
        )
    return radices


def _situations(traces: Traces, memory: int, radices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the recent play before each round, [E, T]."""
    if memory == 0:
        return np.zeros(traces.actions.shape[:2], np.int64)
    recent = windows(torch.tensor(traces.actions), memory).flatten(2).numpy() + 1
    weights = np.concatenate([radices[1:][::-1].cumprod()[::-1], [1]])
    situations: NDArray[np.int64] = recent @ weights
    return situations
