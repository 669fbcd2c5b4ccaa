"""Softmax, or Boltzmann, bandit learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.averages import Averages, averaged, nothing_taken
from agents.parts.choice_rules import FloatArray, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class Softmax(Learner[Averages]):
    """Takes actions the more often the better they have paid so far, by logit.

        A(0) = 0;  for the action taken alone:  A(t+1) = A(t) + step (payoff(t) - A(t))
        probs(t) = (1 - exploration) softmax(precision A(t)) + exploration / number of actions

    with step = 1 / times taken (sample averages), or the constant `learning_rate` if given (`LogitQ` from own payoffs).
    Sutton & Barto (1998), Reinforcement Learning, section 2.3; Luce (1959), Individual Choice Behavior.

    Raises:
        ValueError: precision negative or infinite, exploration outside [0, 1), learning_rate outside (0, 1].
    """

    precision: float = 3.0
    exploration: float = 0.0
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        optional = [] if self.learning_rate is None else ["learning_rate"]
        check_parameters(self, "precision", "exploration", *optional)

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Averages:
        """Nothing taken yet."""
        return nothing_taken(batch_shape, num_actions)

    def choice_probs(self, state: Averages, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state.attractions, self.precision, self.exploration)

    def update(self, state: Averages, feedback: Feedback) -> Averages:
        """Move the attraction of the action taken towards its payoff."""
        return averaged(state, feedback, self.learning_rate)
