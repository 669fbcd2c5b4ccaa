"""Tests of moment conditions: residuals of a right model are unrelated to whatever was known before the choice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

FloatArray = NDArray[np.float64]

SMALLEST_SHARE = 1e-8  # of a sum's mean square: with less variance a direction does not vary


def least_found(freedom: int, level: float, power: float = 0.8) -> float:
    """Noncentrality that a chi-squared test of this level finds with this probability; NaN without a degree."""
    if not freedom:
        return float("nan")
    critical = chi2.isf(level, freedom)
    return float(brentq(lambda size: ncx2.sf(critical, freedom, size) - power, 1e-9, 10 * (critical + 20)))


class Tested(NamedTuple):
    """A chi-squared statistic with its degrees of freedom; several independent ones add up."""

    statistic: float
    freedom: int

    def p_value(self, inflation: float = 1.0) -> float:
        """Probability of as much or more under the right model; NaN without a degree of freedom."""
        return float(chi2.sf(self.statistic / inflation, self.freedom)) if self.freedom else float("nan")


def moment_test(weights: FloatArray, residuals: FloatArray, probs: FloatArray) -> Tested:
    """Whether residuals are unrelated to weights that were known before the choices.

    With w(n, k, a) the weights, r(n, a) choice less probability, p(n, a) the probabilities:

        S_k  = sum_n sum_a w(n, k, a) r(n, a)
        V_kl = sum_n Cov_{a ~ p(n)}(w(n, k, a), w(n, l, a)),    S' V^-1 S ~ chi-squared

    by the central limit theorem for martingale differences (Brown 1971). S is the score of adding the weights to the
    logits, so that this is a score (Lagrange multiplier) test, and half the statistic about what the log-likelihood
    would gain by them. V follows from the model, not from spread over episodes: right for any number of episodes.

    Args:
        weights: [n, K, A].
        residuals, probs: [n, A].
    """
    scale = np.sqrt(np.einsum("nka,na->k", weights**2, probs))
    weights = weights / np.where(scale > 0, scale, 1.0)[:, None]
    total = np.einsum("nka,na->k", weights, residuals)
    centred = weights - np.einsum("nka,na->nk", weights, probs)[..., None]
    spread = (centred * np.sqrt(probs)[:, None, :]).transpose(1, 0, 2).reshape(weights.shape[1], -1)
    values, vectors = np.linalg.eigh(spread @ spread.T)
    kept = values > SMALLEST_SHARE
    along = vectors[:, kept].T @ total
    return Tested(float((along**2 / values[kept]).sum()), int(kept.sum()))
