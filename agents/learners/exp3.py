"""EXP3: exponential weights for bandits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class EXP3(Learner[FloatArray]):
    """Exponential weights on cumulative payoffs, each payoff divided by the probability of having seen it.

        A(0) = 0;  for the action taken alone:  A(t+1) = A(t) + learning_rate payoff(t) / probs(t)
        probs(t) = (1 - exploration) softmax(A(t)) + exploration / number of actions

    Payoffs are taken as they are. The source has payoffs in [0, 1] and learning_rate = exploration / number of actions,
    which keeps a round from moving A by more than 1; with an exploration of 0 nothing does.
    Auer, Cesa-Bianchi, Freund & Schapire (2002), The nonstochastic multiarmed bandit problem.

    Raises:
        ValueError: learning_rate outside (0, 1], exploration outside [0, 1).
    """

    learning_rate: float = 0.05
    exploration: float = 0.1

    def __post_init__(self) -> None:
        check_parameters(self, "learning_rate", "exploration")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> FloatArray:
        """Logarithms of the weights, [*B, A]."""
        return np.zeros((*batch_shape, num_actions))

    def choice_probs(self, state: FloatArray, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state, 1.0, self.exploration)

    def update(self, state: FloatArray, feedback: Feedback) -> FloatArray:
        """Add the estimate of the payoff of the action taken."""
        probs = np.take_along_axis(self.choice_probs(state, None), feedback.actions[..., None], -1)
        estimate = feedback.payoffs[..., None] / probs
        return state + chosen(feedback.actions, state.shape[-1]) * (self.learning_rate * estimate)
