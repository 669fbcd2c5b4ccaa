"""`MaximumUncertainty`: of a maximum-likelihood estimate, from the curvature there and the episodes' scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import ObservedPlay
from diml_inverse.uncertainty.base import Uncertainty, facts_of_play
from diml_inverse.uncertainty.covariance import Covariance, clustered_covariance, information_covariance
from diml_inverse.uncertainty.information import observed_information

EPISODES_PER_PARAMETER = 5  # from which the variance of so many scores is better than a guess
MADE = {
    "clustered": "inverse curvature around the variance of the episodes' scores (sandwich)",
    "information": "inverse curvature of the log-likelihood (observed information)",
}


class MaximumUncertainty(Uncertainty):
    """Covariance of a maximum-likelihood estimate, from the play it was fitted to.

    Two kinds. "information" inverts the curvature of the log-likelihood: right if the surrogate learners are. It
    counts the ridge as knowledge of the parameters. "clustered" (White 1982; Liang & Zeger 1986) puts the variance of
    the episodes' scores inside, times G / (G - 1), and takes quantiles from Student's t with G - 1 degrees of freedom:
    right for independent episodes whatever goes on within them, also when learners differ from the surrogate. That
    needs many episodes for each parameter: with few it is noisy, too small, and blind in as many directions as episodes
    are lacking. The default is therefore "clustered" from 5 episodes for each identified parameter on, else
    "information".

    Args:
        mechanism, dynamics, of_learners: as in `Uncertainty`.
        play: what they were fitted to.
        ridge: of the fit.
    """

    kinds: ClassVar[tuple[str, ...]] = ("clustered", "information")

    def __init__(
        self, mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay, ridge: float, of_learners: Sequence[str]
    ) -> None:
        super().__init__(mechanism, dynamics, of_learners)
        self._play: ObservedPlay | None = play
        self._ridge = ridge
        self._covariances: dict[str, Covariance] = {}
        self._facts: dict[str, Any] = {}

    def covariance(self, kind: str | None = None) -> Covariance:
        self._check(kind)
        if not self._covariances:
            self._compute()
        chosen = kind or self._facts["covariance"]
        if chosen not in self._covariances:
            raise ValueError(f"a clustered covariance needs two episodes at least; there is {self._facts['episodes']}")
        return self._covariances[chosen]

    def facts(self) -> Mapping[str, Any]:
        self.covariance()
        return self._facts

    def made(self, kind: str | None = None) -> str:
        return MADE[self.covariance(kind).kind]

    @property
    def computed(self) -> bool:
        return bool(self._covariances)

    def degrees(self, kind: str | None = None) -> float:
        episodes = int(self.facts()["episodes"])
        return episodes - 1 if self.covariance(kind).kind == "clustered" else super().degrees(kind)

    def _compute(self) -> None:
        assert self._play is not None
        fitted, play = self.fitted, self._play
        hessian, scores, totals = observed_information(fitted, play)
        ridge = torch.zeros(fitted.size, dtype=torch.float64)
        ridge[: fitted.num_on_payoffs] = self._ridge
        information = information_covariance(hessian, ridge, scores, fitted.vector().cpu())
        spoke = play.scored.flatten(1).any(1).cpu()
        self._covariances["information"] = information
        if spoke.sum() > 1:
            self._covariances["clustered"] = clustered_covariance(information, scores[spoke])
        enough = int(spoke.sum()) >= max(2, EPISODES_PER_PARAMETER * information.num_identified)
        self._facts = {
            **facts_of_play(play, totals),
            "covariance": "clustered" if enough else "information",
            "parameters": fitted.size,
            "identified": information.num_identified,
            "penalty": f"ridge {self._ridge:g}" if self._ridge else "none",
        }

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = self.covariance("information").tensors()
        if "clustered" in self._covariances:
            tensors["clustered"] = self._covariances["clustered"].matrix
        return tensors, {"facts": self._facts, "of_learners": list(self.of_learners)}

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Self:
        made = cls.__new__(cls)
        Uncertainty.__init__(made, mechanism, dynamics, facts["of_learners"])
        made._play, made._facts = None, dict(facts["facts"])
        parts = {name: tensors[name] for name in ("bread", "scale", "lost", "ridge")}
        made._covariances = {"information": Covariance("information", tensors["bread"], **parts)}
        if "clustered" in tensors:
            made._covariances["clustered"] = Covariance("clustered", tensors["clustered"], **parts)
        return made
