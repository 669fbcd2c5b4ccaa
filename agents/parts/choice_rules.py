"""From attractions to choice probabilities. Rows of a batch never touch each other, to the last bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def logit_response(attractions: FloatArray, precision: float, exploration: float | FloatArray = 0.0) -> FloatArray:
    """(1 - exploration) softmax(precision * attractions) + exploration / A, over the last axis. [*B, A] -> [*B, A].

    exploration: a number, or [*B, 1].
    """
    try:
        with np.errstate(over="raise", invalid="raise"):  # or choices would go on at random, by NaN
            scaled = precision * attractions
            scaled -= scaled.T.copy().max(0).T[..., None]  # over the last axis; numpy is slow along short ones
    except FloatingPointError as error:
        raise FloatingPointError(f"precision times attractions is too large for a number ({error})") from error
    weights = np.exp(scaled, out=scaled)
    # cumsum adds left to right; numpy is free to let the order of sum depend on the shape of the batch
    weights *= (1 - exploration) / weights.cumsum(-1)[..., -1:]
    weights += exploration / attractions.shape[-1]
    return weights


def epsilon_greedy(attractions: FloatArray, exploration: float | FloatArray) -> FloatArray:
    """1 - exploration shared evenly by the best actions, exploration by all. [*B, A] -> [*B, A].

    exploration: a number, or [*B, 1].
    """
    best = attractions == attractions.max(-1, keepdims=True)
    return (1 - exploration) * best / best.sum(-1, keepdims=True) + exploration / attractions.shape[-1]


def chosen(actions: NDArray[np.int64], num_actions: int) -> NDArray[np.bool_]:
    """One-hot of the own actions, bool [*B, A]."""
    return np.equal(actions[..., None], np.arange(num_actions))
