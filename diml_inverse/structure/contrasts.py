"""Contrasts: columns over an agent's actions that sum to zero, so that a table of them holds no level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Label

SMOOTHNESS = 0.5  # factor in standard deviation from one polynomial degree to the next
NEGLIGIBLE = 0.1  # degrees that would have less than this share of the first one's are left out


def contrasts(num_actions: int) -> NDArray[np.float64]:
    """Orthogonal contrasts of equal size, [A, A - 1]; squares of a row sum to one.

    Independent coefficients of equal variance make all actions exchangeable.
    """
    return _scaled(_polynomials(np.arange(num_actions, dtype=np.float64)))


def smooth_contrasts(labels: Sequence[Label]) -> NDArray[np.float64]:
    """Orthogonal polynomials in the actions' numbers, higher degrees shrunk, [A, D]; mean square of rows one.

    Independent coefficients of equal variance make smooth functions of the label likelier than rough ones.
    """
    columns = _polynomials(np.array(labels, dtype=np.float64))
    size = SMOOTHNESS ** np.arange(columns.shape[1])
    return _scaled((columns * size)[:, size >= NEGLIGIBLE])


def are_numbers(labels: Sequence[Label]) -> bool:
    """Whether actions are ordered amounts: levels, prices, bids; at least three, else there is nothing to smooth."""
    return len(labels) > 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in labels)


def _polynomials(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal polynomials on the points, the constant left out. [A, A - 1]"""
    if len(points) < 2:
        return np.zeros((len(points), 0))
    unit = 2 * (points - points.min()) / np.ptp(points) - 1
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(unit, len(points) - 1))
    return basis[:, 1:]


def _scaled(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    total = (columns**2).sum()
    return columns * np.sqrt(len(columns) / total) if total else columns
