"""`FamilyComparison`: families of mechanisms compared by the likelihood of held-out episodes, the best one refitted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.diml import DIML
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.estimate import Estimate
from diml_inverse.likelihood import decision_log_likelihoods, observe
from diml_inverse.maximum_likelihood import StructuredMLE
from diml_inverse.structure.families import Family, default_families

NUM_FOLDS = 3
MANY_DECISIONS = 30_000  # from here on one held-out fold will do; with fewer, all are held out in turn
TRIAL_PATIENCE, TRIAL_EPOCHS = 20, 300  # of a network: enough to rank it
FIRST_RIDGE, RIDGE_FACTOR, MOST_RIDGES = 100.0, 10.0, 8  # the search for the ridge that predicts best
TRIAL_ITERATIONS = 200

Fold = tuple[Traces, Traces]  # trained on, held out


@dataclass(frozen=True)
class _Trial:
    """How a family did: log-likelihood [E] and number [E] of each held-out episode's decisions."""

    family: Family
    candidate: Mechanism
    ridge: float | None
    totals: NDArray[np.float64]
    decisions: NDArray[np.int64]

    @property
    def mean(self) -> float:
        return float(self.totals.sum() / self.decisions.sum())


class FamilyComparison:
    """Fit each family to part of the episodes, score the rest, refit the best to all.

    Tables are fitted by penalised maximum likelihood (`StructuredMLE`), the ridge too chosen by held-out likelihood;
    networks by `DIML`. `info["families"]` of the estimate has a row for each family that applies: `family`,
    `parameters`, `ridge` (None for networks), `held_out_log_likelihood` (mean nats per decision), `standard_error`
    (over episodes, of the difference to the best), `chosen`.

    Args:
        dynamics: the learners.
        families: default: `default_families()`.
        seed: of folds and fits.
        network_settings: of `DIML`, other than its defaults.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        families: Sequence[Family] | None = None,
        seed: int = 0,
        network_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.dynamics, self.seed = dynamics, seed
        self.families = default_families() if families is None else list(families)
        self.network_settings = dict(network_settings or {})

    def fit(self, traces: Traces) -> Estimate:
        """Compare, choose, refit.

        Raises:
            ValueError: fewer than two episodes of two rounds or more, or no family applies.
        """
        folds = self._folds(traces)
        candidates = [(family, family.build(traces)) for family in self.families]
        trials = [self._trial(family, built, folds) for family, built in candidates if built is not None]
        if not trials:
            raise ValueError(f"no family applies to a game of action counts {traces.action_counts}")
        best = max(trials, key=lambda trial: trial.mean)
        estimate = self._estimator(best.candidate, best.ridge, trial=False).fit(traces)
        rows = [_row(trial, best) for trial in trials]
        return replace(estimate, info={**estimate.info, "estimator": type(self).__name__, "families": rows})

    def _folds(self, traces: Traces) -> list[Fold]:
        telling = traces[traces.lengths > 1] if (traces.lengths > 1).any() else traces  # the others score nothing
        count = len(telling)
        if count < 2:
            raise ValueError(
                "families are compared on held-out episodes: at least two of two rounds or more are needed"
            )
        parts = np.array_split(np.random.default_rng(self.seed).permutation(count), min(NUM_FOLDS, count))
        used = parts[:1] if int(telling.observed[:, 1:].sum()) >= MANY_DECISIONS else parts
        return [(telling[np.setdiff1d(np.arange(count), part)], telling[np.sort(part)]) for part in used]

    def _trial(self, family: Family, candidate: Mechanism, folds: list[Fold]) -> _Trial:
        if family.network:
            return self._scored(family, candidate, None, folds)
        first = self._scored(family, candidate, FIRST_RIDGE, folds)
        larger = self._climb(first, RIDGE_FACTOR, folds)
        return self._climb(first, 1 / RIDGE_FACTOR, folds) if larger is first else larger

    def _climb(self, best: _Trial, factor: float, folds: list[Fold]) -> _Trial:
        """Move the ridge by the factor as long as that predicts better; if to a weaker one, by a standard error."""
        for _ in range(MOST_RIDGES):
            assert best.ridge is not None
            further = self._scored(best.family, best.candidate, best.ridge * factor, folds)
            needed = _standard_error(further, best) if factor < 1 else 0.0  # luck would overfit, caution costs little
            if not further.mean - best.mean > needed:  # nor if the error cannot be told
                break
            best = further
        return best

    def _scored(self, family: Family, candidate: Mechanism, ridge: float | None, folds: list[Fold]) -> _Trial:
        totals, decisions = [], []
        for training, held_out in folds:
            estimate = self._estimator(candidate, ridge, trial=True).fit(training)
            play = observe(estimate.mechanism, estimate.dynamics, held_out)
            with torch.no_grad():
                values = decision_log_likelihoods(estimate.mechanism, estimate.dynamics, play)
            totals.append(values.sum((1, 2)).double().cpu().numpy())
            decisions.append(play.scored.sum((1, 2)).cpu().numpy())
        return _Trial(family, candidate, ridge, np.concatenate(totals), np.concatenate(decisions))

    def _estimator(self, candidate: Mechanism, ridge: float | None, trial: bool) -> DIML | StructuredMLE:
        settings: dict[str, Any] = {"seed": self.seed, **self.network_settings}
        if ridge is not None:
            device = settings.get("device", "cpu")
            iterations = {"max_iterations": TRIAL_ITERATIONS} if trial else {}
            return StructuredMLE(candidate, self.dynamics, ridge, seed=self.seed, device=device, **iterations)
        whole = DIML(candidate, self.dynamics, **settings)
        if not trial:
            return whole
        limits = {"patience": min(whole.patience, TRIAL_PATIENCE), "max_epochs": min(whole.max_epochs, TRIAL_EPOCHS)}
        return DIML(candidate, self.dynamics, **{**settings, **limits, "members": 1, "checkpoint": None})


def _row(trial: _Trial, best: _Trial) -> dict[str, Any]:
    return {
        "family": trial.family.name,
        "parameters": sum(parameter.numel() for parameter in trial.candidate.parameters()),
        "ridge": trial.ridge,
        "held_out_log_likelihood": trial.mean,
        "standard_error": _standard_error(trial, best),
        "chosen": trial is best,
    }


def _standard_error(trial: _Trial, best: _Trial) -> float:
    """Of the difference in mean log-likelihood, over the same held-out episodes."""
    difference = (trial.totals - best.totals) / best.decisions.mean()
    return float(difference.std(ddof=1) / math.sqrt(len(difference))) if len(difference) > 1 else math.nan
