"""Play after a change, as a set: coarse correlated equilibria of every game that the play before leaves possible.

A distribution s over joint actions a is a coarse correlated equilibrium of payoffs theta if no agent gains more than
epsilon by leaving it for one fixed action:

    sum over a of s(a) [u_i(b, a_-i; theta) - u_i(a; theta)] <= epsilon        for each agent i and action b

which is where the average play of learners without regret goes. Together with theta in a polyhedron {G theta <= h} this
is bilinear. Two sides of it are linear programmes:

    outer   v(a) = s(a) theta(a) with G v(a) <= h s(a) for every a: each joint action may have payoffs of its own in the
            set. The bounds hold for sure, and may be wider than need be.
    inner   theta held at points of the set: what is found is attained.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, eye_array, hstack, kron

from diml_envs.mechanisms.base import Mechanism
from diml_inverse.bounds.result import PayoffBounds
from diml_inverse.bounds.rows import Programme, Rows, stacked

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_VARIABLES = 200_000
MOST_PIECES = 100
POINTS = 10  # of the set, besides those that the outer programmes lead to


@dataclass(frozen=True)
class PlayBounds:
    """Bounds on play and welfare in equilibrium.

    Attributes:
        table: quantity ("share" or "welfare"), agent, action, low, high (hold for sure), attained_low, attained_high
            (by some payoffs of the set and some equilibrium of theirs; NaN where none was found).
    """

    table: pd.DataFrame
    _lifted: _Lifted

    def project(self, value: Callable[[IntArray], ArrayLike]) -> tuple[float, float, float, float]:
        """Bounds on the mean of a number that depends on the joint action: a load, revenue.

        Args:
            value: takes joint actions int64 [S, N], returns numbers [S].

        Returns:
            low, high, attained_low, attained_high.
        """
        values = np.asarray(value(self._lifted.profiles), float)
        if values.shape != (len(self._lifted.profiles),):
            raise ValueError(f"value must return a number for each joint action; got shape {list(values.shape)}")
        return self._lifted.bounds(values, np.zeros((len(values), len(self._lifted.names))))


def play_bounds(
    bounds: PayoffBounds, policy: Mechanism | None = None, regret: float = 0.0, seed: int = 0
) -> PlayBounds:
    """Bounds on shares of actions and on welfare (the sum of payoffs) once a policy is in force.

    Args:
        bounds: of the payoffs before the change.
        policy: known payoffs added to them, in the units of the set: `TollMechanism`, say. None: no change.
        regret: epsilon of the equilibria.
        seed: of the points of the set that the inner bounds are sought at.

    Raises:
        ValueError: another game, too large a game, or too many pieces: normalise="range", or known payoffs, make one.
    """
    lifted = _Lifted(bounds, policy, regret, seed)
    nothing = np.zeros((len(lifted.profiles), len(lifted.names)))
    rows = [
        ("share", name, label, *lifted.bounds((lifted.profiles[:, i] == number).astype(float), nothing))
        for i, (name, labels) in enumerate(zip(bounds.agents, bounds.action_labels, strict=True))
        for number, label in enumerate(labels)
    ]
    rows.append(("welfare", "", "", *lifted.bounds(lifted.known.sum(1), lifted.payoffs.sum(1))))
    columns = ["quantity", "agent", "action", "low", "high", "attained_low", "attained_high"]
    return PlayBounds(pd.DataFrame(rows, columns=columns), lifted)


class _Lifted:
    """Variables: probability of each joint action [S], then for each the set's variables times it, [S, V].

    Of the set's variables the parameters [P] come first.
    """

    def __init__(self, bounds: PayoffBounds, policy: Mechanism | None, regret: float, seed: int) -> None:
        form = bounds.payoffs.form
        counts = form.mechanism.action_counts
        if policy is not None and policy.action_counts != counts:
            raise ValueError(f"the policy is for actions {policy.action_counts}, the bounds for {counts}")
        if math.prod(counts) * (len(form.names) + 1) > MOST_VARIABLES:
            raise ValueError(f"a game of action counts {counts} with {len(form.names)} unknown numbers is too large")
        self.names, self.profiles = form.names, np.array(list(itertools.product(*map(range, counts))))
        every = torch.tensor(self.profiles)
        matrix, offset = form.functional(lambda mechanism: mechanism(every))
        self.payoffs: FloatArray = matrix.toarray().reshape(len(every), len(counts), -1)  # [S, N, P]
        with torch.no_grad():
            added = 0.0 if policy is None else policy(every).double().cpu().numpy()
        self.known: FloatArray = offset.reshape(len(every), -1) + added  # [S, N]
        self.gains, self.shifts = self._gains(counts)
        self.regret = regret
        self.sets = list(_pieces(bounds))
        self.points = list(_points(self.sets, len(self.names), seed))
        self.programmes = [self._programme(one) for one in self.sets]

    def bounds(self, value: FloatArray, slope: FloatArray) -> tuple[float, float, float, float]:
        """Of the mean of value(a) + slope(a) . theta. value [S], slope [S, P]."""
        low, inner_low = self._least(value, slope)
        high, inner_high = self._least(-value, -slope)
        return low, -high, inner_low, -inner_high

    def _least(self, value: FloatArray, slope: FloatArray) -> tuple[float, float]:
        outer, points = np.inf, list(self.points)
        for programme, one in zip(self.programmes, self.sets, strict=True):
            wide = np.pad(slope, ((0, 0), (0, len(one.low) - slope.shape[1])))
            least, found = programme.minimise(np.append(value, wide.reshape(-1)))
            outer = min(outer, least)
            if found is not None:
                points.append(found[len(value) :].reshape(len(value), -1)[:, : len(self.names)].sum(0))
        inner = min(self._at(point).minimise(value + slope @ point)[0] for point in points)
        return outer, inner if np.isfinite(inner) else np.nan

    def _gains(self, counts: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """What leaving each joint action for each fixed action brings: [M, S, P] and [M, S]."""
        place = np.arange(len(self.profiles)).reshape(counts)
        gains, shifts = [], []
        for agent, count in enumerate(counts):
            for action in range(count):
                moved = self.profiles.copy()
                moved[:, agent] = action
                there = place[tuple(moved.T)]
                gains.append(self.payoffs[there, agent] - self.payoffs[:, agent])
                shifts.append(self.known[there, agent] - self.known[:, agent])
        return np.array(gains), np.array(shifts)

    def _at(self, point: FloatArray) -> Programme:
        """Equilibria of one game."""
        count = len(self.profiles)
        gains = self.shifts + self.gains @ point
        rows = stacked(
            [
                Rows(csr_array(gains), np.full(len(gains), -np.inf), np.full(len(gains), self.regret)),
                Rows(csr_array(np.ones((1, count))), np.ones(1), np.ones(1)),
            ]
        )
        return Programme(rows, np.zeros(count), np.ones(count))

    def _programme(self, one: Programme) -> Programme:
        count, width = len(self.profiles), len(one.low)
        wide = np.pad(self.gains, ((0, 0), (0, 0), (0, width - len(self.names)))).reshape(len(self.gains), -1)
        parts = [
            Rows(
                csr_array(np.hstack([self.shifts, wide])), np.full(len(wide), -np.inf), np.full(len(wide), self.regret)
            ),
            Rows(csr_array(np.ones((1, count))), np.ones(1), np.ones(1)),
        ]
        box = Rows(eye_array(width, format="csr"), one.low, one.high)
        parts += [part for rows in (one.rows, box) for part in _times_probability(rows, count)]
        size = count * (1 + width)
        low = np.append(np.zeros(count), np.full(count * width, -np.inf))
        return Programme(stacked(parts).widened(size), low, np.append(np.ones(count), np.full(count * width, np.inf)))


def _times_probability(rows: Rows, count: int) -> Iterator[Rows]:
    """low s(a) <= matrix v(a) <= high s(a) for every joint action."""
    for ends, sign in ((rows.low, -1.0), (rows.high, 1.0)):
        there = np.isfinite(ends)
        if there.any():
            matrix = kron(eye_array(count), sign * rows.matrix[there])
            share = kron(eye_array(count), csr_array(sign * ends[there][:, None]))
            length = matrix.shape[0]
            yield Rows(hstack([-share, matrix], format="csr"), np.full(length, -np.inf), np.zeros(length))


def _pieces(bounds: PayoffBounds) -> Iterator[Programme]:
    """Convex parts of the whole set, the parameters their first variables."""
    blocks = bounds.payoffs.blocks
    if math.prod(len(block.pieces) for block in blocks) > MOST_PIECES:
        raise ValueError(
            'the set has too many convex pieces for this: bound payoffs with normalise="range", or with a payoff known'
        )
    parameters = len(bounds.payoffs.form.names)
    for chosen in itertools.product(*[block.pieces for block in blocks]):
        size, placed = parameters, []
        for block, piece in zip(blocks, chosen, strict=True):
            own = block.columns[block.columns < parameters]
            extra = len(piece.low) - len(own)
            placed.append((piece, np.append(own, size + np.arange(extra)).astype(np.int64)))
            size += extra
        low, high = np.full(size, -np.inf), np.full(size, np.inf)
        rows = []
        for piece, where in placed:
            low[where], high[where] = piece.low, piece.high
            entries = piece.rows.matrix.tocoo()
            matrix = csr_array(
                (entries.data, (entries.coords[0], where[entries.coords[1]])), shape=(entries.shape[0], size)
            )
            rows.append(Rows(matrix, piece.rows.low, piece.rows.high))
        yield Programme(stacked(rows), low, high)


def _points(sets: list[Programme], parameters: int, seed: int) -> Iterator[FloatArray]:
    """Ends of the set in random directions."""
    rng = np.random.default_rng(seed)
    for number in range(POINTS):
        one = sets[number % len(sets)]
        direction = np.zeros(len(one.low))
        direction[:parameters] = rng.normal(size=parameters)
        point = one.minimise(direction)[1]
        if point is None:  # without an end in this direction
            point = one.minimise(np.zeros(len(one.low)))[1]
        if point is not None:
            yield point[:parameters]
