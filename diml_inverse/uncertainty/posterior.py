"""`PosteriorUncertainty`: of a table of payoffs that is linear in weights with a normal posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.uncertainty.base import Uncertainty
from diml_inverse.uncertainty.covariance import Covariance
from diml_inverse.uncertainty.fitted import Fitted

LARGEST_SAVED = 2**23  # features that go into a file, 64 MB


class WeightedTable(TabularMechanism):
    """A table of payoffs that is the product of features, [A_1, ..., A_N, N, W], and weights, [W]."""

    features: Tensor

    def __init__(self, features: Tensor, weights: Tensor) -> None:
        Mechanism.__init__(self, features.shape[:-2])
        self.weights = nn.Parameter(weights)
        self.register_buffer("features", features)

    @property
    def table(self) -> Tensor:  # type: ignore[override]
        """[A_1, ..., A_N, N]"""
        return self.features @ self.weights


class PosteriorUncertainty(Uncertainty):
    """The normal posterior of the weights of which a table of payoffs is made.

    Its intervals are credible intervals: they count the prior as knowledge, also where nobody played, and take the
    prior's variances and the learners' parameters as given. Each agent's payoffs sum to zero over its own actions;
    this level is a convention, of which nothing is known.

    Args:
        mechanism: the table at the posterior mode.
        dynamics: the learners, parameters known.
        features: gives [A_1, ..., A_N, N, W], what each weight adds to each payoff.
        weights: posterior mode, [W].
        covariance: [W, W].
        facts: as `Uncertainty.facts` has them.
    """

    kinds: ClassVar[tuple[str, ...]] = ("posterior",)

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        features: Callable[[], Tensor],
        weights: Tensor,
        covariance: Tensor,
        facts: Mapping[str, Any],
    ) -> None:
        super().__init__(mechanism, dynamics)
        self._counts, self._features, self._weights = mechanism.action_counts, features, weights
        self._matrix, self._facts = covariance, {**facts, "covariance": "posterior", "parameters": len(weights)}

    @cached_property
    def fitted(self) -> Fitted:
        return Fitted(WeightedTable(self._features(), self._weights), self._origin[1])

    def covariance(self, kind: str | None = None) -> Covariance:
        self._check(kind)
        size = len(self._weights)
        ones, zeros = torch.ones(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        return Covariance("posterior", self._matrix, self._matrix, ones, zeros[:, None][:, :0], zeros)

    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def made(self, kind: str | None = None) -> str:
        return "posterior of the weights of kinds of interaction, prior variances chosen by evidence"

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Mechanism, Dynamics]]:
        drawn = super().draws(num, seed, kind)
        tables = [TabularMechanism.from_payoffs(one.table) for one, _ in drawn if isinstance(one, WeightedTable)]
        return [(table.requires_grad_(False), its) for table, (_, its) in zip(tables, drawn, strict=True)]

    @property
    def computed(self) -> bool:
        entries = math.prod(self._counts) * len(self._counts) * len(self._weights)
        return entries <= LARGEST_SAVED

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = {"weights": self._weights, "matrix": self._matrix, "features": self._features()}
        return tensors, {"facts": self._facts}

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Self:
        features = tensors["features"]
        return cls(mechanism, dynamics, lambda: features, tensors["weights"], tensors["matrix"], facts["facts"])
