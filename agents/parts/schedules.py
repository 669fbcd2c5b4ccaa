"""Exploration that falls with time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """start (1 - t / rounds), zero from t = rounds on; t counts the learner's own decisions from 0.

    Raises:
        ValueError: start outside [0, 1], or rounds not above 0.
    """

    start: float = 1.0
    rounds: float = 1000.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1 or not 0 < self.rounds < math.inf:
            raise ValueError(f"Linear: start must be in [0, 1] and rounds above 0; got {self.start}, {self.rounds}")

    def __call__(self, time: FloatArray) -> FloatArray:
        """Exploration at each time."""
        return self.start * np.maximum(1 - time / self.rounds, 0)


@dataclass(frozen=True)
class Exponential:
    """floor + (start - floor) exp(-rate t); t counts the learner's own decisions from 0.

    Raises:
        ValueError: start or floor outside [0, 1], or a negative rate.
    """

    start: float = 1.0
    rate: float = 0.01
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.start <= 1 and 0 <= self.floor <= 1 and 0 <= self.rate < math.inf):
            raise ValueError(
                "Exponential: start and floor must be in [0, 1] and rate 0 or more; "
                f"got {self.start}, {self.floor}, {self.rate}"
            )

    def __call__(self, time: FloatArray) -> FloatArray:
        """Exploration at each time."""
        return self.floor + (self.start - self.floor) * np.exp(-self.rate * time)


Exploration = float | Linear | Exponential


def exploration_at(exploration: Exploration, time: FloatArray) -> float | FloatArray:
    """Exploration after so many decisions, time [*B, 1]; a number stays one."""
    return exploration(time) if isinstance(exploration, Linear | Exponential) else exploration
