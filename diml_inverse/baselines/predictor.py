"""`Predictor`: what metrics of behaviour need of any result, with or without a mechanism in it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces


@runtime_checkable
class Predictor(Protocol):
    """Predicts each choice from the play before it. `Estimate` and `ClonedPolicy` do."""

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """[E, T, N, A]; at each round given all earlier ones; 0 where an agent has no such action."""
        ...

    def log_likelihood(self, traces: Traces) -> float:
        """Mean nats per scored decision, those of round 0 not among them."""
        ...
