"""`Uncertainty`: how precisely an estimate is known, and what follows from it. What it rests on is a subclass's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import torch
from scipy.stats import t as student
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import ObservedPlay
from diml_inverse.uncertainty.covariance import Covariance
from diml_inverse.uncertainty.fitted import Fitted, Function, jacobian_rows


class Ends(NamedTuple):
    """A value with its standard error and the ends of its interval, each of the value's shape."""

    value: Tensor
    standard_error: Tensor
    low: Tensor
    high: Tensor


def quantile(level: float, degrees: float = math.inf) -> float:
    """Half width of an interval in standard errors, by Student's t; with infinite degrees normal, 1.96 for .95.

    Raises:
        ValueError: a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1; got {level}")
    return float(student.ppf((1 + level) / 2, degrees))


class Uncertainty:
    """A normal distribution about an estimate, computed when first asked for; functions of it by the delta method.

    Subclasses define `facts`, `covariance`, `saved` and `restored`, or, if their parameters are too many for a matrix,
    `variances`, `between` and `draws` instead of `covariance`.

    Args:
        mechanism, dynamics: as fitted.
        of_learners: names (`dynamics.named_parameters()`) of the learners' parameters fitted too.

    Attributes:
        kinds: names of the covariances there are, the first of them unless `facts` names another as the default.
    """

    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, mechanism: Mechanism, dynamics: Dynamics, of_learners: Sequence[str] = ()) -> None:
        self._origin = mechanism, dynamics
        self.of_learners = tuple(of_learners)

    @property
    def origin(self) -> tuple[Mechanism, Dynamics]:
        """Mechanism and dynamics as given."""
        return self._origin

    @cached_property
    def fitted(self) -> Fitted:
        """The parameters, free to be differentiated in."""
        return Fitted(*self._origin, self.of_learners)

    @property
    def models(self) -> Sequence[Uncertainty]:
        """Those whose intervals are all to be held: this one alone, unless it stands for a choice among several."""
        return (self,)

    def facts(self) -> Mapping[str, Any]:
        """log_likelihood (nats, total), decisions, episodes, covariance (the default kind), parameters, identified
        (how many of these, or how many the play determined), penalty (in words)."""
        raise NotImplementedError(f"{type(self).__name__} must define facts()")

    def made(self, kind: str | None = None) -> str:
        """How standard errors and intervals were made, in words."""
        raise NotImplementedError(f"{type(self).__name__} must define made()")

    def covariance(self, kind: str | None = None) -> Covariance:
        """Covariance of the parameters: the mechanism's, then the learners' raw ones.

        kind: one of `kinds`, or None for the default.

        Raises:
            ValueError: there is no such covariance.
        """
        raise ValueError(
            f"{type(self).__name__} holds no matrix of all parameters: ask for `variances` of what they say"
        )

    def degrees(self, kind: str | None = None) -> float:
        """Of freedom of the t distribution for intervals and tests; infinite for the normal one."""
        self._check(kind)
        return math.inf

    def variances(self, values: Tensor, kind: str | None = None) -> Tensor:
        """Of numbers computed from `fitted`, [M] -> float64 [M]; infinite where play does not identify one."""
        covariance = self.covariance(kind)
        if not values.requires_grad:
            return torch.zeros(values.shape, dtype=torch.float64)
        rows = jacobian_rows(values, self.fitted.parameters)
        return torch.cat([covariance.variances(some.double().cpu()) for some in rows])

    def between(self, values: Tensor, kind: str | None = None) -> Tensor:
        """Covariance of numbers computed from `fitted`, [M] -> float64 [M, M]."""
        return self.covariance(kind).between(self.fitted.jacobian(values))

    def variances_of_contexts(self, contexts: Contexts, exists: Tensor, kind: str | None = None) -> Tensor:
        """Of payoffs less their mean over own actions. bool [K, A] -> [K, A]; NaN where there is no such action."""
        values = self.fitted.centred_payoffs(contexts, exists).reshape(-1)
        return self.variances(values, kind).reshape(exists.shape).masked_fill(~exists.cpu(), torch.nan)

    def of(self, function: Function, kind: str | None = None) -> tuple[Tensor, Tensor]:
        """A function of mechanism and dynamics: its value, float64 [*S], and variance [*S]."""
        value = self.fitted.value(function)
        return value.detach().double().cpu(), self.variances(value.reshape(-1), kind).reshape(value.shape)

    def ends(self, function: Function, level: float = 0.95, kind: str | None = None) -> Ends:
        """A function of mechanism and dynamics with the interval at this level; each of the value's shape.

        By standard errors. Subclasses know where these do not apply.

        Raises:
            ValueError: a level outside (0, 1).
        """
        value, variances = self.of(function, kind)
        half = quantile(level, self.degrees(kind)) * variances.sqrt()
        return Ends(value, variances.sqrt(), value - half, value + half)

    def ends_of_contexts(
        self,
        contexts: Contexts,
        exists: Tensor,
        level: float = 0.95,
        kind: str | None = None,
        against: int | None = None,
    ) -> Ends:
        """As `ends`, of payoffs less their mean over own actions, or less that of one, [K, A]; NaN for no action."""
        value = self.fitted.centred_payoffs(contexts, exists, against)
        error = self.variances(value.reshape(-1), kind).sqrt().reshape(exists.shape)
        value = value.detach().double().cpu()
        half = quantile(level, self.degrees(kind)) * error
        return Ends(
            *(part.masked_fill(~exists.cpu(), torch.nan) for part in (value, error, value - half, value + half))
        )

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Mechanism, Dynamics]]:
        """Mechanisms and learners drawn from the normal distribution, for bands around what follows from them.

        What play does not identify stays as it was estimated. Learners' parameters are drawn on the scales they are
        fitted on and so stay in their ranges.

        Args:
            num: of draws.
            seed: of the draws.
            kind: as in `covariance`.

        Returns:
            Frozen copies in float64, each a pair as `estimate.mechanism, estimate.dynamics`.
        """
        noise = torch.randn(num, self.fitted.size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        return [self.fitted.moved(step) for step in self.covariance(kind).steps(noise)]

    @property
    def computed(self) -> bool:
        """Whether there is anything to save."""
        raise NotImplementedError(f"{type(self).__name__} must define computed")

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values from which `restored` makes this again; the play is not among them."""
        raise NotImplementedError(f"{type(self).__name__} must define saved()")

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Self:
        """What `saved` gave."""
        raise NotImplementedError(f"{cls.__name__} must define restored()")

    def _check(self, kind: str | None) -> None:
        if kind not in (None, *self.kinds):
            raise ValueError(f"covariance must be one of {', '.join(self.kinds)}; got {kind!r}")


def facts_of_play(play: ObservedPlay, totals: Tensor) -> dict[str, Any]:
    """Those of `Uncertainty.facts` that follow from the play. totals: log-likelihood of each episode, [G].

    Episodes are those with a decision that is scored.
    """
    episodes = int(play.scored.flatten(1).any(1).sum())
    return {"log_likelihood": float(totals.sum()), "decisions": int(play.scored.sum()), "episodes": episodes}
