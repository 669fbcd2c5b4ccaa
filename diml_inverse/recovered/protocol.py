"""`Estimator` and `Predictor`: what every inverse method offers, built-in or a user's own."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from diml_envs.traces import Traces
from diml_inverse.recovered.recovered import Recovered

Found = TypeVar("Found", bound=Recovered)
FoundBy = TypeVar("FoundBy", bound=Recovered, covariant=True)


@runtime_checkable
class Predictor(Protocol):
    """Predicts each choice from the play before it. `Estimate` and `ClonedPolicy` do."""

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """[E, T, N, A]; at each round given all earlier ones; 0 where an agent has no such action."""
        ...

    def log_likelihood(self, traces: Traces) -> float:
        """Mean nats per scored decision, those of round 0 not among them."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """Anything with `fit(traces)`. The traces are all it gets: payoffs are not in them.

    What it returns is an `Estimate` if it recovers a mechanism; a `Predictor` at least, so that its predictions of
    behaviour can be scored.
    """

    def fit(self, traces: Traces) -> Predictor:
        """Learn from observed play."""
        ...


class FitsMechanism(Protocol[FoundBy]):
    """An estimator of mechanisms, such as `StructuredMLE` and `DIML`."""

    def fit(self, traces: Traces) -> FoundBy:
        """Recover the mechanism behind observed play."""
        ...
