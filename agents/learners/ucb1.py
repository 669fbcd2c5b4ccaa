"""UCB1: optimism about what has been tried little."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.averages import Averages, averaged, nothing_taken
from agents.parts.choice_rules import FloatArray, epsilon_greedy
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class UCB1(Learner[Averages]):
    """Takes the action with the highest upper confidence bound on its mean payoff, ties evenly.

        bound_j(t) = mean payoff of j so far + bonus sqrt(ln t / n_j),    infinite where n_j = 0

    with n_j how often j was taken and t the rounds played, so untried actions come first, in random order.
    Payoffs are taken as they are; the regret bound of the source, with its bonus of sqrt(2), is for payoffs in [0, 1].
    Auer, Cesa-Bianchi & Fischer (2002), Finite-time analysis of the multiarmed bandit problem.

    Raises:
        ValueError: bonus negative or infinite.
    """

    bonus: float = math.sqrt(2)

    def __post_init__(self) -> None:
        check_parameters(self, "bonus")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Averages:
        """Nothing taken yet."""
        return nothing_taken(batch_shape, num_actions)

    def choice_probs(self, state: Averages, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        num_rounds = state.counts.cumsum(-1)[..., -1:]
        width = np.sqrt(np.log(np.maximum(num_rounds, 1)) / np.maximum(state.counts, 1))
        bounds = np.where(state.counts > 0, state.attractions + self.bonus * width, np.inf)
        return epsilon_greedy(bounds, exploration=0.0)

    def update(self, state: Averages, feedback: Feedback) -> Averages:
        """Count the action taken and average its payoff in."""
        return averaged(state, feedback)
