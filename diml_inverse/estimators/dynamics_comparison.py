"""`DynamicsComparison`: how the agents learn, chosen by the likelihood of held-out episodes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.members import default_members
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.held_out import Folds, Outcome, Starts, cross_validated, folds
from diml_inverse.estimators.maximum_likelihood import StructuredMLE
from diml_inverse.recovered.course import current
from diml_inverse.recovered.protocol import FitsMechanism
from diml_inverse.uncertainty.base import Uncertainty
from diml_inverse.uncertainty.choice import ChoiceUncertainty, factors_of

EstimatorUnder = Callable[[Dynamics], FitsMechanism]

MOST_ALIKE = 4  # members fitted besides the chosen one because they predict as well
FEWEST = 3  # members that go on to the next trial
TRIALS, FACTOR = 3, 3  # efforts, each so many times the one before
ITERATIONS, TOLERANCE = 300, 1e-7  # of a table's last trial


@dataclass(frozen=True)
class _Trial:
    """How a member did in the last round of the comparison that it was in, `number`."""

    member: str
    dynamics: Dynamics
    outcome: Outcome
    number: int
    starts: Starts


def rising(most: int) -> list[int]:
    """Efforts of the trials."""
    return [max(most // FACTOR**number, 1) for number in reversed(range(TRIALS))]


def quick_tables(form: Mechanism, ridge: float) -> list[EstimatorUnder]:
    """Trials of a form that is fitted by penalised maximum likelihood."""
    return [partial(_table, form, ridge, iterations) for iterations in rising(ITERATIONS)]


def _table(form: Mechanism, ridge: float, iterations: int, dynamics: Dynamics) -> StructuredMLE:
    return StructuredMLE(form, dynamics, ridge, iterations, tolerance=TOLERANCE)


class DynamicsComparison:
    """Fit the mechanism under each model of learning to part of the episodes, score the rest, refit under the best.

    By successive halving (Jamieson & Talwalkar 2016): all members are fitted with little effort, the better half of
    them with more, and so on; the last trial, with all effort and every fold, decides. The better half is never fewer
    than three, and whoever ends in NaN or infinity is out.

    `info["learners"]` of the estimate has a row for each: `member`, `fitted` (how many parameters), `trial` (the last
    it took part in, from 1), `held_out_log_likelihood` there (mean nats per decision), `standard_error` (over
    episodes, of the difference to the best there; None for that one), `chosen`, `failed` (why the fit ended, if in NaN
    or infinity), `told_apart` (False of those, at most four, that predict no worse than the chosen one by more than one
    standard error). These, `info["not_told_apart"]`, are fitted to all episodes too, and intervals of payoffs then hold
    theirs as well (`ChoiceUncertainty`). `info["learner_parameters"]` has the chosen one's values, `info["at_edge"]`
    those the data push to an end of their range.

    Built-in members have precision 1: play shows precision and payoffs only as a product, so payoffs come out in
    logits, and only their signs and ratios mean something.

    Args:
        estimator: what fits the mechanism under given dynamics, `lambda dynamics: StructuredMLE(form, dynamics)` say.
        members: models of learning by name; default: `default_members` for the length of the episodes.
        trials: estimators for the comparison, of rising effort; default: the same one, once.
        seed: of what is held out.
    """

    def __init__(
        self,
        estimator: EstimatorUnder,
        members: Mapping[str, Dynamics] | None = None,
        trials: Sequence[EstimatorUnder] = (),
        seed: int = 0,
    ) -> None:
        self.estimator, self.members, self.seed = estimator, members, seed
        self.trials = tuple(trials) or (estimator,)

    def fit(self, traces: Traces) -> Estimate:
        """Compare, choose, refit to all episodes.

        Raises:
            ValueError: fewer than two episodes of two rounds or more.
            FloatingPointError: no member could be fitted, with each one's reason.
        """
        members = default_members(int(traces.lengths.max())) if self.members is None else self.members
        ranked = self._compared(members, folds(traces, self.seed))
        estimate, ranked = self._refitted(ranked, traces)
        rows = {trial.member: _row(trial, ranked) for trial in ranked}
        learners = [rows[name] for name in members if name in rows]  # all, unless time was over
        alike = self._alike(ranked, traces)
        for row in learners:
            row["told_apart"] = row["member"] not in alike
        info = {**estimate.info, "learners": learners, "not_told_apart": list(alike), **described(estimate.dynamics)}
        return replace(estimate, info=info, uncertainty=covering_the_choice(estimate, alike, traces))

    def _alike(self, ranked: Sequence[_Trial], traces: Traces) -> dict[str, Estimate]:
        """Fits to all episodes of members that predict the same held-out episodes no surely worse than the chosen."""
        chosen, found = ranked[0], dict[str, Estimate]()
        for trial in ranked[1:]:
            if trial.number != chosen.number or trial.outcome.failed or len(found) == MOST_ALIKE or current().over:
                continue
            behind = chosen.outcome.mean - trial.outcome.mean
            if not behind > trial.outcome.standard_error_to(chosen.outcome):
                with contextlib.suppress(FloatingPointError):
                    found[trial.member] = self.estimator(trial.dynamics).fit(traces)
        return found

    def _compared(self, members: Mapping[str, Dynamics], parts: Folds) -> list[_Trial]:
        """All members, best first; going further is better."""
        in_play, ranked = list(members), list[_Trial]()
        starts: dict[str, Starts] = {name: {} for name in members}
        for number, estimator in enumerate(self.trials, 1):
            last = number == len(self.trials)
            if len(in_play) <= FEWEST and not last:
                continue
            used = parts if last else parts[:1]
            outcomes = self._outcomes(number, estimator, {name: members[name] for name in in_play}, used, starts)
            trials = [_Trial(name, members[name], outcome, number, starts[name]) for name, outcome in outcomes.items()]
            trials.sort(key=lambda trial: trial.outcome.mean, reverse=True)
            ranked = [*trials, *_without(ranked, trials)]
            better = trials[: max(-(-len(trials) // 2), FEWEST)]
            in_play = [trial.member for trial in better if not trial.outcome.failed]
            if current().over:
                break
        return ranked

    def _outcomes(
        self,
        number: int,
        estimator: EstimatorUnder,
        members: Mapping[str, Dynamics],
        parts: Folds,
        starts: Mapping[str, Starts],
    ) -> dict[str, Outcome]:
        """Of each member, in this trial; of those reached, when the fit's time is over."""
        outcomes: dict[str, Outcome] = {}
        course = current()
        with course.stages(len(members), "learner") as stages:
            for name, dynamics in members.items():
                stages.begin(f"{number} of {len(self.trials)}: {name}")
                outcome = cross_validated(estimator(dynamics), parts, starts[name])
                if course.over and (outcomes or number > 1):  # what was cut short cannot be compared
                    break
                outcomes[name] = outcome
                stages.done()
        return outcomes

    def _refitted(self, ranked: list[_Trial], traces: Traces) -> tuple[Estimate, list[_Trial]]:
        """The fit of the best that can be fitted to all episodes too; the trials, its own first."""
        lost: list[_Trial] = []
        for trial in ranked:
            if trial.outcome.failed:
                continue
            try:
                estimate = self._refit(trial, traces)
            except FloatingPointError as error:
                lost.append(replace(trial, outcome=Outcome(None, str(error))))
            else:
                return estimate, [trial, *lost, *_without(ranked, [trial, *lost])]
        reasons = "; ".join(f"{trial.member}: {trial.outcome.failed}" for trial in [*lost, *_without(ranked, lost)])
        raise FloatingPointError(f"no model of learning could be fitted ({reasons})")

    def _refit(self, trial: _Trial, traces: Traces) -> Estimate:
        quick = self.trials[-1](trial.dynamics)
        if current().over and isinstance(quick, StructuredMLE) and trial.starts:  # what is at hand, not a new fit
            return quick.fit_from(traces, trial.starts[0])
        return self.estimator(trial.dynamics).fit(traces)


def covering_the_choice(estimate: Estimate, alike: Mapping[str, Estimate], traces: Traces) -> Uncertainty | None:
    """Of the chosen fit; with the others' intervals where each has some, of mechanisms of one form."""
    own = estimate.uncertainty
    alike = {name: other for name, other in alike.items() if type(other.mechanism) is type(estimate.mechanism)}
    others = {name: other.uncertainty for name, other in alike.items() if other.uncertainty is not None}
    if own is None or not others:
        return own
    contexts = estimate.mechanism.contexts(torch.tensor(traces.actions, device=estimate.mechanism.device))
    payoffs = estimate.mechanism.context_payoffs(Contexts(contexts.index.clamp(min=0), contexts.inputs))
    return ChoiceUncertainty(own, others, factors_of(own, others, contexts, ~payoffs.isnan()))


def _without(trials: Sequence[_Trial], others: Sequence[_Trial]) -> list[_Trial]:
    names = {trial.member for trial in others}
    return [trial for trial in trials if trial.member not in names]


def described(dynamics: Dynamics) -> dict[str, Any]:
    """Values of the learners' parameters, and which of the fitted ones lie at an end of their range."""
    if not isinstance(dynamics, LearnerDynamics):
        return {"learner_parameters": dynamics.config()}
    learner = dynamics.learner
    return {"learner_parameters": dynamics.config(), "at_edge": learner.at_edge()}


def _row(trial: _Trial, ranked: Sequence[_Trial]) -> dict[str, Any]:
    best = next(other for other in ranked if other.number == trial.number)  # of those scored on the same episodes
    return {
        "member": trial.member,
        "fitted": sum(parameter.numel() for parameter in trial.dynamics.parameters()),
        "trial": trial.number,
        **trial.outcome.row(best.outcome),
        "chosen": trial is ranked[0],
    }
