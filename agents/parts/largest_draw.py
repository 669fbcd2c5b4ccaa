"""Which of several independent normal draws is the largest, and with what probability."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]

BREAKS = np.array([-6.0, -3.0, 0.0, 3.0, 6.0])  # in standard deviations of each draw
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)


def largest_draw_probs(means: FloatArray, deviations: FloatArray) -> FloatArray:
    """P(draw j is the largest) = integral of f_j(x) prod_{k != j} F_k(x) dx. Both [*B, A] -> [*B, A].

    Gauss-Legendre between each two neighbours among all draws' `BREAKS`, so that however different the deviations are,
    none of the f and F turns faster than the nodes can follow. Right to about 1e-6. Cost grows with A squared.
    """
    breaks = (means[..., None] + deviations[..., None] * BREAKS).reshape(*means.shape[:-1], -1)
    breaks.sort(-1)
    centre, half = (breaks[..., 1:] + breaks[..., :-1]) / 2, (breaks[..., 1:] - breaks[..., :-1]) / 2
    probs = np.zeros(means.shape)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        points = centre + node * half
        largest = _largest_densities(points, means, deviations) * (weight * half)[..., None, :]
        probs += largest.cumsum(-1)[..., -1]
    return probs / probs.cumsum(-1)[..., -1:]  # what lies beyond the outermost breaks


def _largest_densities(points: FloatArray, means: FloatArray, deviations: FloatArray) -> FloatArray:
    """f_j prod_{k != j} F_k at points [*B, X] -> [*B, A, X]."""
    scores = (points[..., None, :] - means[..., None]) / deviations[..., None]
    below = ndtr(scores)
    densities = np.exp(-0.5 * scores * scores) / (math.sqrt(2 * math.pi) * deviations[..., None])
    all_below = below.cumprod(-2)[..., -1:, :]
    # where F_j is 0, so is f_j, and so is the product
    return all_below * np.divide(densities, below, out=np.zeros(below.shape), where=below > 0)
