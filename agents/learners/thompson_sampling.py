"""Thompson sampling with normal beliefs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from agents.parts.averages import Averages, averaged, nothing_taken
from agents.parts.choice_rules import FloatArray
from agents.parts.largest_draw import largest_draw_probs
from agents.parts.learner import Learner
from agents.parts.parameters import check_parameters
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class ThompsonSampling(Learner[Averages]):
    """Draws what each action might pay from its belief about it, and takes the one with the highest draw.

        belief about j:  normal, with variance v_j = 1 / (1 / prior_sd^2 + n_j / payoff_sd^2)
                         and mean v_j n_j (mean payoff of j so far) / payoff_sd^2

    with n_j how often j was taken: the posterior, if an action's payoffs are normal around their mean with standard
    deviation `payoff_sd` and that mean is normal around 0 with `prior_sd`. Choice probabilities are integrals, right to
    about 1e-6.
    Thompson (1933), On the likelihood that one unknown probability exceeds another in view of the evidence of two
    samples; Agrawal & Goyal (2013), Further optimal regret bounds for Thompson sampling.

    Raises:
        ValueError: prior_sd or payoff_sd not above 0 or infinite.
    """

    prior_sd: float = 1.0
    payoff_sd: float = 1.0

    def __post_init__(self) -> None:
        check_parameters(self, "prior_sd", "payoff_sd")

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> Averages:
        """Nothing taken yet."""
        return nothing_taken(batch_shape, num_actions)

    def choice_probs(self, state: Averages, observation: NDArray[np.float32] | None) -> FloatArray:
        """Probability that each action's draw is the highest, [*B, A]."""
        return largest_draw_probs(*self.beliefs(state))

    def uniforms_per_decision(self, num_actions: int) -> int:
        """One draw for each action."""
        return num_actions

    def decide(
        self, state: Averages, observation: NDArray[np.float32] | None, uniforms: FloatArray
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Actions int64 [*B] with the highest draws, and the probabilities [*B, A] of having the highest."""
        means, deviations = self.beliefs(state)
        return (means + deviations * ndtri(uniforms)).argmax(-1), largest_draw_probs(means, deviations)

    def update(self, state: Averages, feedback: Feedback) -> Averages:
        """Count the action taken and average its payoff in."""
        return averaged(state, feedback)

    def beliefs(self, state: Averages) -> tuple[FloatArray, FloatArray]:
        """Means and standard deviations of the beliefs about each action's mean payoff, both [*B, A]."""
        evidence = state.counts * (self.prior_sd / self.payoff_sd) ** 2
        return evidence / (1 + evidence) * state.attractions, self.prior_sd / np.sqrt(1 + evidence)
