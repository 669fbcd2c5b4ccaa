"""Smooth fictitious play."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.learners.ewa import Experience
from agents.parts.choice_rules import FloatArray, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class FictitiousPlay(Learner[Experience]):
    """Responds by logit to how often the others have played each joint action so far.

        N(0) = initial_experience,    N(t+1) = N(t) + 1
        A(0) = 0,    A(t+1) = (N(t) A(t) + u(t)) / N(t+1),    probs(t) = softmax(precision A(t))

    A(t) is the expected payoff against those frequencies, which is the mean of past counterfactual payoffs, together
    with `initial_experience` rounds that paid 0.
    Fudenberg & Levine (1998), The Theory of Learning in Games, chapter 4.

    Raises:
        ValueError: precision or initial_experience negative or infinite.
    """

    precision: float = 3.0
    initial_experience: float = 1.0
    feedback = "full"

    def __post_init__(self) -> None:
        check_parameters(self, "precision", "initial_experience")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Experience:
        """Attractions of 0."""
        return Experience(np.zeros((*batch_shape, num_actions)), np.full((*batch_shape, 1), self.initial_experience))

    def choice_probs(self, state: Experience, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state.attractions, self.precision)

    def update(self, state: Experience, feedback: Feedback) -> Experience:
        """Average the counterfactual payoffs in."""
        assert feedback.counterfactual_payoffs is not None
        weight = state.weight + 1
        return Experience((state.weight * state.attractions + feedback.counterfactual_payoffs) / weight, weight)
