"""Play that learns nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.parts.choice_rules import FloatArray
from agents.parts.learner import Learner
from diml_envs.games.players import Feedback


@dataclass(frozen=True)
class Uniform(Learner[FloatArray]):
    """Every action equally likely, whatever happens."""

    def start(self, batch_shape: tuple[int, ...], num_actions: int) -> FloatArray:
        """The choice probabilities, [*B, A]."""
        return np.full((*batch_shape, num_actions), 1 / num_actions)

    def choice_probs(self, state: FloatArray, observation: NDArray[np.float32] | None) -> FloatArray:
        """[*B, A]."""
        return state

    def update(self, state: FloatArray, feedback: Feedback) -> FloatArray:
        """Unchanged."""
        return state
