"""Weights and their prior variances, one variance for each kind of interaction, by the evidence.

Laplace's approximation about the posterior mode; variances by MacKay's fixed point (MacKay 1992): sum of squares over
effective number of parameters. A weak inverse-gamma prior on each variance keeps kinds of few weights from taking off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack

from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.likelihood.curvature import AgentPlay, design_of, gradient_and_information, log_likelihood
from diml_inverse.recovered.course import current

FloatArray = NDArray[np.float64]

# Inverse-gamma prior on each variance: as if one more weight had been seen, its logit (precision x payoff) of
# standard deviation near .008, which is too small to show in a choice.
PRIOR_SHAPE = 0.5
PRIOR_SCALE = 3e-5
START_VARIANCE = 9e-3  # of logits: small, so that kinds must earn their place
DROPPED = 2.5  # a kind leaves when its variance is down to this many times what the prior alone would give it
# Nats that a kind must add to stay, odds of 20 to 1: with many kinds on offer some add 1 or 2 by chance.
LEAST_EVIDENCE = 3.0
WIDE = 1.0  # logits, standard deviation of payoffs of which nothing is known
FEWEST_ROUNDS, MOST_ROUNDS, TOLERANCE = 4, 40, 1e-3


class Features(NamedTuple):
    """What the weights of one kind add to one agent's payoffs.

    values: [K, A_i, P] for the P weights that matter to the agent; columns: which of the kind's weights these are, [P].
    """

    values: FloatArray
    columns: NDArray[np.int64]


class _Together(NamedTuple):
    """The same of several kinds: features [K A_i, P], columns [P] among all their weights, and `design_of` these."""

    features: FloatArray
    columns: NDArray[np.int64]
    design: FloatArray | None


@dataclass
class Posterior:
    """What the data say about the weights of the kinds still in play.

    Attributes:
        kinds: numbers of the kinds, ascending.
        weights: posterior mode of each kind's weights.
        variances: prior variance of each kind.
        effective: effective number of parameters of each kind.
        evidence_lost: fall of the log evidence (nats) if the kind is left out, others as they are.
        rounds: of the fixed point.
        evidence: of all kinds together, nats above no differences at all.
    """

    kinds: list[int]
    weights: dict[int, FloatArray]
    variances: dict[int, float]
    effective: dict[int, float]
    evidence_lost: dict[int, float]
    rounds: int = 0
    evidence: float = 0.0


class Problem:
    """Features of all kinds on the contexts that each agent met.

    Args:
        plays: the agents' decisions.
        features: for each kind, for each agent, what the weights that matter to it add to its payoffs.
        sizes: weights of each kind, over all agents.
        dynamics: the learners.
    """

    def __init__(
        self, plays: list[AgentPlay], features: list[list[Features]], sizes: list[int], dynamics: LogitDynamics
    ) -> None:
        self.plays, self.features, self.sizes, self.dynamics = plays, features, sizes, dynamics
        self.logit_scale = float(dynamics.precision) ** -2
        self._together: tuple[list[int], list[_Together]] = ([], [])

    def maximise_evidence(self) -> Posterior:
        """MacKay's fixed point; then, one at a time, kinds that add too little evidence are left out."""
        start = START_VARIANCE * self.logit_scale
        kinds = [kind for kind, size in enumerate(self.sizes) if size]
        now = Posterior(
            kinds,
            {kind: np.zeros(self.sizes[kind]) for kind in kinds},
            dict.fromkeys(kinds, start),
            {},
            {},
        )
        if not kinds:  # nobody has a choice
            return now
        self._iterate(now)
        weakest = self._weigh_evidence(now)
        while len(now.kinds) > 1 and now.evidence_lost[weakest] < LEAST_EVIDENCE and not current().over:
            self._keep(now, [kind for kind in now.kinds if kind != weakest])
            self._iterate(now)
            weakest = self._weigh_evidence(now)
        return now

    def nothing_found(self, found: Posterior) -> bool:
        """Whether the play speaks too little for any differences at all: no more than for one kind too few."""
        return not found.kinds or found.evidence < LEAST_EVIDENCE

    def wide(self, found: Posterior) -> tuple[list[int], FloatArray]:
        """Numbers of all kinds and the covariance of their weights, no differences found.

        The prior is that payoffs differ by a logit: its variance is divided evenly among kinds, and play takes off what
        it can.
        """
        kinds = [kind for kind, size in enumerate(self.sizes) if size]
        if not kinds:  # nobody has a choice
            return [], np.zeros((0, 0))
        weights = {kind: np.zeros(self.sizes[kind]) for kind in kinds}
        _, information = self.derivatives(replace(found, kinds=kinds, weights=weights))
        shrinkage = len(kinds) / (WIDE**2 * self.logit_scale)
        precise = information + shrinkage * np.eye(len(information))
        return kinds, np.asarray(np.linalg.inv(precise), np.float64)

    def _iterate(self, now: Posterior) -> None:
        """To the fixed point, a scoring step of the weights each round; kinds whose variance vanishes drop out."""
        for rounds in range(MOST_ROUNDS):
            before = dict(now.variances)
            self._update(now)
            now.rounds += 1
            if rounds + 1 < FEWEST_ROUNDS:
                continue
            self._drop_vanished(now)
            settled = all(abs(np.log(now.variances[kind] / before[kind])) < TOLERANCE for kind in now.kinds)
            if settled or current().over:
                break

    def _update(self, now: Posterior) -> None:
        """One scoring step of the weights, then the variances."""
        covariance = self._step(now)
        for kind, places in self.places(now.kinds).items():
            weights, variance = now.weights[kind], now.variances[kind]
            now.effective[kind] = max(self.sizes[kind] - np.diag(covariance)[places].sum() / variance, 0.0)
            prior_scale = PRIOR_SCALE * self.logit_scale
            numerator = weights @ weights + 2 * prior_scale
            now.variances[kind] = float(numerator / (now.effective[kind] + 2 * PRIOR_SHAPE))

    def _step(self, now: Posterior) -> FloatArray:
        """Move the weights by Fisher scoring, halved until the posterior rises; returns their covariance."""
        gradient, information = self.derivatives(now)
        shrinkage = np.concatenate([np.full(self.sizes[kind], 1 / now.variances[kind]) for kind in now.kinds])
        flat = self.flat(now)
        factor = cho_factor(information + np.diag(shrinkage), lower=True)
        step = cho_solve(factor, gradient - shrinkage * flat)
        current = self._log_posterior(now.kinds, flat, shrinkage)
        for _ in range(10):
            if self._log_posterior(now.kinds, flat + step, shrinkage) >= current - 1e-9 * abs(current):
                flat = flat + step
                break
            step = step / 2
        for kind, places in self.places(now.kinds).items():
            now.weights[kind] = flat[places]
        inverse, _ = lapack.dpotri(factor[0], lower=1)
        covariance: FloatArray = np.tril(inverse) + np.tril(inverse, -1).T
        return covariance

    def derivatives(self, now: Posterior) -> tuple[FloatArray, FloatArray]:
        size = sum(self.sizes[kind] for kind in now.kinds)
        gradient, information = np.zeros(size), np.zeros((size, size))
        flat = self.flat(now)
        for play, agent in zip(self.plays, self._of_agents(now.kinds), strict=True):
            table = (agent.features @ flat[agent.columns]).reshape(len(play.others), play.num_actions)
            own, about_own = gradient_and_information(play, self.dynamics, table, agent.features, agent.design)
            gradient[agent.columns] += own
            information[np.ix_(agent.columns, agent.columns)] += about_own
        return gradient, information

    def _of_agents(self, kinds: list[int]) -> list[_Together]:
        """The kinds' features side by side, for each agent; kept until other kinds are asked for."""
        if self._together[0] != kinds:
            starts = [place.start for place in self.places(kinds).values()]
            found = []
            for agent, play in enumerate(self.plays):
                of_kinds = [self.features[kind][agent] for kind in kinds]
                rows = np.concatenate([_rows(one.values) for one in of_kinds], 1)
                columns = np.concatenate([start + one.columns for start, one in zip(starts, of_kinds, strict=True)])
                found.append(_Together(rows, columns, design_of(play, rows)))
            self._together = list(kinds), found
        return self._together[1]

    def _log_posterior(self, kinds: list[int], flat: FloatArray, shrinkage: FloatArray) -> float:
        total = -0.5 * float(flat @ (shrinkage * flat))
        for play, agent in zip(self.plays, self._of_agents(kinds), strict=True):
            table = (agent.features @ flat[agent.columns]).reshape(len(play.others), -1)
            total += log_likelihood(play, self.dynamics, table)
        return total

    def _drop_vanished(self, now: Posterior) -> None:
        least = DROPPED * PRIOR_SCALE * self.logit_scale / PRIOR_SHAPE
        kept = [kind for kind in now.kinds if now.variances[kind] > least]
        self._keep(now, kept or [max(now.kinds, key=lambda kind: now.variances[kind])])

    def _keep(self, now: Posterior, kinds: list[int]) -> None:
        now.kinds = kinds
        now.weights = {kind: now.weights[kind] for kind in kinds}
        now.variances = {kind: now.variances[kind] for kind in kinds}
        now.effective = {kind: now.effective[kind] for kind in kinds}

    def _weigh_evidence(self, now: Posterior) -> int:
        """Weights at their mode for these variances, and the evidence for each kind; the kind of the least."""
        for _ in range(3):
            self._step(now)
        gradient, information = self.derivatives(now)
        linear = information @ self.flat(now) + gradient
        places = self.places(now.kinds)
        whole = now.evidence = self._log_evidence(linear, information, now, places)
        now.evidence_lost = {}
        for kind in now.kinds:
            rest = {other: place for other, place in places.items() if other != kind}
            now.evidence_lost[kind] = whole - self._log_evidence(linear, information, now, rest)
        return min(now.kinds, key=lambda kind: now.evidence_lost[kind])

    def _log_evidence(
        self, linear: FloatArray, information: FloatArray, now: Posterior, places: dict[int, slice]
    ) -> float:
        """Of the quadratic approximation at the mode, up to a constant, with only the given kinds."""
        if not places:
            return 0.0
        chosen = np.concatenate([np.arange(place.start, place.stop) for place in places.values()])
        scale = np.sqrt(np.concatenate([np.full(self.sizes[kind], now.variances[kind]) for kind in places]))
        # With w = scale v, v standard normal: log Z = b' (I + H)^-1 b / 2 - log det(I + H) / 2.
        curvature = scale[:, None] * information[np.ix_(chosen, chosen)] * scale + np.eye(len(chosen))
        factor = cho_factor(curvature, lower=True)
        scaled = scale * linear[chosen]
        return float(scaled @ cho_solve(factor, scaled) / 2 - np.log(np.diag(factor[0])).sum())

    def places(self, kinds: list[int]) -> dict[int, slice]:
        ends = np.cumsum([0, *(self.sizes[kind] for kind in kinds)])
        return {kind: slice(int(ends[i]), int(ends[i + 1])) for i, kind in enumerate(kinds)}

    def flat(self, now: Posterior) -> FloatArray:
        return np.concatenate([now.weights[kind] for kind in now.kinds])


def _rows(features: FloatArray) -> FloatArray:
    """[K, A, P] -> [K A, P]"""
    contexts, actions, weights = features.shape
    return features.reshape(contexts * actions, weights)
