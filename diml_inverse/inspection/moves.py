"""Who took which action, as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces

MOST_LINES = 300  # episodes, or rounds, that are looked at
MOST_APART = 40  # actions looked at one by one; of more, only how many took which


def took(traces: Traces) -> NDArray[np.float64]:
    """Who took which action [E, T, D], each agent's last action left out; of many only how many took which."""
    sizes = traces.action_counts
    if sum(sizes) - len(sizes) > MOST_APART:
        return np.stack([(traces.actions == action).sum(-1) for action in range(max(sizes))], axis=-1).astype(float)
    columns = [traces.actions[..., i] == action for i, size in enumerate(sizes) for action in range(max(size - 1, 1))]
    return np.stack(columns, axis=-1).astype(float)
