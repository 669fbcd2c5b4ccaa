"""Epsilon-greedy bandit learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.choice_rules import FloatArray, chosen, epsilon_greedy
from agents.learner import Learner
from agents.parameters import check_parameters
from diml_envs.players import Feedback


class Averages(NamedTuple):
    """attractions: mean payoff of each own action so far; counts: how often it was taken. Both [*B, A]."""

    attractions: FloatArray
    counts: FloatArray


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
        return Averages(np.zeros((*batch_shape, num_actions)), np.zeros((*batch_shape, num_actions)))

    def choice_probs(self, state: Averages, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return epsilon_greedy(state.attractions, self.exploration)

    def update(self, state: Averages, feedback: Feedback) -> Averages:
        """Move the attraction of the action taken towards its payoff."""
        taken = chosen(feedback.actions, state.counts.shape[-1])
        counts = state.counts + taken
        step = 1 / np.maximum(counts, 1) if self.learning_rate is None else self.learning_rate
        surprise = feedback.payoffs[..., None] - state.attractions
        return Averages(state.attractions + taken * step * surprise, counts)
