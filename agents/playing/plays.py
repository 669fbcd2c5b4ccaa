"""What both ways of playing return: plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms.base import MISSING


class Plays(NamedTuple):
    """Padded with `MISSING` and NaN where an agent did not play.

    Attributes:
        actions: int64 [E, T, N].
        payoffs: float64 [E, T, N].
        choice_probs: float64 [E, T, N, A].
        lengths: rounds of each episode, int64 [E].
    """

    actions: NDArray[np.int64]
    payoffs: NDArray[np.float64]
    choice_probs: NDArray[np.float64]
    lengths: NDArray[np.int64]

    @classmethod
    def blank(cls, num_episodes: int, num_rounds: int, action_counts: list[int]) -> Plays:
        """Nothing played yet."""
        shape = (num_episodes, num_rounds, len(action_counts))
        return cls(
            np.full(shape, MISSING),
            np.full(shape, np.nan),
            np.full((*shape, max(action_counts)), np.nan),
            np.full(num_episodes, num_rounds),
        )

    def joined(self) -> Plays:
        """All episodes one after the other as a single one."""
        played = np.arange(self.actions.shape[1]) < self.lengths[:, None]
        return Plays(
            self.actions[played][None],
            self.payoffs[played][None],
            self.choice_probs[played][None],
            self.lengths.sum(keepdims=True),
        )
