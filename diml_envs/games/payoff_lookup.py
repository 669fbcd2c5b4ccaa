"""Fast numpy access to a mechanism's counterfactual payoffs, the same whatever the batch."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms.base import Mechanism

LARGEST_TABLE = 2**20  # payoffs: 8 MiB in float64, a moment to fill


class PayoffLookup:
    """Counterfactual payoffs of a mechanism as it is now; what is later done to the mechanism does not show.

    A game with few joint actions is tabulated once and then only looked up. In a larger one a float64 copy of the
    mechanism is evaluated, and its payoffs are rounded to float32: matrix products differ in the last bits with the
    size of the batch, and play must not depend on how many episodes run side by side.

    Raises:
        ValueError: a payoff that is not finite (on the call that meets it, when the game is not tabulated).
    """

    def __init__(self, mechanism: Mechanism) -> None:
        self._mechanism = copy.deepcopy(mechanism).to("cpu", torch.float64)
        self._has_action = mechanism.action_mask.numpy()  # [N, A]
        counts = mechanism.action_counts
        self._table: NDArray[np.float64] | None = None
        if math.prod(counts) * len(counts) * max(counts) <= LARGEST_TABLE:
            self._strides = np.array([math.prod(counts[i + 1 :]) for i in range(len(counts))])
            profiles = np.stack(np.unravel_index(np.arange(math.prod(counts)), counts), -1)
            self._table = self._evaluate(profiles)
            self._table.flags.writeable = False  # rows are handed out as views

    def __call__(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """int [*B, N], each in its range -> float64 [*B, N, A]; NaN where agent i has no action b."""
        if self._table is not None:
            return self._table[actions @ self._strides]
        return self._evaluate(actions).astype(np.float32).astype(np.float64)

    def _evaluate(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        with torch.no_grad():
            payoffs = self._mechanism.counterfactual_payoffs(torch.as_tensor(actions)).double().numpy()
        if not np.isfinite(payoffs[..., self._has_action]).all():
            raise ValueError(
                f"{type(self._mechanism).__name__} gives a payoff that is not finite; "
                "a game can only be played for finite payoffs"
            )
        return payoffs
