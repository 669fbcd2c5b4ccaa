"""A point in the middle of the set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

from diml_inverse.bounds.payoff_set import PayoffSet
from diml_inverse.bounds.rows import Programme, Rows

FloatArray = NDArray[np.float64]


def chebyshev_centre(payoffs: PayoffSet) -> FloatArray:
    """Parameters [P] furthest from every face of the set, in the largest of its pieces; 0 where nothing is said.

    The largest radius with a . theta + radius |a| <= b for every row; a is the part of a row that is of parameters,
    projected onto what the rows with equal ends leave free. Where regret is a sum of terms the ball is one on which
    the same division of the allowed regret among the terms serves throughout.
    """
    theta = np.zeros(len(payoffs.form.names))
    for block in payoffs.blocks:
        own = int((block.columns < len(theta)).sum())
        best = max((_ball(piece, own) for piece in block.pieces), key=lambda pair: pair[0])
        theta[block.columns[:own]] = best[1][:own]
    return theta


def _ball(piece: Programme, own: int) -> tuple[float, FloatArray]:
    """Radius and centre. own: how many of the variables, the first, are parameters."""
    ends = np.column_stack([piece.low, piece.high])[:own]
    bounded = np.isfinite(ends).any(1)
    box = csr_array(np.eye(own, len(piece.low))[bounded])
    matrix = vstack([piece.rows.matrix, box], format="csr")
    rows = Rows(matrix, np.append(piece.rows.low, ends[bounded, 0]), np.append(piece.rows.high, ends[bounded, 1]))
    lengths = _lengths(rows, own)
    upper = np.isfinite(rows.high)
    lower = np.isfinite(rows.low)
    both = Rows(
        vstack(
            [
                hstack([rows.matrix[upper], csr_array(lengths[upper][:, None])]),
                hstack([rows.matrix[lower], csr_array(-lengths[lower][:, None])]),
            ],
            format="csr",
        ),
        np.concatenate([np.full(upper.sum(), -np.inf), rows.low[lower]]),
        np.concatenate([rows.high[upper], np.full(lower.sum(), np.inf)]),
    )
    widest = 1e6  # of a set without limits any ball of this size will do
    found = Programme(both, np.append(piece.low, 0.0), np.append(piece.high, widest))
    value, point = found.minimise(np.append(np.zeros(len(piece.low)), -1.0))
    return -value, np.zeros(len(piece.low)) if point is None else point


def _lengths(rows: Rows, own: int) -> FloatArray:
    """Of each row's coefficients of parameters, in the directions that rows with equal ends leave free, [M]."""
    dense, equal = rows.matrix[:, :own].toarray(), rows.low == rows.high
    if equal.any():
        dense = dense - dense @ np.linalg.pinv(dense[equal]) @ dense[equal]
    lengths: FloatArray = np.where(equal, 0.0, np.linalg.norm(dense, axis=1))
    return lengths
