"""`LogitDynamics`: attractions as a recency-weighted mean of counterfactual payoffs, choices by logit response."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from torch import Tensor

from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.parameters import Value


class LogitDynamics(AttractionDynamics):
    """Logit-Q learning with full feedback (An & Du 2026, section 3).

        A(t+1) = (1 - learning_rate) A(t) + learning_rate u(t)
        pi(t)  = (1 - exploration) softmax(precision A(t)) + exploration / A

    Args:
        learning_rate: recency weight, in (0, 1].
        precision: inverse temperature, in 1 / payoff, at least 0.
        exploration: share of choices made uniformly at random, in [0, 1).
        fit: names of parameters to be fitted with the mechanism, as in `AttractionDynamics`.

    Raises:
        ValueError: a parameter outside its range.
    """

    def __init__(
        self,
        learning_rate: Value = 0.25,
        precision: Value = 3.0,
        exploration: Value = 0.06,
        *,
        fit: Collection[str] = (),
    ) -> None:
        for rate in learning_rate if isinstance(learning_rate, Sequence) else [learning_rate]:
            if not 0 < rate <= 1:
                raise ValueError(f"learning_rate must be in (0, 1]; got {rate}")
        super().__init__(learning_rate, precision=precision, exploration=exploration, fit=fit)

    @property
    def learning_rate(self) -> Tensor:
        """[] or [N]."""
        return self.value("learning_rate")

    @property
    def precision(self) -> Tensor:
        """[] or [N]."""
        return self.value("precision")

    @property
    def exploration(self) -> Tensor:
        """[] or [N]."""
        return self.value("exploration")

    def config(self) -> dict[str, Any]:
        shown = {name: self.learner.value(name).tolist() for name in ("learning_rate", "precision", "exploration")}
        return {**shown, "fit": list(self.learner.fitted)} if self.learner.fitted else shown
