"""`Uncertainty`: how precisely a fit pins down its parameters and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.inference.covariance import (
    Covariance,
    Kind,
    clustered_covariance,
    information_covariance,
)
from diml_inverse.inference.fitted import Fitted, Function, jacobian_rows
from diml_inverse.inference.information import observed_information
from diml_inverse.likelihood import ObservedPlay

EPISODES_PER_PARAMETER = 5  # from which the variance of so many scores is better than a guess
KINDS = ("clustered", "information")


class Uncertainty:
    """Covariance of a maximum-likelihood estimate, computed when first asked for, from the play it was fitted to.

    Two kinds. "information" inverts the curvature of the log-likelihood: right if the surrogate learners are. It
    counts the ridge as knowledge of the parameters. "clustered" (White 1982; Liang & Zeger 1986) puts the variance of
    the episodes' scores inside, times G / (G - 1): right for independent episodes whatever goes on within them, also
    when learners differ from the surrogate. That needs many episodes for each parameter: with few it is noisy, too
    small, and blind in as many directions as episodes are lacking. The default is therefore "clustered" from 5
    episodes for each identified parameter on, else "information".

    Args:
        mechanism, dynamics: as fitted.
        play: what they were fitted to.
        ridge: of the fit.
        of_learners: names (`dynamics.named_parameters()`) of the learners' parameters fitted too.
    """

    def __init__(
        self, mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay, ridge: float, of_learners: Sequence[str]
    ) -> None:
        self._origin = mechanism, dynamics
        self._play: ObservedPlay | None = play
        self.ridge, self.of_learners = ridge, tuple(of_learners)
        self._covariances: dict[Kind, Covariance] = {}
        self._facts: dict[str, Any] = {}

    @cached_property
    def fitted(self) -> Fitted:
        """The parameters, free to be differentiated in."""
        return Fitted(*self._origin, self.of_learners)

    def covariance(self, kind: str | None = None) -> Covariance:
        """Covariance of the parameters: the mechanism's, then the learners' raw ones.

        kind: "clustered", "information", or None for the default.

        Raises:
            ValueError: too many parameters, an estimate that is no maximum, or an unknown kind.
        """
        if kind not in (None, *KINDS):
            raise ValueError(f"covariance must be one of {', '.join(KINDS)}; got {kind!r}")
        if not self._covariances:
            self._compute()
        chosen = cast(Kind, kind or self._facts["covariance"])
        if chosen not in self._covariances:
            raise ValueError(f"a clustered covariance needs two episodes at least; there is {self._facts['episodes']}")
        return self._covariances[chosen]

    def facts(self) -> Mapping[str, Any]:
        """log_likelihood (nats, total), decisions, episodes, covariance (the default kind)."""
        self.covariance()
        return self._facts

    @property
    def computed(self) -> bool:
        """Whether there is anything to save."""
        return bool(self._covariances)

    def variances_of_contexts(self, contexts: Contexts, exists: Tensor, kind: str | None = None) -> Tensor:
        """Of payoffs less their mean over own actions. bool [K, A] -> [K, A]; NaN where there is no such action."""
        covariance, fitted = self.covariance(kind), self.fitted
        values = fitted.centred_payoffs(contexts, exists).reshape(-1)
        rows = jacobian_rows(values, fitted.parameters) if values.requires_grad else ()
        variances = [covariance.variances(some.double().cpu()) for some in rows] or [torch.zeros(values.shape)]
        return torch.cat(variances).reshape(exists.shape).masked_fill(~exists.cpu(), torch.nan)

    def of(self, function: Function, kind: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """A function of mechanism and dynamics: its value [*S], derivative [*S, P], variance [*S]."""
        value, slopes = self.fitted.gradient(function)
        return value, slopes, self.covariance(kind).variances(slopes.reshape(-1, self.fitted.size)).reshape(value.shape)

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Mechanism, Dynamics]]:
        """Mechanisms and learners drawn from the normal approximation, for bands around what follows from them.

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

    def _compute(self) -> None:
        assert self._play is not None
        fitted, play = self.fitted, self._play
        hessian, scores, totals = observed_information(fitted, play)
        ridge = torch.zeros(fitted.size, dtype=torch.float64)
        ridge[: fitted.num_on_payoffs] = self.ridge
        information = information_covariance(hessian, ridge)
        spoke = play.scored.flatten(1).any(1).cpu()
        self._covariances["information"] = information
        if spoke.sum() > 1:
            self._covariances["clustered"] = clustered_covariance(information, scores[spoke])
        enough = int(spoke.sum()) >= max(2, EPISODES_PER_PARAMETER * information.num_identified)
        self._facts = {
            "log_likelihood": float(totals.sum()),
            "decisions": int(play.scored.sum()),
            "episodes": int(spoke.sum()),
            "covariance": "clustered" if enough else "information",
        }

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values from which `restored` makes this again; the play is not among them."""
        tensors = self.covariance("information").tensors()
        if "clustered" in self._covariances:
            tensors["clustered"] = self._covariances["clustered"].matrix
        return tensors, {**self._facts, "ridge": self.ridge, "of_learners": list(self.of_learners)}

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Uncertainty:
        """What `saved` gave."""
        made = cls.__new__(cls)
        made._origin, made._play = (mechanism, dynamics), None
        made.ridge, made.of_learners = float(facts["ridge"]), tuple(facts["of_learners"])
        made._facts = {name: facts[name] for name in ("log_likelihood", "decisions", "episodes", "covariance")}
        parts = {name: tensors[name] for name in ("bread", "scale", "lost", "ridge")}
        made._covariances = {"information": Covariance("information", tensors["bread"], **parts)}
        if "clustered" in tensors:
            made._covariances["clustered"] = Covariance("clustered", tensors["clustered"], **parts)
        return made
