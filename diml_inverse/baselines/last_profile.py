"""The last round's joint profile as the state of play: where play was in it, and what followed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces import Traces

FloatArray = NDArray[np.float64]


def number_of_profiles(action_counts: Sequence[int]) -> int:
    """S, the joint actions there are."""
    return math.prod(action_counts)


def last_profiles(traces: Traces) -> NDArray[np.int64]:
    """Number of the profile of the round before, int64 [E, T]; S at round 0 and after one not observed whole."""
    shape = traces.action_counts
    before, whole = traces.actions[:, :-1], traces.observed[:, :-1].all(-1)
    places = np.ravel_multi_index(tuple(np.moveaxis(before.clip(0), -1, 0)), shape)
    unknown = number_of_profiles(shape)
    return np.pad(np.where(whole, places, unknown), ((0, 0), (1, 0)), constant_values=unknown)


def choice_shares(traces: Traces, pseudo_count: float) -> list[FloatArray]:
    """How often each agent chose each of its actions, [A_j] for each j, with `pseudo_count` choices added to each."""
    shares = []
    for agent, count in enumerate(traces.action_counts):
        chosen = traces.actions[..., agent]
        found = np.bincount(chosen[chosen != MISSING], minlength=count) + pseudo_count
        shares.append(found / found.sum())
    return shares


def choices_after(traces: Traces) -> list[FloatArray]:
    """How many choices of each action each agent made after each profile observed whole, [S, A_j] for each j."""
    states, profiles = last_profiles(traces), number_of_profiles(traces.action_counts)
    found = []
    for agent, count in enumerate(traces.action_counts):
        used = (states < profiles) & traces.observed[..., agent]
        place = states[used] * count + traces.actions[..., agent][used]
        found.append(np.bincount(place, minlength=profiles * count).reshape(profiles, count).astype(np.float64))
    return found


def mixtures(chosen: FloatArray, share: FloatArray, weight: float) -> FloatArray:
    """Shares of choices counted in each of some situations, [S, A], drawn towards those of all play, [A].

    weight: of these, in choices.
    """
    return (chosen + weight * share) / (chosen.sum(1, keepdims=True) + weight)


def independent(choices: Sequence[FloatArray], batch_shape: tuple[int, ...]) -> FloatArray:
    """Probability of each joint choice of agents who choose independently, [*B, A_j] for each j -> [*B, prod A_j]."""
    of_nobody = np.ones((*batch_shape, 1))
    return reduce(lambda p, q: (p[..., :, None] * q[..., None, :]).reshape(*batch_shape, -1), choices, of_nobody)
