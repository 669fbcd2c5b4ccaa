"""`DynamicsComparison`: how the agents learn, chosen by the likelihood of held-out episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.members import default_members
from diml_inverse.estimate import Estimate
from diml_inverse.held_out import FitsMechanism, Outcome, cross_validated, folds

EstimatorUnder = Callable[[Dynamics], FitsMechanism]


@dataclass(frozen=True)
class _Trial:
    member: str
    dynamics: Dynamics
    outcome: Outcome


class DynamicsComparison:
    """Fit the mechanism under each model of learning to part of the episodes, score the rest, refit under the best.

    `info["learners"]` of the estimate has a row for each: `member`, `fitted` (how many parameters),
    `held_out_log_likelihood` (mean nats per decision), `standard_error` (over episodes, of the difference to the
    best), `chosen`, `failed` (why the fit ended in NaN or infinity, such a member is never chosen; else None).
    `info["learner_parameters"]` has the chosen one's values, `info["at_edge"]` those the data push to an end of their
    range.

    Built-in members have precision 1: play shows precision and payoffs only as a product, so payoffs come out in
    logits, and only their signs and ratios mean something.

    Args:
        estimator: what fits the mechanism under given dynamics, `lambda dynamics: StructuredMLE(form, dynamics)` say.
        members: models of learning by name; default: `default_members` for the length of the episodes.
        trial: a cheaper estimator for the comparison; default: the same.
        seed: of what is held out.
    """

    def __init__(
        self,
        estimator: EstimatorUnder,
        members: Mapping[str, Dynamics] | None = None,
        trial: EstimatorUnder | None = None,
        seed: int = 0,
    ) -> None:
        self.estimator, self.members, self.seed = estimator, members, seed
        self.trial = trial or estimator

    def fit(self, traces: Traces) -> Estimate:
        """Compare, choose, refit to all episodes.

        Raises:
            ValueError: fewer than two episodes of two rounds or more.
            FloatingPointError: no member could be fitted, with each one's reason.
        """
        members = default_members(int(traces.lengths.max())) if self.members is None else self.members
        parts = folds(traces, self.seed)
        trials = [_Trial(name, model, cross_validated(self.trial(model), parts)) for name, model in members.items()]
        estimate, trials = self._refitted(sorted(trials, key=lambda trial: trial.outcome.mean, reverse=True), traces)
        rows = {trial.member: _row(trial, trials[0]) for trial in trials}
        learners = [rows[name] for name in members]
        return replace(estimate, info={**estimate.info, "learners": learners, **described(estimate.dynamics)})

    def _refitted(self, ranked: list[_Trial], traces: Traces) -> tuple[Estimate, list[_Trial]]:
        """The fit of the best that can be fitted to all episodes too; the trials, its own first."""
        lost: list[_Trial] = []
        for place, trial in enumerate(ranked):
            if trial.outcome.failed:
                break
            try:
                return self.estimator(trial.dynamics).fit(traces), [*ranked[place:], *lost]
            except FloatingPointError as error:
                lost.append(replace(trial, outcome=Outcome(None, str(error))))
        reasons = "; ".join(f"{trial.member}: {trial.outcome.failed}" for trial in [*lost, *ranked[len(lost) :]])
        raise FloatingPointError(f"no model of learning could be fitted ({reasons})")


def described(dynamics: Dynamics) -> dict[str, Any]:
    """Values of the learners' parameters, and which of the fitted ones lie at an end of their range."""
    if not isinstance(dynamics, LearnerDynamics):
        return {"learner_parameters": dynamics.config()}
    learner = dynamics.learner
    return {"learner_parameters": dynamics.config(), "at_edge": learner.at_edge()}


def _row(trial: _Trial, best: _Trial) -> dict[str, Any]:
    fitted = sum(parameter.numel() for parameter in trial.dynamics.parameters())
    return {"member": trial.member, "fitted": fitted, **trial.outcome.row(best.outcome)}
