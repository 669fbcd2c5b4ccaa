"""`Estimator`: what every inverse method offers, built-in or a user's own."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from diml_envs.traces import Traces
from diml_inverse.estimate import Estimate


@runtime_checkable
class Estimator(Protocol):
    """Anything with `fit(traces) -> Estimate`. The traces are all it gets: payoffs are not in them."""

    def fit(self, traces: Traces) -> Estimate:
        """Recover a mechanism from observed play."""
        ...
