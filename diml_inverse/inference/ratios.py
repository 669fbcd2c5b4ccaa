"""Ratios of payoff differences: what can be read where precision, and so the unit of payoffs, is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.units import in_payoff_units
from diml_inverse.uncertainty.base import Ends, Uncertainty, quantile

FloatArray = NDArray[np.float64]

MOST_ROWS = 400  # differences of an agent: their covariance is a square matrix
REFERENCE = 0  # place of the action that differences are against
PROBE = 2.0  # any unit but 1


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


class Differences(NamedTuple):
    """Normal numbers: estimates [M], their variances (infinite where play bounds one on no or one side), [M, M]."""

    found: FloatArray
    variances: FloatArray
    between: FloatArray

    def of(self, rows: NDArray[np.int64]) -> Differences:
        """Some of them."""
        return Differences(self.found[rows], self.variances[rows], self.between[np.ix_(rows, rows)])


def ratios(
    uncertainty: Uncertainty, contexts: Contexts, exists: Tensor, level: float = 0.95, kind: str | None = None
) -> pd.DataFrame:
    """One agent's payoff differences against its first action over the most surely known of them.

    Columns: context, action (places in `exists`), over_context, over_action (the denominator's), ratio, low, high; the
    denominator itself is left out, as are differences that play does not identify. Empty where there are not two.
    Where the model of learning was chosen among several not told apart, an interval holds the ratio's under each.

    Args:
        uncertainty: of an estimate.
        contexts: K that the agent met.
        exists: bool [K, A].
        level: of the intervals.
        kind: of covariance.
    """
    place = exists.cpu().nonzero()
    place = place[place[:, 1] != REFERENCE][:MOST_ROWS]
    where = tuple(place.T)

    def differences(model: Uncertainty, kind: str | None) -> Normal:
        values = model.fitted.centred_payoffs(contexts, exists, REFERENCE)[where]
        ends = model.ends_of_contexts(contexts, exists, level, kind, REFERENCE)
        return Normal.of(model, values, Ends(*(part[where] for part in ends)), kind)

    table = _over_surest(uncertainty, differences, level, kind)
    own, over = (place.numpy()[table[name].to_numpy(np.int64)] for name in ("row", "over"))
    table = table.assign(context=own[:, 0], action=own[:, 1], over_context=over[:, 0], over_action=over[:, 1])
    return table[["context", "action", "over_context", "over_action", "ratio", "low", "high"]]


def parameter_ratios(uncertainty: Uncertainty, level: float = 0.95, kind: str | None = None) -> pd.DataFrame:
    """Parameters of a mechanism that are in payoff units, over the most surely known of them.

    Columns: row and over (places among `fitted.names()`), ratio, low, high; otherwise as `ratios`.
    """
    mechanism = uncertainty.fitted.mechanism
    try:
        scaled = in_payoff_units(mechanism, PROBE)
    except NotImplementedError:  # a mechanism that does not say what is in payoff units
        scaled = [False for _ in mechanism.parameters()]
    parts = zip(mechanism.parameters(), scaled, strict=True)
    place = torch.cat([torch.full((parameter.numel(),), one) for parameter, one in parts]).nonzero()[:MOST_ROWS, 0]

    def parameters(changed: Mechanism, dynamics: Dynamics) -> Tensor:
        return torch.cat([parameter.reshape(-1) for parameter in changed.parameters()])[place]

    def found(model: Uncertainty, kind: str | None) -> Normal:
        return Normal.of(model, model.fitted.value(parameters), model.ends(parameters, level, kind), kind)

    table = _over_surest(uncertainty, found, level, kind)
    places = {name: place.numpy()[table[name].to_numpy(np.int64)] for name in ("row", "over")}
    return table.assign(**places)


class Normal(NamedTuple):
    """Normal numbers: estimates [M]; variances [M], infinite where play bounds one on one side at most; [M, M]."""

    found: FloatArray
    variances: FloatArray
    between: FloatArray

    @classmethod
    def of(cls, model: Uncertainty, values: Tensor, ends: Ends, kind: str | None) -> Normal:
        """Of numbers computed from `model.fitted`, with their ends."""
        two_sided = (ends.low.isfinite() & ends.high.isfinite()).numpy()
        variances = np.where(two_sided, model.variances(values, kind).numpy(), np.inf)
        return cls(values.detach().double().cpu().numpy(), variances, model.between(values, kind).numpy())

    def ends(self, unit: int, half: float) -> tuple[FloatArray, FloatArray]:
        """Of the ratios of all to one."""
        under, variance = float(self.found[unit]), float(self.variances[unit])
        return fieller(self.found, under, self.variances, variance, self.between[:, unit], half)


def _over_surest(
    uncertainty: Uncertainty, numbers: Callable[[Uncertainty, str | None], Normal], level: float, kind: str | None
) -> pd.DataFrame:
    """Columns row, over (places among the numbers), ratio, low, high; the intervals hold those of every model."""
    chosen, *others = uncertainty.models
    own = numbers(chosen, kind)
    known = np.flatnonzero(np.isfinite(own.variances) & (own.variances > 0))
    if len(known) < 2:
        return pd.DataFrame({name: np.zeros(0) for name in ("row", "over", "ratio", "low", "high")})
    unit = int(known[np.argmax(np.abs(own.found[known]) / np.sqrt(own.variances[known]))])
    low, high = own.ends(unit, quantile(level, chosen.degrees(kind)))
    for other in others:
        ends = numbers(other, None).ends(unit, quantile(level, other.degrees()))
        low, high = np.minimum(low, ends[0]), np.maximum(high, ends[1])
    rows = known[known != unit]
    ratio = own.found[rows] / own.found[unit]
    return pd.DataFrame({"row": rows, "over": unit, "ratio": ratio, "low": low[rows], "high": high[rows]})
