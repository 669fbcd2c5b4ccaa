"""`ChoiceUncertainty`: of a fit whose model of learning was chosen among some that predict about as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Contexts
from diml_inverse.uncertainty.base import Ends, Uncertainty
from diml_inverse.uncertainty.covariance import Covariance
from diml_inverse.uncertainty.fitted import Function


class ChoiceUncertainty(Uncertainty):
    """The chosen model's standard errors; intervals of payoffs that hold those under every model not told apart.

    Union of intervals: each covers its level if its model is right, so their union does whichever of them is. (Weights
    by stacking would be narrower, but say nothing of the case in which one of the models is right.) Models count
    payoffs in units of their own, so intervals of the others are brought to the chosen one's by the ratio of root mean
    squares of payoff differences.

    Args:
        chosen: of the model chosen.
        others: of those that cannot be told from it, by name.
        factors: what payoffs under each of the others are multiplied by: see `factors_of`.
        missing: names of further ones that a file did not hold.
    """

    def __init__(
        self,
        chosen: Uncertainty,
        others: Mapping[str, Uncertainty],
        factors: Mapping[str, float],
        missing: Sequence[str] = (),
    ) -> None:
        super().__init__(chosen.fitted.mechanism, chosen.fitted.dynamics, chosen.of_learners)
        self.chosen, self.others, self.factors = chosen, dict(others), dict(factors)
        self.missing = tuple(missing)

    @property
    def fitted(self) -> Any:
        return self.chosen.fitted

    @property
    def models(self) -> Sequence[Uncertainty]:
        return (self.chosen, *self.others.values())

    def facts(self) -> Mapping[str, Any]:
        return self.chosen.facts()

    def made(self, kind: str | None = None) -> str:
        held = f"; intervals also hold those under {', '.join(self.others)}" if self.others else ""
        lacking = f"; the file does not hold those under {', '.join(self.missing)}" if self.missing else ""
        return self.chosen.made(kind) + held + lacking

    def covariance(self, kind: str | None = None) -> Covariance:
        return self.chosen.covariance(kind)

    def degrees(self, kind: str | None = None) -> float:
        return self.chosen.degrees(kind)

    def variances(self, values: Tensor, kind: str | None = None) -> Tensor:
        return self.chosen.variances(values, kind)

    def between(self, values: Tensor, kind: str | None = None) -> Tensor:
        return self.chosen.between(values, kind)

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Any, Any]]:
        """Of each model in turn, each as it was fitted."""
        models = self.models
        shares = [len(range(place, num, len(models))) for place in range(len(models))]
        drawn = [list(one.draws(share, seed)) for one, share in zip(models, shares, strict=True)]
        return [drawn[place % len(models)][place // len(models)] for place in range(num)]

    def ends(self, function: Function, level: float = 0.95, kind: str | None = None) -> Ends:
        """By the chosen model alone: a function of learners' parameters means something else in another."""
        return self.chosen.ends(function, level, kind)

    def ends_of_contexts(
        self,
        contexts: Contexts,
        exists: Tensor,
        level: float = 0.95,
        kind: str | None = None,
        against: int | None = None,
    ) -> Ends:
        own = self.chosen.ends_of_contexts(contexts, exists, level, kind, against)
        low, high = own.low, own.high
        for name, other in self.others.items():
            ends = other.ends_of_contexts(contexts, exists, level, against=against)
            low = torch.minimum(low, self.factors[name] * ends.low)
            high = torch.maximum(high, self.factors[name] * ends.high)
        return Ends(own.value, own.standard_error, low, high)

    def side_by_side(self, contexts: Contexts, exists: Tensor) -> dict[str, Tensor]:
        """Payoff differences under each of the others, in the chosen one's unit, float64 [K, A] each."""
        with torch.no_grad():
            return {
                name: self.factors[name] * other.fitted.centred_payoffs(contexts, exists).double().cpu()
                for name, other in self.others.items()
            }

    @property
    def computed(self) -> bool:
        return self.chosen.computed


def factors_of(
    chosen: Uncertainty, others: Mapping[str, Uncertainty], contexts: Contexts, exists: Tensor
) -> dict[str, float]:
    """Ratios of root mean squares of payoff differences, over contexts in which actions exist, [K, A]."""
    own = _size(chosen, contexts, exists)
    sizes = {name: _size(other, contexts, exists) for name, other in others.items()}
    return {name: own / size if size > 0 else 1.0 for name, size in sizes.items()}


def _size(uncertainty: Uncertainty, contexts: Contexts, exists: Tensor) -> float:
    """Root mean square of payoff differences."""
    with torch.no_grad():
        payoffs = uncertainty.fitted.centred_payoffs(contexts, exists).double()
    return float((payoffs.square().sum() / exists.sum()).sqrt())
