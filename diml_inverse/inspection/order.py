"""Columns of episode and round that are exchanged: what is called an episode goes on in the next one.

Null: episodes are exchangeable. Statistics: how well actions follow from averages over those before, with two memories,
and how far early actions differ from the rest, with two spans; each less its mean over random orders, in its deviations
over these. The largest stays below 3 for episodes in any order, and reaches 8 and more for the rounds of learners: said
where it is above `GOES_ON` from one episode to the next and below `STOPS` from one round to the next.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from diml_envs.traces import Traces
from diml_inverse.inspection.findings import DECISION, Finding
from diml_inverse.inspection.moves import MOST_LINES, took

ORDERS = 99
GOES_ON, STOPS = 5.0, 4.0  # standard deviations
MEMORIES = (0.5, 0.85)  # of averages over what came before
EARLY = (2.0, 8.0)  # in which what is special about the first fades


def exchanged(traces: Traces) -> Iterator[Finding]:
    """Whether rounds are the episodes and episodes the rounds."""
    if not _numbered(traces) or min(len(traces), traces.num_rounds) < 4:
        return
    moves = took(traces)[:MOST_LINES, :MOST_LINES]
    if _order_tells(np.swapaxes(moves, 0, 1)) > GOES_ON and _order_tells(moves) < STOPS:
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


def _order_tells(moves: NDArray[np.float64]) -> float:
    """How much more the order along the second axis of [L, M, D] tells than random ones do, in their deviations."""
    moves = moves - moves.mean(1, keepdims=True)
    spread = moves.std((0, 1))
    moves = moves[..., spread > 0] / spread[spread > 0]
    if not moves.size:
        return 0.0
    rng = np.random.default_rng(0)  # of the test, not of the play: the same file gives the same answer
    found = _told(moves)
    others = np.array([_told(moves[:, rng.permutation(moves.shape[1])]) for _ in range(ORDERS)])
    spread = others.std(0)
    return float(((found - others.mean(0))[spread > 0] / spread[spread > 0]).max(initial=0.0))


def _told(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    told = []
    for memory in MEMORIES:
        past = lfilter([0, 1 - memory], [1, -memory], moves, axis=1)
        told.append((np.tensordot(past, moves, ((0, 1), (0, 1))) ** 2).sum())
    for fades in EARLY:
        early = np.exp(-np.arange(moves.shape[1]) / fades)
        told.append((((early - early.mean()) @ moves.sum(0)) ** 2).sum())
    return np.array(told)
