"""Regret matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class RegretMatching(Learner[FloatArray]):
    """Takes actions in proportion to the regret for not always having taken them.

        R(0) = 0,    R(t+1) = R(t) + u(t) - payoff(t)
        probs(t) = (1 - exploration) max(R(t), 0) / sum max(R(t), 0) + exploration / number of actions

    evenly where no regret is positive. This is the unconditional kind, against all past play and not against each
    action swapped for another.
    Hart & Mas-Colell (2000), A simple adaptive procedure leading to correlated equilibrium.

    Raises:
        ValueError: exploration outside [0, 1).
    """

    exploration: float = 0.0
    feedback = "full"

    def __post_init__(self) -> None:
        check_parameters(self, "exploration")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> FloatArray:
        """Regrets, [*B, A]."""
        return np.zeros((*batch_shape, num_actions))

    def choice_probs(self, state: FloatArray, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        best = state.max(-1, keepdims=True)
        # in units of the largest, so that no sum of regrets overflows
        positive = np.where(best > 0, np.maximum(state, 0) / np.where(best > 0, best, 1), 1.0)
        matched = positive / positive.cumsum(-1)[..., -1:]
        return (1 - self.exploration) * matched + self.exploration / state.shape[-1]

    def update(self, state: FloatArray, feedback: Feedback) -> FloatArray:
        """Add what each action would have earned beyond what was earned."""
        assert feedback.counterfactual_payoffs is not None
        # the difference first: the action taken then has exactly no regret
        return state + (feedback.counterfactual_payoffs - feedback.payoffs[..., None])
