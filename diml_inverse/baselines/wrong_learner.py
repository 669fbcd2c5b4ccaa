"""`WrongLearner`: what a wrong belief about the learners does to an estimate."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Protocol

from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.prediction.simulation import scaled_learners


class EstimatorUnderDynamics(Protocol):
    """An estimator that is told how the agents learn: `DIML`, `StructuredMLE`, `TabularMLE`."""

    dynamics: Any

    def fit(self, traces: Traces) -> Estimate: ...


class WrongLearner:
    """Another estimator, made to believe in learners of a wrong precision (An & Du 2026: 0.6 of the right one).

    Payoffs and precision show only as a product in what logit learners do, so the payoffs come out larger by
    1 / precision_factor, apart from what exploration and early stopping make of it; predictions of unchanged play
    are as good as the right learner's.

    Args:
        estimator: with the right dynamics; left as it is.
        precision_factor: wrong precision / right precision, above 0.

    Raises:
        ValueError: a factor not above 0, or dynamics without a precision.
    """

    def __init__(self, estimator: EstimatorUnderDynamics, precision_factor: float = 0.6) -> None:
        if not precision_factor > 0:
            raise ValueError(f"precision_factor must be above 0; got {precision_factor}")
        if not isinstance(estimator.dynamics, Dynamics):
            raise ValueError(
                f"a wrong belief needs a right one: give the estimator dynamics, not {estimator.dynamics!r}"
            )
        self.precision_factor = precision_factor
        self.estimator = copy.copy(estimator)
        self.estimator.dynamics = scaled_learners(estimator.dynamics, precision=precision_factor)

    def fit(self, traces: Traces) -> Estimate:
        """Fit under the wrong precision; raises what the estimator raises."""
        estimate = self.estimator.fit(traces)
        info = {"estimator": type(self).__name__, "precision_factor": self.precision_factor}
        return replace(estimate, info={**estimate.info, **info, "inner_estimator": estimate.info.get("estimator")})
