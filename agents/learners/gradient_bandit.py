"""Gradient bandit: stochastic gradient ascent on preferences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


class Preferences(NamedTuple):
    """preferences: [*B, A]; baseline: mean of the own payoffs so far, [*B]; num_rounds: how many they are, [*B]."""

    preferences: FloatArray
    baseline: FloatArray
    num_rounds: FloatArray


@dataclass(frozen=True)
class GradientBandit(Learner[Preferences]):
    """Makes an action likelier when it pays more than usual, and less likely when it pays less.

        H(0) = 0,    H_j(t+1) = H_j(t) + learning_rate (payoff(t) - baseline(t)) (1{j taken} - probs_j(t))
        probs(t) = softmax(H(t))

    with baseline(t) the mean of the own payoffs before round t (in round 0 the payoff itself, so nothing moves).
    Williams (1992), Simple statistical gradient-following algorithms for connectionist reinforcement learning;
    Sutton & Barto (2018), Reinforcement Learning, section 2.8.

    Raises:
        ValueError: learning_rate outside (0, 1].
    """

    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        check_parameters(self, "learning_rate")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Preferences:
        """No preferences."""
        return Preferences(np.zeros((*batch_shape, num_actions)), np.zeros(batch_shape), np.zeros(batch_shape))

    def choice_probs(self, state: Preferences, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state.preferences, 1.0)

    def update(self, state: Preferences, feedback: Feedback) -> Preferences:
        """One step uphill, then average the payoff into the baseline."""
        surprise = np.where(state.num_rounds > 0, feedback.payoffs - state.baseline, 0.0)
        gradient = chosen(feedback.actions, state.preferences.shape[-1]) - self.choice_probs(state, None)
        num_rounds = state.num_rounds + 1
        return Preferences(
            state.preferences + self.learning_rate * surprise[..., None] * gradient,
            state.baseline + (feedback.payoffs - state.baseline) / num_rounds,
            num_rounds,
        )
