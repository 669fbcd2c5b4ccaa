"""The order of rounds: columns of episode and round that are exchanged, and plays joined into one episode.

* `exchanged_columns`. Null: episodes are exchangeable. Statistic: how well actions in an episode follow from those in
  the episodes before it, against random orders of the episodes, in standard deviations of these; said above 2.5 (some
  .01 of files) where the order of rounds, tested in the same way, shows less than that, which in play by people who
  learn is rare itself.
* `restarts`. Null: how far a round departs from what past rounds predict does not depend on its place. Statistics, for
  every period, at its multiples: how far the departure of each action, and the departure against the prediction, is
  from zero on average, by Bennett's inequality, which holds for skewed departures too (rare actions); level 1e-3 over
  all statistics and periods together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from diml_envs.traces import Traces
from diml_inverse.inspection.findings import DECISION, Finding

ORDERS = 199
MOST_LINES = 300  # episodes or rounds that are put in other orders
TELLS = 2.5  # standard deviations
SHORTEST_PERIOD, FEWEST_RESTARTS = 5, 4
RESTART_LEVEL = 1e-3
MEMORIES = (0.0, 0.5, 0.8, 0.95)  # of averages over past rounds
BURN_IN = 10
MOST_APART = 40  # actions looked at one by one; of more, only how many took which


def order_of_play(traces: Traces) -> Iterator[Finding]:
    """Whether rounds are the episodes and episodes the rounds; whether episodes hold several plays."""
    yield from _exchanged(traces)
    yield from _restarts(traces)


def _exchanged(traces: Traces) -> Iterator[Finding]:
    if not _numbered(traces) or min(len(traces), traces.num_rounds) < 4:
        return
    took = _took(traces)[:MOST_LINES, :MOST_LINES]
    if _order_tells(np.swapaxes(took, 0, 1)) > TELLS > _order_tells(took):
        yield Finding(
            "exchanged_columns",
            DECISION,
            "play goes on from one episode to the next, and not from one round to the next: it seems that the column "
            "called episode counts the rounds and the other way round",
            "Exchange the two columns",
            "--episode-column, --round-column",
        )


def _numbered(traces: Traces) -> bool:
    """Episodes are called by consecutive whole numbers."""
    labels = traces.episodes
    if any(isinstance(label, str | bool) for label in labels):
        return False
    return bool((np.diff(np.array(labels, dtype=float)) == 1).all())


def _took(traces: Traces) -> NDArray[np.float64]:
    """Who took which action [E, T, D], each agent's last action left out; of many only how many took which."""
    sizes = traces.action_counts
    if sum(sizes) - len(sizes) > MOST_APART:
        return np.stack([(traces.actions == action).sum(-1) for action in range(max(sizes))], axis=-1).astype(float)
    columns = [traces.actions[..., i] == action for i, size in enumerate(sizes) for action in range(max(size - 1, 1))]
    return np.stack(columns, axis=-1).astype(float)


def _order_tells(took: NDArray[np.float64]) -> float:
    """How much more the order along the second axis of [L, M, D] tells than random ones do, in their deviations."""
    took = took - took.mean(1, keepdims=True)
    spread = took.std((0, 1))
    took = took[..., spread > 0] / spread[spread > 0]
    rng = np.random.default_rng(0)  # of the test, not of the play: the same file gives the same answer
    found = _told(took)
    others = np.array([_told(took[:, rng.permutation(took.shape[1])]) for _ in range(ORDERS)])
    return float((found - others.mean()) / others.std()) if others.std() > 0 else 0.0


def _told(took: NDArray[np.float64]) -> float:
    past = lfilter([0, 0.5], [1, -0.5], took, axis=1)
    return float((np.tensordot(past, took, ((0, 1), (0, 1))) ** 2).sum())


def _restarts(traces: Traces) -> Iterator[Finding]:
    periods = np.arange(SHORTEST_PERIOD, int(traces.lengths.max()) // (FEWEST_RESTARTS + 1) + 1)
    if not periods.size:
        return
    errors, predicted = _errors(traces)
    against = -(errors * predicted).sum(-1, keepdims=True)
    values = np.concatenate([errors, -errors, against - np.nanmean(against)], axis=-1)
    chance = _log_chance(values, periods)
    if chance.min() < math.log(RESTART_LEVEL / chance.size):
        period = int(periods[chance.min(1).argmin()])
        number = int(np.sum((traces.lengths - 1) // period))
        yield Finding(
            "restarts",
            DECISION,
            f"every {period} rounds agents seem to forget what they did: {number + len(traces)} plays of {period} "
            f"rounds may have been joined into {len(traces)}",
            "If so, cut them apart",
            f"--cut {period}",
        )


def _errors(traces: Traces) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of a linear prediction from past rounds, and that prediction less its mean, [E, T, D], in standard deviations of
    what is predicted; NaN where there is little past or no round."""
    took = _took(traces)
    past = [lfilter([0, 1 - memory], [1, -memory], took, axis=1) for memory in MEMORIES]
    features = np.concatenate([*past, np.ones_like(took[..., :1])], axis=-1)
    inside = np.arange(traces.num_rounds) < traces.lengths[:, None]
    inside[:, :BURN_IN] = False
    spread = took[inside].std(0)
    took = took[..., spread > 0] / spread[spread > 0]
    weights, *_ = np.linalg.lstsq(features[inside], took[inside], rcond=None)
    found = features[inside] @ weights
    errors, predicted = np.full(took.shape, np.nan), np.full(took.shape, np.nan)
    errors[inside], predicted[inside] = took[inside] - found, found - found.mean(0)
    return errors, predicted


def _log_chance(values: NDArray[np.float64], periods: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bound on the log-probability [P, D] that values [E, T, D] of mean zero sum so high at multiples of each period.

    Bennett's inequality: sums of n values of variance v and at most b reach t with a probability of at most
    exp(-n v / b^2 h(b t / (n v))), where h(u) = (1 + u) log(1 + u) - u.
    """
    variance, most = np.nanvar(values, axis=(0, 1)), np.maximum(np.nanmax(values, axis=(0, 1)), 1e-12)
    chances = np.zeros((len(periods), values.shape[-1]))
    for row, period in zip(chances, periods, strict=True):
        here = values[:, period::period]
        total, number = np.nansum(here, axis=(0, 1)), np.isfinite(here[..., 0]).sum()
        scale = np.maximum(number * variance, 1e-12)
        u = np.maximum(total, 0.0) * most / scale
        row[:] = -scale / most**2 * ((1 + u) * np.log1p(u) - u)
    return chances
