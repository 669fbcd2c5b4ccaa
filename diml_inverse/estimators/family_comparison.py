"""`FamilyComparison`: families of mechanisms compared by the likelihood of held-out episodes, the best one refitted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.gradient_fit import GradientFit
from diml_inverse.estimators.held_out import Folds, Outcome, Starts, cross_validated, folds, score
from diml_inverse.estimators.maximum_likelihood import StructuredMLE
from diml_inverse.recovered.course import current
from diml_inverse.structure.families import Family, default_families

FIRST_RIDGE, RIDGE_FACTOR, MOST_RIDGES = 100.0, 10.0, 8  # the search for the ridge that predicts best
SURELY = 2.0  # standard errors
PROBE_EPOCHS, PACE_EPOCHS = 60, 20  # of a network, before it is trained to the end
TRIAL_ITERATIONS, TRIAL_TOLERANCE = 200, 1e-7


@dataclass(frozen=True)
class _Trial:
    """How a family did."""

    family: Family
    candidate: Mechanism
    ridge: float | None
    outcome: Outcome
    starts: Starts


class FamilyComparison:
    """Fit each family to part of the episodes, score the rest, refit the best to all.

    Tables are fitted by penalised maximum likelihood (`StructuredMLE`), the ridge too chosen by held-out likelihood;
    networks by gradient steps, as in `DIML`. `info["families"]` of the estimate has a row for each family that
    applies: `family`, `parameters`, `ridge` (None for networks), `held_out_log_likelihood` (mean nats per decision),
    `standard_error` (over episodes, of the difference to the best), `chosen`, `failed` (why its fit ended in NaN or
    infinity, or None).

    Args:
        dynamics: the learners.
        families: default: `default_families()`.
        seed: of folds and fits.
        network_settings: of `DIML`, other than its defaults.
        num_folds: at most so many are held out in turn; default: as many as there are.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        families: Sequence[Family] | None = None,
        seed: int = 0,
        network_settings: Mapping[str, Any] | None = None,
        num_folds: int | None = None,
    ) -> None:
        self.num_folds = num_folds
        self.dynamics, self.seed = dynamics, seed
        self.families = default_families() if families is None else list(families)
        self.network_settings = dict(network_settings or {})

    def fit(self, traces: Traces) -> Estimate:
        """Compare, choose, refit.

        Raises:
            ValueError: fewer than two episodes of two rounds or more, or no family applies.
            FloatingPointError: no family could be fitted, with each one's reason; or not the best to all episodes.
        """
        parts = folds(traces, self.seed)[: self.num_folds]
        candidates = [(family, family.build(traces)) for family in self.families]
        built = {family.name: (family, form) for family, form in candidates if form is not None}
        if not built:
            raise ValueError(f"no family applies to a game of action counts {traces.action_counts}")
        found = self._compared(list(built.values()), parts)
        trials = [found[name] for name in built if name in found]
        best = max(trials, key=lambda trial: trial.outcome.mean)
        if best.outcome.failed:
            reasons = "; ".join(f"{trial.family.name}: {trial.outcome.failed}" for trial in trials)
            raise FloatingPointError(f"no family could be fitted ({reasons})")
        chosen = self._estimator(best.candidate, best.ridge, trial=False)
        start = best.starts.get(len(parts) - 1)
        estimate = chosen.fit_from(traces, start) if isinstance(chosen, StructuredMLE) else chosen.fit(traces)
        rows = [_row(trial, best) for trial in trials]
        return replace(estimate, info={**estimate.info, "estimator": type(self).__name__, "families": rows})

    def _compared(self, candidates: Sequence[tuple[Family, Mechanism]], parts: Folds) -> dict[str, _Trial]:
        """Tables first: they are quick, and show what a network would have to reach."""
        found: dict[str, _Trial] = {}
        best: _Trial | None = None
        course = current()
        with course.stages(len(candidates), "form") as stages:
            for family, candidate in sorted(candidates, key=lambda pair: pair[0].network):
                if found and course.over:
                    break
                stages.begin(family.name)
                found[family.name] = trial = self._trial(family, candidate, parts, best)
                if best is None or trial.outcome.mean > best.outcome.mean:
                    best = trial
                stages.done()
        return found

    def _trial(self, family: Family, candidate: Mechanism, parts: Folds, best: _Trial | None) -> _Trial:
        if family.network:
            if best is not None and (behind := self._left_behind(candidate, parts, best.outcome)):
                return _Trial(family, candidate, None, Outcome(None, behind), {})
            return self._scored(family, candidate, None, parts, {})
        first = self._scored(family, candidate, FIRST_RIDGE, parts, {})
        larger = self._climb(first, RIDGE_FACTOR, parts)
        return self._climb(first, 1 / RIDGE_FACTOR, parts) if larger is first else larger

    def _climb(self, best: _Trial, factor: float, parts: Folds) -> _Trial:
        """Move the ridge by the factor as long as that predicts better; if to a weaker one, surely better."""
        for _ in range(MOST_RIDGES):
            assert best.ridge is not None
            further = self._scored(best.family, best.candidate, best.ridge * factor, parts, best.starts)
            # Play averages payoffs over time and so hardly shows their noise: a weaker ridge has to be surely better.
            error = further.outcome.standard_error_to(best.outcome)
            needed = SURELY * error if factor < 1 else 0.0
            if not further.outcome.mean - best.outcome.mean > needed:  # nor if the error cannot be told
                break
            best = further
        return best

    def _scored(
        self, family: Family, candidate: Mechanism, ridge: float | None, parts: Folds, starts: Starts
    ) -> _Trial:
        own = dict(starts)  # and what is found, for the next ridge
        outcome = cross_validated(self._estimator(candidate, ridge, trial=True), parts, own)
        return _Trial(family, candidate, ridge, outcome, own)

    def _left_behind(self, candidate: Mechanism, parts: Folds, best: Outcome) -> str | None:
        """Why a network need not be trained to the end: held-out likelihood rises ever more slowly, and at the pace of
        its first epochs it would not come up to the best."""
        whole = GradientFit(candidate, self.dynamics, **{"seed": self.seed, **self.network_settings})
        settings = whole.trial_settings()
        if best.held_out is None or settings["max_epochs"] <= PROBE_EPOCHS:
            return None
        (train, test), count = parts[0], len(parts.parts[0])
        target = best.held_out.totals[:count].sum() / best.held_out.decisions[:count].sum()
        probe = {**settings, "max_epochs": PROBE_EPOCHS, "patience": PROBE_EPOCHS}
        fit = GradientFit(candidate, self.dynamics, **probe).fit(train)
        told = "validation" if "validation_log_likelihood" in fit.history else "train"
        values = fit.history[f"{told}_log_likelihood"].to_numpy()
        pace = max(values[-1] - values[-1 - PACE_EPOCHS], 0.0) / PACE_EPOCHS if len(values) > PACE_EPOCHS else math.inf
        reached = score(fit, test).mean
        if reached + pace * (settings["max_epochs"] - len(values)) >= target:
            return None
        return f"left behind after {len(values)} epochs: {target - reached:.2g} nats short, {pace:.2g} gained an epoch"

    def _estimator(self, candidate: Mechanism, ridge: float | None, trial: bool) -> GradientFit | StructuredMLE:
        settings: dict[str, Any] = {"seed": self.seed, **self.network_settings}
        if ridge is not None:
            device = settings.get("device", "cpu")
            effort: dict[str, Any] = {"max_iterations": TRIAL_ITERATIONS, "tolerance": TRIAL_TOLERANCE} if trial else {}
            return StructuredMLE(candidate, self.dynamics, ridge, seed=self.seed, device=device, **effort)
        whole = GradientFit(candidate, self.dynamics, **settings)
        return GradientFit(candidate, self.dynamics, **whole.trial_settings()) if trial else whole


def _row(trial: _Trial, best: _Trial) -> dict[str, Any]:
    return {
        "family": trial.family.name,
        "parameters": sum(parameter.numel() for parameter in trial.candidate.parameters()),
        "ridge": trial.ridge,
        **trial.outcome.row(best.outcome),
    }
