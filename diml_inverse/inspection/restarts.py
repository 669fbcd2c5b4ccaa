"""Several plays joined into one episode, their rounds counted on.

A learner forgets at a restart: what it does then does not follow from what went before. For every period, play is
predicted by linear least squares from averages over past rounds, once going on through the whole episode and once
emptied at every multiple of the period, with early rounds apart. Named is a period of which both is true:

* Its score is above `SCORE`: log-likelihood gained by emptying the averages, weights unchanged, plus half the
  chi-squared statistic (less its freedom) of the errors in the first two rounds of every part. Null: errors have mean
  zero there, and what went before tells what comes. In draws the best score of some hundred periods stays below 11.
* Weights fitted to every other part predict the parts between, and there the emptied averages do better, `BETTER`
  standard errors over parts. Where nothing is forgotten they do worse in the mean.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from diml_envs.traces import Traces
from diml_inverse.inspection.findings import DECISION, Finding
from diml_inverse.inspection.moves import MOST_LINES, took

SHORTEST_PERIOD, FEWEST_PARTS, FEWEST_IN_EPISODE = 5, 20, 4
SCORE, BETTER = 18.0, 1.5
MOST_ROUNDS = 3_000
MEMORIES = (0.0, 0.6, 0.9)  # of averages over past rounds
EARLY = (1.0, 4.0)  # rounds in which what is special about a part's beginning fades
BURN_IN = 10
CANDIDATES = 3
RIDGE = 1.0

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def restarts(traces: Traces) -> Iterator[Finding]:
    """Whether every so many rounds agents forget what they did."""
    period = period_of_restarts(traces)
    if not period:
        return
    number = int(((traces.lengths - 1) // period + 1).sum())
    yield Finding(
        "restarts",
        DECISION,
        f"every {period} rounds agents seem to forget what they did: {number} plays of {period} rounds may have been "
        f"joined into {len(traces)}",
        "If so, cut them apart",
        f"--cut {period}",
    )


def period_of_restarts(traces: Traces) -> int:
    """Rounds from one restart to the next; 0 if there are none to be seen."""
    moves, scored = _standardised(traces)
    periods = _periods(np.minimum(traces.lengths[:MOST_LINES], MOST_ROUNDS))
    if not periods.size or not moves.shape[-1]:
        return 0
    scores = _scores(moves, scored, periods)
    likely = np.argsort(-scores)[:CANDIDATES]
    better = {int(periods[k]): _better(moves, scored, int(periods[k])) for k in likely if scores[k] > SCORE}
    best = max(better, key=lambda period: better[period], default=0)
    return best if better.get(best, 0.0) > BETTER else 0


def _periods(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those with enough parts in all and in the longest episode."""
    periods = np.arange(SHORTEST_PERIOD, int(lengths.max()) // (FEWEST_IN_EPISODE + 1) + 1)
    return periods[(lengths // periods[:, None]).sum(1) >= FEWEST_PARTS]


def _standardised(traces: Traces) -> tuple[Floats, Mask]:
    """Who took which action [E, T, D], mean 0 and deviation 1, 0 where there is no round; rounds that count [E, T]."""
    moves = took(traces)[:MOST_LINES, :MOST_ROUNDS]
    inside = np.arange(moves.shape[1]) < traces.lengths[:MOST_LINES, None]
    mean, spread = moves[inside].mean(0), moves[inside].std(0)
    moves = (moves - mean)[..., spread > 0] / spread[spread > 0]
    moves[~inside] = 0.0
    inside[:, :BURN_IN] = False
    return moves, inside


def _averages(moves: Floats) -> list[Floats]:
    return [lfilter([0, 1 - memory], [1, -memory], moves, axis=1) for memory in MEMORIES]


def _emptied(averages: list[Floats], period: int) -> tuple[list[Floats], Floats]:
    """Averages without what came before the last multiple of the period; and how early a round is after it [T, K]."""
    rounds = np.arange(averages[0].shape[1])
    start, since = rounds - rounds % period, rounds % period
    kept = [memory**since for memory in MEMORIES]
    emptied = [own - old[:, None] * own[:, start] for own, old in zip(averages, kept, strict=True)]
    early = np.stack([np.exp(-since / fades) for fades in EARLY], axis=-1) * (start > 0)[:, None]
    return emptied, early


def _with_constant(parts: list[Floats]) -> Floats:
    return np.concatenate([*parts, np.ones_like(parts[0][..., :1])], axis=-1)


def _weights(features: Floats, moves: Floats) -> Floats:
    """Least squares, [n, K] and [n, D] -> [K, D]."""
    squares = features.T @ features + RIDGE * np.eye(features.shape[1])
    return np.asarray(np.linalg.solve(squares, features.T @ moves), np.float64)


def _scores(moves: Floats, scored: Mask, periods: NDArray[np.int64]) -> Floats:
    averages = _averages(moves)
    features = _with_constant(averages)
    weights = _weights(features[scored], moves[scored])
    errors = np.where(scored[..., None], moves - features @ weights, 0.0)
    freedom = moves.shape[-1]
    spread = np.tensordot(errors, errors, ((0, 1), (0, 1))) / scored.sum() + 1e-6 * np.eye(freedom)
    root = np.linalg.cholesky(np.linalg.inv(spread))
    loss = ((errors @ root) ** 2).sum()
    scores = np.zeros(len(periods))
    for k, period in enumerate(periods):
        emptied, _ = _emptied(averages, int(period))
        other = np.where(scored[..., None], moves - _with_constant(emptied) @ weights, 0.0)
        gain = (loss - ((other @ root) ** 2).sum()) / 2
        begins = sum(_departure(errors @ root, scored, int(period) + after, int(period)) for after in (0, 1))
        scores[k] = max(gain, 0.0) + max(begins, 0.0)
    return scores


def _departure(errors: Floats, scored: Mask, first: int, step: int) -> float:
    """Half of chi-squared less its freedom: whether errors of variance one have mean zero in every step-th round."""
    total, number = errors[:, first::step].sum((0, 1)), max(int(scored[:, first::step].sum()), 1)
    return float((total @ total) / number - errors.shape[-1]) / 2


def _better(moves: Floats, scored: Mask, period: int) -> float:
    """How much better emptied averages predict, in standard errors over parts, with weights from every other part."""
    num_episodes, num_rounds = scored.shape
    averages = _averages(moves)
    emptied, early = _emptied(averages, period)
    early = np.broadcast_to(early, (num_episodes, *early.shape))
    per_episode = num_rounds // period + 1
    part = np.arange(num_rounds) // period + per_episode * np.arange(num_episodes)[:, None]
    gain = _loss(_with_constant(averages), moves, scored, part % 2 == 0)
    gain -= _loss(_with_constant([*emptied, early]), moves, scored, part % 2 == 0)
    gains = np.bincount(part[scored], gain[scored])
    deviation = float(np.sqrt((gains**2).sum()))
    return float(gains.sum()) / deviation if deviation > 0 else 0.0


def _loss(features: Floats, moves: Floats, scored: Mask, even: Mask) -> Floats:
    """Squared error of each round [E, T], with weights from the other half."""
    loss = np.zeros(scored.shape)
    for half in (even, ~even):
        weights = _weights(features[scored & ~half], moves[scored & ~half])
        here = scored & half
        loss[here] = ((moves[here] - features[here] @ weights) ** 2).sum(-1)
    return loss
