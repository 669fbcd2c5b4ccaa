"""Recorded payoffs that agents seem to avoid: costs, perhaps.

Null: an agent's choices are unrelated to the payoffs its actions would have had in past rounds. Statistic: the sum over
decisions of that past payoff of the chosen action less its mean over actions, in standard errors (each term has mean
zero given the past). Said of an agent below -4 with all actions equally likely, and below -2 with its own shares of
actions: a habit that happens to cost something is not enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from diml_envs.traces import Traces
from diml_inverse.inspection.findings import DECISION, Finding, few

AVOIDED, AVOIDED_BEYOND_HABIT = -4.0, -2.0
MEMORY = 0.75
MOST_PROFILES = 200_000


def payoffs_avoided(traces: Traces, payoffs: NDArray[np.float64]) -> Iterator[Finding]:
    """payoffs: [E, T, N], NaN where unknown."""
    avoiding = []
    for i, agent in enumerate(traces.agents):
        past = _past_payoffs(traces, payoffs, i)
        moves = traces.actions[..., i]
        counts = np.bincount(moves[moves >= 0], minlength=traces.action_counts[i])
        even, habit = np.full(len(counts), 1 / len(counts)), counts / max(counts.sum(), 1)
        if _z(moves, past, even) < AVOIDED and _z(moves, past, habit) < AVOIDED_BEYOND_HABIT:
            avoiding.append(agent)
    if avoiding:
        yield Finding(
            "costs",
            DECISION,
            f"{few(avoiding)}: the higher the recorded payoff of an action was, the less it is taken",
            "If these are costs, change their sign in the file before comparing; the fit itself sees no payoffs",
        )


def _past_payoffs(traces: Traces, payoffs: NDArray[np.float64], i: int) -> NDArray[np.float64]:
    """Average over past rounds of what each own action would have earned [E, T, A]; NaN until all are known."""
    forgone = _forgone(traces, payoffs[..., i], i)
    known = np.asarray(np.isfinite(forgone).all(-1))
    value = lfilter([0, 1 - MEMORY], [1, -MEMORY], np.where(known[..., None], forgone, 0.0), axis=1)
    weight = lfilter([0, 1 - MEMORY], [1, -MEMORY], known.astype(float), axis=1)[..., None]
    return np.divide(value, weight, out=np.full_like(value, np.nan), where=weight > 1e-6)


def _forgone(traces: Traces, payoffs: NDArray[np.float64], i: int) -> NDArray[np.float64]:
    """Payoff of each own action against what the others did [E, T, A]: the mean of those recorded there, else NaN."""
    others = [j for j in range(traces.num_agents) if j != i]
    sizes = [traces.action_counts[j] for j in others]
    apart = math.prod(sizes) * traces.action_counts[i] <= MOST_PROFILES
    seen = (traces.actions[..., others] >= 0).all(-1)
    context = np.zeros(traces.actions.shape[:2], dtype=np.int64)  # of too large a game: own actions only
    if apart:
        for j, size in zip(others, sizes, strict=True):
            context = context * size + np.maximum(traces.actions[..., j], 0)
    cell = context * traces.action_counts[i] + np.maximum(traces.actions[..., i], 0)
    known = seen & (traces.actions[..., i] >= 0) & np.isfinite(payoffs)
    means = pd.Series(payoffs[known]).groupby(cell[known]).mean()
    table = np.full((math.prod(sizes) if apart else 1) * traces.action_counts[i], np.nan)
    table[means.index.to_numpy()] = means.to_numpy()
    found: NDArray[np.float64] = table.reshape(-1, traces.action_counts[i])[context]
    found[~seen] = np.nan
    return found


def _z(moves: NDArray[np.int64], past: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    scored = (moves >= 0) & np.isfinite(past).all(-1)
    values, chosen = past[scored], moves[scored]
    if not len(chosen):
        return 0.0
    mean = values @ shares
    variance = float(((values - mean[:, None]) ** 2 @ shares).sum())
    surplus = float((values[np.arange(len(chosen)), chosen] - mean).sum())
    return surplus / math.sqrt(variance) if variance > 0 else 0.0
