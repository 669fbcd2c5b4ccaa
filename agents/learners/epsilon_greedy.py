"""Epsilon-greedy bandit learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.averages import Averages, averaged, nothing_taken
from agents.parts.choice_rules import FloatArray, epsilon_greedy
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class EpsilonGreedy(Learner[Averages]):
    """Takes the action that has paid best so far (ties evenly), or with probability `exploration` any action.

        A(0) = 0;  for the action taken alone:  A(t+1) = A(t) + step (payoff(t) - A(t))

    with step = 1 / times taken (sample averages), or the constant `learning_rate` if given.
    Sutton & Barto (2018), Reinforcement Learning, section 2.4.

    Raises:
        ValueError: exploration outside [0, 1), learning_rate outside (0, 1].
    """

    exploration: float = 0.1
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        check_parameters(self, "exploration", *([] if self.learning_rate is None else ["learning_rate"]))

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Averages:
        """Nothing taken yet."""
        return nothing_taken(batch_shape, num_actions)

    def choice_probs(self, state: Averages, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return epsilon_greedy(state.attractions, self.exploration)

    def update(self, state: Averages, feedback: Feedback) -> Averages:
        """Move the attraction of the action taken towards its payoff."""
        return averaged(state, feedback, self.learning_rate)
