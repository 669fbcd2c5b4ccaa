"""Profile likelihood: how far a linear function of the parameters can go before the play speaks against it.

Where an action was never or hardly chosen the likelihood keeps rising, or stays level, however far its payoff falls:
the play bounds it on one side only (Albert & Anderson 1984; Konis 2007). There no curvature says anything. The interval
at level z of s . theta is then where the highest log-likelihood with s . theta held fixed is within z^2 / 2 of its
supremum (Venzon & Moolgavkar 1988), with an infinite end where it never falls that far.

The point shown with one end infinite is where it has fallen by log 2, to half: of a choice never made in n, that is the
payoff under which never to make it was an even bet, the median-unbiased estimate (as in exact logistic regression;
Hirji, Tsiatis & Mehta 1989). Firth's estimate would be less biased in the mean, but a mean is of no use where the
truth may lie anywhere below. Otherwise the point is the maximum. No ridge of the fit moves either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

FloatArray = NDArray[np.float64]

# Of parameters in logits: keeps what nothing pins down where it is; at 50 logits it weighs .001 nats.
RIDGE = 1e-6
FAR = 50.0  # logits, and
FAR_IN_ERRORS = 20.0  # standard errors (none counted for more than 10 logits): an end beyond both is infinite
LARGEST_ERROR = 10.0
MOST_STEPS = 60  # of Newton's method
LONGEST_STEP = 6.0  # logits
ENOUGH = 1e-7  # nats that a further step would gain
MOST_TRIES = 40
CLOSE = 0.01  # of the signed root
HALF = math.sqrt(2 * math.log(2))


class Surface(Protocol):
    """A log-likelihood in nats as a function of parameters in logits."""

    start: FloatArray

    def value(self, theta: FloatArray) -> float:
        """At one point."""
        ...

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Gradient [P] and expected information [P, P]."""
        ...


class Ends(NamedTuple):
    """Of s . theta."""

    point: float
    low: float
    high: float


@dataclass(frozen=True)
class _Point:
    """A (constrained) maximum: theta, penalised value and the slope of that in the constraint."""

    theta: FloatArray
    value: float
    slope: float


class Profile:
    """Profile likelihoods on one surface. The maximum is found once."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.top = self._climb(surface.start, None)

    def ends(self, along: FloatArray, z: float) -> Ends:
        """Point and ends of along . theta."""
        low, high = (self._end(along, side, z) for side in (-1, 1))
        if math.isfinite(low) and math.isfinite(high):
            return Ends(float(along @ self.top.theta), low, high)
        if math.isinf(low) and math.isinf(high):
            return Ends(math.nan, low, high)
        return Ends(self._end(along, 1 if math.isinf(low) else -1, HALF), low, high)

    def drop(self, theta: FloatArray) -> float:
        """Nats below the maximum."""
        return max(self.top.value - self._value(theta), 0.0)

    def _end(self, along: FloatArray, side: int, z: float) -> float:
        """Where the signed root of twice the fall reaches z."""
        middle = float(along @ self.top.theta)
        _, error = self.steepest(along)
        size = np.abs(along).max()
        far = max(FAR * size, FAR_IN_ERRORS * min(error, LARGEST_ERROR * size))
        inner, root, outer = 0.0, 0.0, math.inf  # distances
        outer_root = math.inf
        distance, start = min(max(z * error, 0.1), 4.0), self.top.theta
        for _ in range(MOST_TRIES):
            found = self._held(along, middle + side * distance, start)
            fall = math.sqrt(2 * max(self.top.value - found.value, 0.0))
            if abs(fall - z) < CLOSE:
                return middle + side * distance
            if fall < z:
                inner, root, start = distance, fall, found.theta
                if distance >= far:
                    return side * math.inf
            else:
                outer, outer_root = distance, fall
            if math.isinf(outer):
                rise = max(-side * found.slope, 0.0) / max(fall, 1e-6)
                ahead = inner + (z - root) / rise if rise > 0 and fall > 0.05 else math.inf
                distance = min(max(ahead, 1.2 * inner), 2.5 * inner, far)
            else:
                share = (z - root) / (outer_root - root)
                distance = inner + min(max(share, 0.1), 0.9) * (outer - inner)
        return middle + side * distance

    def steepest(self, along: FloatArray) -> tuple[FloatArray, float]:
        """Inverse information times along, and the standard error of along . theta at the maximum."""
        way = cho_solve(self._factor, along)
        return way, math.sqrt(max(float(along @ way), 0.0))

    @cached_property
    def _factor(self) -> tuple[FloatArray, bool]:
        _, information = self.surface.derivatives(self.top.theta)
        factor: tuple[FloatArray, bool] = cho_factor(information + RIDGE * np.eye(len(information)))
        return factor

    def _value(self, theta: FloatArray) -> float:
        return self.surface.value(theta) - RIDGE / 2 * float(theta @ theta)

    def _held(self, along: FloatArray, at: float, start: FloatArray) -> _Point:
        """The maximum with along . theta held at a value."""
        _, information = self.surface.derivatives(start)
        way = cho_solve(cho_factor(information + RIDGE * np.eye(len(along))), along)
        way = np.clip(way, -1e6, 1e6)
        off = at - float(along @ start)
        moved = start + way * (off / float(along @ way))
        plain = start + along * (off / float(along @ along))
        return self._climb(max((moved, plain), key=self._value), along)

    def _climb(self, theta: FloatArray, along: FloatArray | None) -> _Point:
        """Fisher scoring, steps halved until the value rises; along a constraint if one is given."""
        value, slope = self._value(theta), 0.0
        for _ in range(MOST_STEPS):
            gradient, information = self.surface.derivatives(theta)
            gradient = gradient - RIDGE * theta
            factor = cho_factor(information + RIDGE * np.eye(len(theta)))
            step = cho_solve(factor, gradient)
            if along is not None:
                across = cho_solve(factor, along)
                slope = float(along @ step) / float(along @ across)
                step = step - slope * across
                gradient = gradient - slope * along
            if float(gradient @ step) / 2 < ENOUGH:
                break
            step *= min(1.0, LONGEST_STEP / max(np.abs(step).max(), 1e-12))
            for _ in range(20):
                further = self._value(theta + step)
                if further >= value:
                    break
                step = step / 2
            else:
                break
            theta, value = theta + step, further
        return _Point(theta, value, slope)
