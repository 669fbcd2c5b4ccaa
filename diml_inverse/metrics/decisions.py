"""Which decisions metrics of behaviour score, and the checks that predictions belong to the play."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diml_envs.traces import Traces

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def scored_decisions(traces: Traces) -> BoolArray:
    """bool [E, T, N]: observed choices of rounds 1..T-1, and of round 0 where a person has played before.

    In a first round nothing has been learnt. Given moves are nobody's choices.
    """
    scored = traces.observed & traces.followed[:, None]
    scored[:, 0] &= ~traces.beginnings
    return scored


def checked_scored(scored: ArrayLike | None, traces: Traces) -> BoolArray:
    """The decisions to score: those given, or else `scored_decisions`.

    Raises:
        ValueError: other than [E, T, N], a decision that was not observed, or none.
    """
    chosen = scored_decisions(traces) if scored is None else np.array(scored, dtype=bool)
    if chosen.shape != traces.actions.shape:
        raise ValueError(f"scored {list(chosen.shape)} must have the shape of the actions {list(traces.actions.shape)}")
    if (chosen & ~traces.observed).any():
        raise ValueError("a decision that was not observed cannot be scored")
    if not chosen.any():
        raise ValueError(f"no decision to score: an observed choice in some round after the first; got {traces}")
    return chosen


def checked_probs(choice_probs: ArrayLike, traces: Traces, scored: BoolArray) -> FloatArray:
    """Choice probabilities [E, T, N, A] as float64, 0 wherever no such action exists or nothing is scored.

    Raises:
        ValueError: another shape, or rows of scored decisions that are no probabilities over the agent's actions.
    """
    probs = np.asarray(choice_probs, dtype=np.float64)
    counts = np.array(traces.action_counts)
    if probs.shape != (*traces.actions.shape, counts.max()):
        shape = [*traces.actions.shape, int(counts.max())]
        raise ValueError(f"choice probabilities must be [E, T, N, A] = {shape}; got {list(probs.shape)}")
    exists = np.arange(counts.max()) < counts[:, None]
    probs = np.where(exists & scored[..., None], probs, 0.0)
    wrong = scored & ~(np.isclose(probs.sum(-1), 1, atol=1e-4) & (probs >= 0).all(-1))
    if wrong.any():
        episode, round_, agent = np.argwhere(wrong)[0]
        raise ValueError(
            f"episode {traces.episodes[episode]!r}, round {round_}, agent {traces.agents[agent]!r}: "
            f"{probs[episode, round_, agent]} are no choice probabilities"
        )
    return probs


def chosen_probs(probs: FloatArray, traces: Traces) -> FloatArray:
    """Probability of the action taken, [E, T, N, A] -> [E, T, N]; meaningless where it was not observed."""
    return np.take_along_axis(probs, traces.actions.clip(min=0)[..., None], -1)[..., 0]
