"""`MaximumUncertainty`: of a maximum-likelihood estimate, from the curvature there and the episodes' scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import ObservedPlay
from diml_inverse.uncertainty.base import Ends, Uncertainty, facts_of_play, quantile
from diml_inverse.uncertainty.covariance import Covariance, clustered_covariance, information_covariance
from diml_inverse.uncertainty.fitted import Function
from diml_inverse.uncertainty.information import observed_information
from diml_inverse.uncertainty.one_sided import Likelihoods, linear_rows
from diml_inverse.uncertainty.remembered import RememberedEnds

EPISODES_PER_PARAMETER = 5  # from which the variance of so many scores is better than a guess
FEWEST_EPISODES = 20  # below which a sandwich is too narrow even for one parameter, t quantiles or not
MOST_HALVINGS = 12
SLACK = 2.0  # nats that a draw may be less likely than the normal approximation has it
MADE = {
    "clustered": "inverse curvature around the variance of the episodes' scores (sandwich)",
    "information": "inverse curvature of the log-likelihood (observed information)",
}
SOME_LEFT = "; more actions are hardly chosen than the likelihood was followed for: the rest by standard errors alone"
SAVED = (
    "; from a file, without the play: where an action is hardly chosen, ends are those asked for before it was saved, "
    "all else is by standard errors"
)
NOT_SAVED = (
    "; from an older file, without the play: by standard errors alone, which mean nothing where an action is hardly "
    "chosen"
)


class MaximumUncertainty(Uncertainty):
    """Covariance of a maximum-likelihood estimate, from the play it was fitted to.

    Two kinds. "information" inverts the curvature of the log-likelihood: right if the surrogate learners are. It
    counts the ridge as knowledge of the parameters. "clustered" (White 1982; Liang & Zeger 1986) puts the variance of
    the episodes' scores inside, times G / (G - 1), and takes quantiles from Student's t with G - 1 degrees of freedom:
    right for independent episodes whatever goes on within them, also when learners differ from the surrogate; episodes
    that share people (`Traces.clusters`) count as one. That needs many episodes for each parameter: with few it is
    noisy, too small, and blind in as many directions as episodes are lacking. The default
    is therefore "clustered" from 20 episodes on, and 5 for each identified parameter, else "information". Either gives
    way to the profile likelihood where an action was never or hardly chosen: see `profile`.

    Args:
        mechanism, dynamics, of_learners: as in `Uncertainty`.
        play: what they were fitted to.
        ridge: of the fit, in words.
        weights: what it amounts to for each parameter of the mechanism, [P]; None: the ridge for each.
    """

    kinds: ClassVar[tuple[str, ...]] = ("clustered", "information")

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        play: ObservedPlay,
        ridge: float,
        of_learners: Sequence[str],
        weights: Tensor | None = None,
        profiles: bool = True,
    ) -> None:
        super().__init__(mechanism, dynamics, of_learners)
        self._play: ObservedPlay | None = play
        self._ridge, self._weights, self._profiles = ridge, weights, profiles
        self._covariances: dict[str, Covariance] = {}
        self._facts: dict[str, Any] = {}
        self._remembered: RememberedEnds | None = None  # of an estimate from a file

    def covariance(self, kind: str | None = None) -> Covariance:
        self._check(kind)
        if not self._covariances:
            self._compute()
        chosen = kind or self._facts["covariance"]
        if chosen not in self._covariances:
            raise ValueError("a clustered covariance needs two episodes at least of different people; there is 1")
        return self._covariances[chosen]

    def facts(self) -> Mapping[str, Any]:
        self.covariance()
        return self._facts

    def made(self, kind: str | None = None) -> str:
        return MADE[self.covariance(kind).kind] + self._lacking()

    def _lacking(self) -> str:
        """What intervals leave to standard errors that the likelihood might contradict, in words."""
        if self._play is not None:
            cut_short = "_likelihoods" in vars(self) and self._likelihoods is not None and self._likelihoods.cut_short
            return SOME_LEFT if cut_short else ""
        return NOT_SAVED if self._remembered is None else SAVED

    @property
    def computed(self) -> bool:
        return bool(self._covariances)

    def degrees(self, kind: str | None = None) -> float:
        clusters = int(self.facts().get("clusters", self.facts()["episodes"]))  # version 0.1.0 knew episodes only
        return clusters - 1 if self.covariance(kind).kind == "clustered" else super().degrees(kind)

    def _compute(self) -> None:
        assert self._play is not None
        fitted, play = self.fitted, self._play
        hessian, scores, totals = observed_information(fitted, play)
        ridge = torch.zeros(fitted.size, dtype=torch.float64)
        ridge[: fitted.num_on_payoffs] = self._ridge if self._weights is None else self._weights
        information = information_covariance(hessian, ridge, scores, fitted.vector().cpu())
        scores = of_clusters(play, scores)
        self._covariances["information"] = information
        if len(scores) > 1:
            self._covariances["clustered"] = clustered_covariance(information, scores)
        enough = len(scores) >= max(FEWEST_EPISODES, EPISODES_PER_PARAMETER * information.num_identified)
        self._facts = {
            **facts_of_play(play, totals),
            "clusters": len(scores),
            "covariance": "clustered" if enough else "information",
            "parameters": fitted.size,
            "identified": information.num_identified,
            "penalty": f"ridge {self._ridge:g}" if self._ridge else "none",
        }

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Mechanism, Dynamics]]:
        """As in `Uncertainty`, but no draw is less likely than its distance in standard errors says.

        Where play bounds a payoff on one side only, errors are large and draws to the other side would be absurd: such
        a step is cut to where the log-likelihood has fallen by half its squared length.
        """
        noise = torch.randn(num, self.fitted.size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        covariance = self.covariance(kind)
        return [
            self.fitted.moved(self._cut(step, float(one.square().sum())))
            for step, one in zip(covariance.steps(noise), noise, strict=True)
        ]

    def _cut(self, step: Tensor, square: float) -> Tensor:
        """The step, halved until the likelihood allows it."""
        start = self.fitted.vector().cpu()
        if self._remembered is not None:
            return self._cut_by_ends(start, step, self._remembered)
        if self._likelihoods is None or (before := self._likelihoods.falls(start)) is None:
            return step
        for _ in range(MOST_HALVINGS):
            fall = self._likelihoods.falls(start + step)
            if fall is None or fall - before <= square / 2 + SLACK:
                break
            step, square = step / 2, square / 4
        return step

    @staticmethod
    def _cut_by_ends(start: Tensor, step: Tensor, known: RememberedEnds) -> Tensor:
        """Likewise, until no function with known ends is far outside them."""
        most = max(1.0, known.beyond(start.numpy()))
        for _ in range(MOST_HALVINGS):
            if known.beyond((start + step).numpy()) <= most:
                break
            step = step / 2
        return step

    def ends(self, function: Function, level: float = 0.95, kind: str | None = None) -> Ends:
        by_errors = super().ends(function, level, kind)
        return self._corrected(by_errors, lambda: self.fitted.value(function), level)

    def ends_of_contexts(
        self,
        contexts: Contexts,
        exists: Tensor,
        level: float = 0.95,
        kind: str | None = None,
        against: int | None = None,
    ) -> Ends:
        by_errors = super().ends_of_contexts(contexts, exists, level, kind, against)
        return self._corrected(by_errors, lambda: self.fitted.centred_payoffs(contexts, exists, against), level)

    def _corrected(self, found: Ends, compute: Callable[[], Tensor], level: float) -> Ends:
        """The likelihood's own ends where it falls otherwise than standard errors say: see `profile`."""
        slopes = self.fitted.jacobian(compute().reshape(-1))
        if not len(slopes) or (self._likelihoods is None and self._remembered is None):
            return found
        rows = linear_rows(self.fitted, compute, slopes)
        if self._likelihoods is not None and not self._likelihoods.quick:
            # What is lost shows there as a level likelihood; elsewhere it is left to errors.
            rows &= self.covariance("information").reaches(slopes).numpy()
        source = self._likelihoods or self._remembered
        assert source is not None
        ends = source.ends(slopes.numpy() * rows[:, None], quantile(level))
        flat = [part.reshape(-1).clone() for part in found]
        for row, one in enumerate(ends):
            if one is not None and not math.isnan(float(flat[0][row])):
                error = flat[1][row] if math.isfinite(one.low) and math.isfinite(one.high) else math.inf
                inside = one.low < float(flat[0][row]) < one.high and math.isfinite(error)
                point = flat[0][row] if inside or math.isnan(one.point) else one.point
                for part, number in zip(flat, (point, error, one.low, one.high), strict=True):
                    part[row] = number
        return Ends(*(part.reshape(found.value.shape) for part in flat))

    def _follow_the_contexts_met(self) -> None:
        """So that their 95 % intervals are known; of others than tables only if they were asked for."""
        if self._play is None or self._likelihoods is None or not self._likelihoods.quick:
            return
        exists = ~self.fitted.mechanism.context_payoffs(self._play.contexts).isnan()
        for against in (None, 0):
            self.ends_of_contexts(self._play.contexts, exists, against=against)

    @cached_property
    def _likelihoods(self) -> Likelihoods | None:
        return None if self._play is None or not self._profiles else Likelihoods(self.fitted, self._play)

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = self.covariance("information").tensors()
        if "clustered" in self._covariances:
            tensors["clustered"] = self._covariances["clustered"].matrix
        self._follow_the_contexts_met()
        remembered = self._remembered if self._likelihoods is None else self._likelihoods.remembered
        if remembered is not None:
            tensors |= remembered.tensors()
        return tensors, {"facts": self._facts, "of_learners": list(self.of_learners)}

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Self:
        made = cls.__new__(cls)
        Uncertainty.__init__(made, mechanism, dynamics, facts["of_learners"])
        made._play, made._weights, made._profiles, made._facts = None, None, True, dict(facts["facts"])
        parts = {name: tensors[name] for name in ("bread", "scale", "lost", "ridge")}
        made._covariances = {"information": Covariance("information", tensors["bread"], **parts)}
        if "clustered" in tensors:
            made._covariances["clustered"] = Covariance("clustered", tensors["clustered"], **parts)
        known = "ends.numbers" in tensors  # not in the first files
        made._remembered = RememberedEnds.of(len(parts["scale"]), tensors) if known else None
        return made


def of_clusters(play: ObservedPlay, scores: Tensor) -> Tensor:
    """Scores [E, P] of episodes summed over those that share people, where any decision is scored. [C, P]"""
    clusters = torch.from_numpy(play.traces.clusters)
    spoke = play.scored.flatten(1).any(1).cpu()
    summed = scores.new_zeros(int(clusters.max()) + 1, scores.shape[1]).index_add_(0, clusters, scores)
    return summed[clusters[spoke].unique()]
