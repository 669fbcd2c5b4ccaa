"""Hedge, or exponential weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class Hedge(Learner[FloatArray]):
    """Exponential weights on cumulative counterfactual payoffs, which are never forgotten.

        A(0) = 0,    A(t+1) = A(t) + u(t),    probs(t) = softmax(precision A(t))

    `precision` is what the literature calls the learning rate (eta); it works on payoffs as they are.
    Freund & Schapire (1997), A decision-theoretic generalization of on-line learning.

    Raises:
        ValueError: precision negative or infinite.
    """

    precision: float = 0.3
    feedback = "full"

    def __post_init__(self) -> None:
        check_parameters(self, "precision")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> FloatArray:
        """Attractions, [*B, A]."""
        return np.zeros((*batch_shape, num_actions))

    def choice_probs(self, state: FloatArray, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state, self.precision)

    def update(self, state: FloatArray, feedback: Feedback) -> FloatArray:
        """Add the counterfactual payoffs."""
        assert feedback.counterfactual_payoffs is not None
        return state + feedback.counterfactual_payoffs
