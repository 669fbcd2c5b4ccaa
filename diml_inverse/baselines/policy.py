"""`ClonedPolicy`: choices predicted from recent play alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import MISSING
from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.traces import Label, Traces
from diml_inverse import metrics
from diml_inverse.baselines.networks import ChoiceNetwork
from diml_inverse.prediction.simulation import draw_actions

DECISIONS_AT_ONCE = 8192  # bounds the memory that a crowd needs


@dataclass(frozen=True)
class ClonedPolicy:
    """What `BehaviouralCloning` found: a `Predictor` without a mechanism.

    Attributes:
        network: recent play -> log choice probabilities.
        memory: rounds of recent play that it reads.
        history: a row for each epoch.
        agents, action_labels: those of the traces it was fitted to.
        info: JSON values: estimator, settings, seed.
    """

    network: ChoiceNetwork
    memory: int
    history: pd.DataFrame
    agents: tuple[str, ...]
    action_labels: tuple[tuple[Label, ...], ...]
    info: Mapping[str, Any] = field(default_factory=dict)

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """Predicted choice probabilities along the play, given the rounds before. [E, T, N, A]; 0 for no action.

        Raises:
            ValueError: traces of other action counts than those it was fitted to.
        """
        check_action_counts(tuple(map(len, self.action_labels)), traces)
        recent = windows(torch.tensor(traces.actions), self.memory)
        with torch.no_grad():
            parts = recent.flatten(0, 1).split(max(1, DECISIONS_AT_ONCE // traces.num_agents))
            probs = torch.cat([self.network(part).double().exp() for part in parts])
        return probs.unflatten(0, traces.actions.shape[:2]).numpy()

    def log_likelihood(self, traces: Traces) -> float:
        """Mean nats per observed decision of rounds 1..T-1, like `diml_inverse.log_likelihood`.

        All of them: an action that was not observed earlier reads as none, where payoffs would be undetermined.
        """
        return metrics.log_likelihood_by_episode(self.choice_probs(traces), traces).value

    def accuracy(self, traces: Traces) -> float:
        """Share of decisions in which the action predicted as most probable was taken; see `metrics.accuracy`."""
        return metrics.accuracy(self.choice_probs(traces), traces)

    def simulate(self, num_episodes: int = 200, num_rounds: int = 35, seed: int = 0) -> Traces:
        """Play drawn from the policy, each round given those before it; the same seed gives the same play.

        The prediction under changed learners too: a policy knows of no learners that could change.
        """
        generator = seeded_generator(seed, "cloned play")
        actions = torch.full((num_episodes, num_rounds, len(self.agents)), MISSING)
        for round_ in range(num_rounds):
            recent = windows(actions[:, max(0, round_ - self.memory) : round_ + 1], self.memory)[:, -1]
            with torch.no_grad():
                actions[:, round_] = draw_actions(self.network(recent).double().exp(), generator)
        return Traces(actions.numpy(), agents=self.agents, action_labels=self.action_labels)


def check_action_counts(counts: tuple[int, ...], traces: Traces) -> None:
    """Raise ValueError unless a policy of agents with these action counts can predict the traces."""
    if traces.action_counts != counts:
        raise ValueError(f"the policy is of agents with action counts {counts}, the traces {traces.action_counts}")


def windows(actions: Tensor, memory: int) -> Tensor:
    """The `memory` rounds before each, int64 [E, T, N] -> [E, T, memory, N]; `MISSING` before the start."""
    before = torch.nn.functional.pad(actions, (0, 0, memory, 0), value=MISSING)[:, :-1]
    return before.unfold(1, memory, 1).transpose(-1, -2)
