"""Multinomial logit of an agent's choices on mixtures of what it faced, one payoff for each mixed thing and action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from diml_inverse.baselines.last_profile import FloatArray

NEXT_TO_NOTHING = 1e-3  # ridge that makes a payoff unique and no more
RIDGES = (1e6, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)  # tried, from the strongest
FOLDS = 5


class Regression(NamedTuple):
    """Payoffs u [S, A] in `chosen ~ softmax(mixtures u)`, in coordinates in which they are penalised.

    basis: orthonormal rows [R, S]; the first is the mean mixture, whose payoffs hardly are penalised. Payoffs that no
        mixture shows, outside the span of the rows, are zero.
    inputs: the mixtures in these coordinates, [E, R].
    chosen: how often each action was chosen, [E, A].
    """

    basis: FloatArray
    inputs: FloatArray
    chosen: FloatArray

    @classmethod
    def of(cls, mixtures: FloatArray, chosen: FloatArray) -> Regression:
        """mixtures [E, S], chosen [E, A], some of them."""
        mean = chosen.sum(1) @ mixtures
        mean /= np.linalg.norm(mean)
        departures = mixtures - np.outer(mixtures @ mean, mean)
        sizes, rows = np.linalg.svd(departures, full_matrices=False)[1:]
        basis = np.vstack([mean, rows[sizes > 1e-8 * np.linalg.norm(mixtures)]])
        return cls(basis, mixtures @ basis.T, chosen)

    def weights(self, ridge: float, episodes: NDArray[np.bool_]) -> tuple[FloatArray, int]:
        """Most likely coordinates [R, A] on these episodes, with ridge / 2 times their square; and the iterations."""
        inputs, chosen = self.inputs[episodes], self.chosen[episodes]
        totals, shape = chosen.sum(1, keepdims=True), (len(self.basis), chosen.shape[1])
        penalties = np.full((shape[0], 1), ridge)
        penalties[0] = NEXT_TO_NOTHING

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights = flat.reshape(shape)
            log_probs = log_softmax(inputs @ weights, axis=1)
            value = -(chosen * log_probs).sum() + (penalties * weights**2).sum() / 2
            return float(value), (inputs.T @ (totals * np.exp(log_probs) - chosen) + penalties * weights).ravel()

        start = np.zeros(shape[0] * shape[1])
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        return found.x.reshape(shape), int(found.nit)

    def payoffs(self, ridge: float) -> tuple[FloatArray, int]:
        """Fitted to all episodes: [S, A] in logits, mean zero over the actions; and the iterations."""
        weights, iterations = self.weights(ridge, np.ones(len(self.chosen), bool))
        payoffs = self.basis.T @ weights
        return payoffs - payoffs.mean(1, keepdims=True), iterations

    def held_out(self, ridge: float) -> FloatArray:
        """Log-likelihood of each episode's choices by a fit without it, [E]."""
        fold = np.arange(len(self.chosen)) % FOLDS
        values = np.zeros(len(self.chosen))
        for held in range(min(FOLDS, len(values))):
            out = fold == held
            log_probs = log_softmax(self.inputs[out] @ self.weights(ridge, ~out)[0], axis=1)
            values[out] = (self.chosen[out] * log_probs).sum(1)
        return values


def chosen_ridge(regressions: Sequence[Regression]) -> float:
    """Of `RIDGES`, the same for all agents: a weaker one must predict held-out episodes better by two standard errors.

    Likelihood hardly sees the noise that a weak ridge lets into payoffs, so that its maximum would be too weak.
    """
    ridge, episodes = RIDGES[0], len(regressions[0].chosen)
    if episodes < FOLDS:
        return ridge
    best = np.sum([regression.held_out(ridge) for regression in regressions], axis=0)
    for weaker in RIDGES[1:]:
        values = np.sum([regression.held_out(weaker) for regression in regressions], axis=0)
        gain = values - best
        if gain.mean() > 2 * gain.std(ddof=1) / episodes**0.5:
            ridge, best = weaker, values
    return ridge
