"""What an agent is shown of the last round, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OBSERVATIONS = ("constant", "last_profile", "counts")


def observation_size(kind: str, action_counts: Sequence[int]) -> int:
    """Width D of an observation of this kind; the same for all agents."""
    return {"constant": 1, "last_profile": sum(action_counts), "counts": 2 * max(action_counts)}[kind]


def observations(kind: str, actions: NDArray[np.int64], action_counts: Sequence[int]) -> NDArray[np.float32]:
    """Every agent's observation after a joint action.

    - `constant`: a single 1, whatever happened.
    - `last_profile`: one-hot last actions of all agents side by side.
    - `counts`: one-hot own last action, then the shares of the others' last actions, each padded with zeros to
      the largest number of actions A.

    Args:
        kind: one of `OBSERVATIONS`.
        actions: the last joint action, int [*B, N]; `MISSING` (before the first round) shows as zeros.
        action_counts: number of actions of each agent, N of them.

    Returns:
        float32 [*B, N, D] with entries in [0, 1]; may be a read-only view shared by the agents.
    """
    if kind == "constant":
        return np.ones((*actions.shape, 1), np.float32)
    one_hot = actions[..., None] == np.arange(max(action_counts))  # [*B, N, A]
    if kind == "last_profile":
        profile = one_hot[..., np.arange(max(action_counts)) < np.array(action_counts)[:, None]]
        return _shown_to_all(profile.astype(np.float32), len(action_counts))
    others = one_hot.sum(-2, keepdims=True) - one_hot
    shares = others / max(len(action_counts) - 1, 1)
    return np.concatenate([one_hot, shares], -1, dtype=np.float32)


def _shown_to_all(shared: NDArray[np.float32], num_agents: int) -> NDArray[np.float32]:
    return np.broadcast_to(shared[..., None, :], (*shared.shape[:-1], num_agents, shared.shape[-1]))
