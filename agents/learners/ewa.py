"""Experience-weighted attraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray, chosen, logit_response
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


class Experience(NamedTuple):
    """attractions: [*B, A]; weight: how many rounds' worth of experience they rest on, [*B, 1]."""

    attractions: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class EWA(Learner[Experience]):
    """Experience-weighted attraction: between reinforcement of what was done and belief about what could have been.

        N(0) = initial_experience,    N(t+1) = (1 - learning_rate) (1 - cumulation) N(t) + 1
        A(0) = 0,    A(t+1) = ((1 - learning_rate) N(t) A(t) + w(t) u(t)) / N(t+1)
        w_j(t) = 1 for the action taken, forgone_weight for the others
        probs(t) = (1 - exploration) softmax(precision A(t)) + exploration / number of actions

    In the source's letters: phi = 1 - learning_rate, delta = forgone_weight, kappa = cumulation, lambda = precision.
    Cumulation 0 averages payoffs, 1 adds them up. A learning_rate of 0 forgets nothing. With all payoffs weighed alike
    (forgone_weight = 1), `LogitQ` has cumulation = 0 and initial_experience = 1 / learning_rate; forgetting nothing,
    `FictitiousPlay` has cumulation = 0, and `Hedge` cumulation = 1 and initial_experience = 1.
    Camerer & Ho (1999), Experience-weighted attraction learning in normal form games.

    Raises:
        ValueError: learning_rate, forgone_weight or cumulation outside [0, 1], precision or initial_experience negative
            or infinite, exploration outside [0, 1).
    """

    learning_rate: float = 0.1
    forgone_weight: float = 0.5
    cumulation: float = 0.0
    precision: float = 3.0
    exploration: float = 0.0
    initial_experience: float = 1.0
    feedback = "full"

    def __post_init__(self) -> None:
        check_parameters(self, "precision", "exploration", "initial_experience")
        check_parameters(self, learning_rate="share", forgone_weight="share", cumulation="share")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Experience:
        """Attractions of 0."""
        return Experience(np.zeros((*batch_shape, num_actions)), np.full((*batch_shape, 1), self.initial_experience))

    def choice_probs(self, state: Experience, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return logit_response(state.attractions, self.precision, self.exploration)

    def update(self, state: Experience, feedback: Feedback) -> Experience:
        """Weigh the counterfactual payoffs, and average them in or add them up."""
        assert feedback.counterfactual_payoffs is not None
        kept = (1 - self.learning_rate) * state.weight
        weight = (1 - self.cumulation) * kept + 1
        taken = chosen(feedback.actions, state.attractions.shape[-1])
        weighed = np.where(taken, 1.0, self.forgone_weight) * feedback.counterfactual_payoffs
        return Experience((kept * state.attractions + weighed) / weight, weight)
