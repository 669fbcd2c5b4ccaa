"""What play says about payoffs under a Gaussian process prior, in matrices no larger than the contexts met.

For the numbers t: payoffs of the contexts met, then the learners' raw parameters. See `NetworkUncertainty`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

LOG_VARIANCES = (-20.0, 15.0)  # where the logarithm of s^2 is looked for
NUGGET = 1e-8  # share of the prior variance that makes its matrix invertible
NOTHING = 1e-9  # share of the largest information


@dataclass(frozen=True)
class Posterior:
    """What play says about n numbers t.

    Attributes:
        middle: B (I + B^T K B)^-1 B^T, [n, n], with K the prior covariance of t and B B^T their information, so that
            the posterior covariance is K - K middle K.
        shift: K shift is the way from the estimate to the posterior's mean, [n].
        variance: s^2, of the mechanism's parameters.
    """

    middle: Tensor
    shift: Tensor
    variance: float


def posterior(unit: Tensor, information: Tensor, slope: Tensor, payoffs: Tensor) -> tuple[Posterior, float]:
    """The posterior, and how many numbers the play determined.

    Args:
        unit: prior covariance for s^2 = 1, [n, n].
        information: minus the second derivative of the log-likelihood at the estimate, [n, n].
        slope: its first derivative there, [n].
        payoffs: estimates of those numbers that are payoffs, the first ones.
    """
    own = slice(0, len(payoffs))
    linear = information[own, own] @ payoffs + slope[own]
    variance = _variance_by_evidence(unit[own, own], information[own, own], linear)
    prior = unit.clone()
    prior[own] *= variance  # nothing of it is shared with the learners
    root = _root(information)
    inner = torch.linalg.inv(torch.eye(root.shape[1], dtype=torch.float64) + root.T @ prior @ root)
    middle = root @ inner @ root.T
    found = Posterior(middle, _shift(prior, middle, root, slope, payoffs), variance)
    return found, float((1 - inner.diagonal()).sum())


def _root(information: Tensor) -> Tensor:
    """B with B B^T the information, [n, r]. A network is not at the maximum in each context's payoffs: what curves
    upwards there is cut off."""
    values, vectors = torch.linalg.eigh(information)
    kept = values > NOTHING * values[-1]
    return vectors[:, kept] * values[kept].sqrt()


def _shift(prior: Tensor, middle: Tensor, root: Tensor, slope: Tensor, payoffs: Tensor) -> Tensor:
    """Prior covariance times this is the way from the estimate to the posterior's mean, [n].

    The prior's mean is zero for payoffs, for the learners their estimate.
    """
    off = torch.zeros(len(prior), dtype=torch.float64)
    off[: len(payoffs)] = payoffs
    linear = root @ (root.T @ off) + slope
    mean = prior @ (linear - middle @ (prior @ linear))
    nugget = NUGGET * prior.diagonal().mean() * torch.eye(len(prior), dtype=torch.float64)
    return torch.linalg.solve(prior + nugget, mean - off)


def _variance_by_evidence(unit: Tensor, information: Tensor, linear: Tensor) -> float:
    """s^2 that maximises the evidence of the log-likelihood linear f - f information f / 2, learners known.

    unit: kernel for s^2 = 1, [n, n].
    """
    root = _root(information)
    values, vectors = torch.linalg.eigh(root.T @ unit @ root)
    squares = (vectors.T @ (root.T @ linear / root.square().sum(0))).square()
    values = values.clamp(min=0)

    def loss(log_variance: float) -> float:
        grown = math.exp(log_variance) * values
        return float((torch.log1p(grown) - squares * grown / (1 + grown)).sum())

    return math.exp(minimize_scalar(loss, bounds=LOG_VARIANCES, method="bounded").x)
