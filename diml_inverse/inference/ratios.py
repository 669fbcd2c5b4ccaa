"""Ratios of payoff differences: what can be read where precision, and so the unit of payoffs, is not known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import Contexts
from diml_inverse.uncertainty.base import Uncertainty, quantile

FloatArray = NDArray[np.float64]

MOST_ROWS = 400  # differences of an agent: their covariance is a square matrix
REFERENCE = 0  # place of the action that differences are against


def fieller(
    over: FloatArray, under: float, variances: FloatArray, variance: float, between: FloatArray, half: float
) -> tuple[FloatArray, FloatArray]:
    """Ends of intervals for ratios over / under (Fieller 1954): of all r with (over - r under)^2 <= half^2 variance.

    A ratio of normal numbers has no standard error; this set has its level exactly. It is unbounded, here both ends
    infinite, where the denominator is not surely different from zero.

    Args:
        over, variances: of the numerators, [M].
        under, variance: of the denominator.
        between: covariances of numerators with the denominator, [M].
        half: half width of an interval in standard errors.
    """
    square = under**2 - half**2 * variance
    if not (math.isfinite(square) and square > 0):
        return np.full(len(over), -np.inf), np.full(len(over), np.inf)
    middle = over * under - half**2 * between
    last = over**2 - half**2 * variances
    root = np.sqrt((middle**2 - square * last).clip(min=0))
    known = np.isfinite(root)
    low, high = (np.where(known, (middle + sign * root) / square, sign * np.inf) for sign in (-1, 1))
    return low, high


def ratios(
    uncertainty: Uncertainty, contexts: Contexts, exists: Tensor, level: float = 0.95, kind: str | None = None
) -> pd.DataFrame:
    """One agent's payoff differences against its first action over the most surely known of them.

    Columns: context, action (places in `exists`), over_context, over_action (the denominator's), ratio, low, high; the
    denominator itself is left out, as are differences that play does not identify. Empty where none is surely not zero.

    Args:
        uncertainty: of an estimate.
        contexts: K that the agent met.
        exists: bool [K, A].
        level: of the intervals.
        kind: of covariance.
    """
    columns = ["context", "action", "over_context", "over_action", "ratio", "low", "high"]
    place = exists.cpu().nonzero()
    place = place[place[:, 1] != REFERENCE][:MOST_ROWS]
    values = uncertainty.fitted.centred_payoffs(contexts, exists, REFERENCE)[tuple(place.T)]
    variances = uncertainty.variances(values, kind)
    ends = uncertainty.ends_of_contexts(contexts, exists, level, kind, REFERENCE)
    two_sided = (ends.low.isfinite() & ends.high.isfinite())[tuple(place.T)]
    known = (variances.isfinite() & (variances > 0) & two_sided).nonzero()[:, 0]
    if len(known) < 2:
        return pd.DataFrame(columns=columns)
    values, place = values[known], place[known]
    matrix = uncertainty.between(values, kind).numpy()
    found, spread = values.detach().double().cpu().numpy(), np.diag(matrix)
    unit = int(np.argmax(np.abs(found) / np.sqrt(spread)))
    half = quantile(level, uncertainty.degrees(kind))
    low, high = fieller(found, found[unit], spread, float(spread[unit]), matrix[:, unit], half)
    rows = pd.DataFrame({"context": place[:, 0].numpy(), "action": place[:, 1].numpy()})
    rows = rows.assign(over_context=int(place[unit, 0]), over_action=int(place[unit, 1]))
    rows = rows.assign(ratio=found / found[unit], low=low, high=high)[columns]
    return rows.drop(index=unit).reset_index(drop=True)
