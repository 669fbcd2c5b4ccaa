"""Logit-Q: the learners of the DIML paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class LogitQ(Learner[FloatArray]):
    """Recency-weighted averages of all counterfactual payoffs, chosen from by logit with uniform mixing.

        A(0) = 0,    A(t+1) = (1 - learning_rate) A(t) + learning_rate u(t)
        probs(t) = (1 - exploration) softmax(precision A(t)) + exploration / number of actions

    with u(t) the payoffs of all own actions against what the others did in round t. With feedback="own" they are not
    known, and only the action taken moves, by its payoff.
    An & Du, arXiv 2601.17678, with their values for small games as defaults.

    Raises:
        ValueError: learning_rate outside (0, 1], precision negative or infinite, exploration outside [0, 1), or
            feedback neither "full" nor "own".
    """

    learning_rate: float = 0.25
    precision: float = 3.0
    exploration: float = 0.06
    feedback: Literal["full", "own"] = "full"

    def __post_init__(self) -> None:
        check_parameters(self, "learning_rate", "precision", "exploration")
        if self.feedback not in ("full", "own"):
            raise ValueError(f"LogitQ: feedback must be 'full' or 'own'; got {self.feedback!r}")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> FloatArray:
        """Attractions, [*B, A]."""
        return np.zeros((*batch_shape, num_actions))

    def choice_probs(self, state: FloatArray, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state, self.precision, self.exploration)

    def update(self, state: FloatArray, feedback: Feedback) -> FloatArray:
        """Move all attractions towards the counterfactual payoffs, or that of the action taken towards its payoff."""
        if self.feedback == "own":
            taken = chosen(feedback.actions, state.shape[-1])
            return state + taken * (self.learning_rate * (feedback.payoffs[..., None] - state))
        assert feedback.counterfactual_payoffs is not None
        return (1 - self.learning_rate) * state + self.learning_rate * feedback.counterfactual_payoffs
