"""`MemorySearch`: what learners know when they choose and whether they look ahead, by people left out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.cross_validation import clustered_error
from diml_inverse.estimators.dynamics_comparison import covering_the_choice, described
from diml_inverse.estimators.memory import WORDS, Memory, Rival, states_too_many, states_worth_a_try, tables
from diml_inverse.estimators.own_recovery import agreement, own_recovery
from diml_inverse.estimators.restarts import RestartedMLE
from diml_inverse.likelihood import decision_log_likelihoods, observe

NUM_FOLDS = 3
QUICK = {"iterations": 100, "tolerance": 1e-8}  # of a trial; its folds start from its fit to all play
AS_WELL = 2.0  # standard errors within which two models predict about as well
CLEARLY = 0.1  # in agreement of payoffs with those from which play was drawn
AHEAD = 2  # states with which looking ahead is tried


@dataclass(frozen=True, eq=False)
class MemoryTrial:
    """How one kind of learner and one form of payoffs did.

    Attributes:
        memory, form: which.
        estimate: fitted to all play, in haste.
        totals: log-likelihood of each unit of people left out, nats [G].
        decisions: [G].
    """

    memory: Memory | Rival
    form: str
    estimate: Estimate
    totals: NDArray[np.float64]
    decisions: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Nats per decision of people left out."""
        return float(self.totals.sum() / self.decisions.sum())

    def behind(self, best: MemoryTrial) -> tuple[float, float]:
        """How many nats per decision less than another, and the standard error of that over people."""
        error = float(clustered_error(self.totals - best.totals, self.decisions))
        return best.mean - self.mean, error

    def as_well_as(self, best: MemoryTrial) -> bool:
        """Whether play cannot tell the two apart."""
        less, error = self.behind(best)
        return not less > AS_WELL * error


class MemorySearch:
    """Fit learners with states, a discount and inertia, one coordinate after the other, and score people left out.

    First each state without looking ahead, and one table for all seats against one for each; then the best two states
    with a discount; then, of the best so far, each value of the state that follows, first attractions of zero, all own
    actions updated and, where persons have several matches, memory that starts afresh with each. A state is chosen for
    all agents together. Inertia, rate, exploration are fitted throughout.

    Args:
        discount: known (the probability that a match goes on, say); default: fitted.
        forms: of payoffs by name; default: `memory.tables`.
        ridge: of payoffs and first attractions; see `RestartedMLE`.
        starts: of a trial's fit to all play.
        seed: of folds and starts.
        rivals: learners of other kinds, scored on the same play.
    """

    def __init__(
        self,
        discount: float | None = None,
        forms: dict[str, Mechanism] | None = None,
        ridge: float = 0.1,
        starts: int = 2,
        seed: int = 0,
        rivals: Sequence[Rival] = (),
    ) -> None:
        self.discount, self.forms, self.ridge, self.starts, self.seed = discount, forms, ridge, starts, seed
        self.rivals = tuple(rivals)

    def trials(self, traces: Traces) -> list[MemoryTrial]:
        """All that were tried, best first; none where no table fits the game or play is too short.

        Raises:
            ValueError: fewer than two units of people who share nobody.
        """
        forms = tables(traces) if self.forms is None else self.forms
        states = states_worth_a_try(traces)
        if not forms:
            return []
        search = _Search(self, traces, forms)
        search.state_by_state(states)
        search.looking_ahead()
        search.variants()
        search.others(self.rivals)
        return search.ranked()

    def fit(self, traces: Traces) -> Estimate:
        """The chosen one, fitted with care.

        Best of people left out; where several states predict about as well, that of them which most surely leads back
        to its own payoffs (`own_recovery`). `info["memories"]` has a row for each trial, `info["states"]` one for each
        state, `info["not_told_apart"]` the others that predict about as well: intervals hold their payoffs too.

        Raises:
            ValueError: as `trials`, or nothing could be tried.
        """
        ranked = self.trials(traces)
        if not ranked:
            raise ValueError(f"no table of payoffs is small enough for this play: {traces}")
        return self.chosen(ranked, traces)

    def chosen(self, ranked: Sequence[MemoryTrial], traces: Traces) -> Estimate:
        """The estimate of `fit` from its trials, best first."""
        states = compared_states(ranked, traces, self.estimator, self.seed)
        trial = next(trial for trial, row in states if row["chosen"])
        found = self.estimator(trial, careful=True).fit(traces)
        alike = {other.memory.name: other.estimate for other in ranked if _rivals(other, trial, ranked[0])}
        info: dict[str, Any] = {
            "memory": trial.memory.name,
            "form": trial.form,
            "memories": rows(ranked),
            "states": [row for _, row in states],
            "not_told_apart": list(alike),
            **described(found.dynamics),
        }
        if short := states_too_many(traces):
            info["too_short"] = short
        whole = replace(found, info={**found.info, **info})
        return replace(whole, uncertainty=covering_the_choice(whole, alike, traces))

    def estimator(self, trial: MemoryTrial, careful: bool = False) -> RestartedMLE:
        """What finds the trial's estimate, in haste or from more starts and to the end."""
        effort: dict[str, Any] = {"starts": 2 * self.starts + 1} if careful else {"starts": self.starts, **QUICK}
        return RestartedMLE(trial.estimate.mechanism, trial.memory.learners(), self.ridge, seed=self.seed, **effort)


class _Search:
    """The trials so far."""

    def __init__(self, settings: MemorySearch, traces: Traces, forms: dict[str, Mechanism]) -> None:
        self.settings, self.traces, self.forms = settings, traces, forms
        self.folds = people_folds(traces, settings.seed)
        self.tried: dict[tuple[str, str], MemoryTrial] = {}

    def ranked(self) -> list[MemoryTrial]:
        """Best first."""
        return sorted(self.tried.values(), key=lambda trial: -trial.mean)

    def others(self, rivals: Sequence[Rival]) -> None:
        """Under the form that did best."""
        form = self.ranked()[0].form
        for rival in rivals:
            self._try(rival, form)

    def state_by_state(self, states: Sequence[str | None]) -> None:
        """Without looking ahead; the form of payoffs is that which does best with the best state under the first."""
        first, *others = self.forms
        for state in states:
            self._try(Memory(state), first)
        for form in others:
            self._try(self._best(), form)
        form = self.ranked()[0].form
        for state in states if form != first else ():
            self._try(Memory(state), form)

    def looking_ahead(self) -> None:
        """With a discount, for the best states."""
        form = self.ranked()[0].form
        kinds = [trial.memory for trial in self.ranked() if trial.form == form and isinstance(trial.memory, Memory)]
        for memory in [memory for memory in kinds if memory.state is not None][:AHEAD]:
            self._try(replace(memory, value="mean", discount=self.settings.discount), form)

    def variants(self) -> None:
        """Of the best so far, one thing at a time."""
        for change in ({"value": "max"}, {"value": "chosen"}, {"first": False}, {"forgone": True}, {"persists": False}):
            best = self._best()
            if "value" in change and best.value is None:
                continue
            if "persists" in change and not _have_several_matches(self.traces):
                continue
            self._try(replace(best, **change), self.ranked()[0].form)

    def _best(self) -> Memory:
        """Of those with memory."""
        return next(trial.memory for trial in self.ranked() if isinstance(trial.memory, Memory))

    def _try(self, memory: Memory | Rival, form: str) -> None:
        if (memory.name, form) in self.tried:
            return
        settings = self.settings
        several = isinstance(memory, Memory) and memory.value
        quick: dict[str, Any] = {"starts": settings.starts if several else 1, "seed": settings.seed, **QUICK}
        estimator = RestartedMLE(self.forms[form], memory.learners(), settings.ridge, **quick)
        try:
            whole = estimator.fit(self.traces)
            parts = [_scores(estimator.fit_from(train, whole), test) for train, test in self.folds]
        except FloatingPointError:  # one that cannot be followed must not cost the others
            return
        totals, decisions = (np.concatenate(part) for part in zip(*parts, strict=True))
        self.tried[memory.name, form] = MemoryTrial(memory, form, whole, totals, decisions)


def people_folds(traces: Traces, seed: int, num_folds: int = NUM_FOLDS) -> list[tuple[Traces, Traces]]:
    """Play to fit to and play held out, which share nobody.

    Raises:
        ValueError: fewer than two units.
    """
    clusters = traces.clusters
    units, by_person = int(clusters.max()) + 1, False
    if units == 1 and len(traces.person_labels) > 1:
        units, by_person = len(traces.person_labels), True
    if units < 2:
        raise ValueError(
            f"people are left out in turn: at least two episodes that share nobody, or two persons; {traces}"
        )
    found = []
    for part in np.array_split(np.random.default_rng(seed).permutation(units), min(num_folds, units)):
        out = np.isin(np.arange(units), part)
        if by_person:
            found.append((traces.follow(~out), traces.follow(out)))
        else:
            found.append((traces[np.flatnonzero(~out[clusters])], traces[np.flatnonzero(out[clusters])]))
    return found


def _scores(estimate: Estimate, traces: Traces) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood and number of decisions of each unit of people. [G] each"""
    play = observe(estimate.mechanism, estimate.dynamics, traces)
    values = decision_log_likelihoods(estimate.mechanism, estimate.dynamics, play).detach()
    clusters = traces.clusters
    return (
        np.bincount(clusters, values.sum((1, 2)).double().numpy()).astype(np.float64),
        np.bincount(clusters, play.scored.sum((1, 2)).double().numpy()).astype(np.float64),
    )


def compared_states(
    ranked: Sequence[MemoryTrial], traces: Traces, estimator: Callable[[MemoryTrial], RestartedMLE], seed: int
) -> list[tuple[MemoryTrial, dict[str, Any]]]:
    """The best trial of each state, and of other learners, with a row: which is chosen, and why.

    Of those that predict about as well as the best, the one chosen leads back to its own payoffs more surely than the
    best by `CLEARLY`, if there is one; else it is the best. Rows: memory, knows, behind, standard_error, as_well,
    agreement (of payoffs, with the best's), own_recovery (None: not asked for), chosen.
    """
    best_of: dict[Any, MemoryTrial] = {}
    for trial in ranked:
        state = trial.memory.state if isinstance(trial.memory, Memory) else trial.memory.name
        best_of.setdefault(state, trial)
    found = list(best_of.values())
    telling = [trial for trial in found if trial.as_well_as(ranked[0])]
    recovery: dict[str, float] = {}
    for trial in telling if len(telling) > 1 else ():
        with contextlib.suppress(FloatingPointError, ValueError):  # learners whose play is not drawn here
            recovery[trial.memory.name] = own_recovery(trial.estimate, estimator(trial), traces, seed)
    chosen, least = ranked[0], recovery.get(ranked[0].memory.name, np.inf) + CLEARLY
    for trial in telling:
        if (value := recovery.get(trial.memory.name, -np.inf)) > least:
            chosen, least = trial, value
    listed = []
    for trial in found:
        less, error = trial.behind(ranked[0])
        row: dict[str, Any] = {"memory": trial.memory.name, "behind": less, "standard_error": error}
        row |= {"as_well": trial in telling, "knows": knows(trial.memory)}
        row["agreement"] = agreement(trial.estimate.mechanism, ranked[0].estimate.mechanism, traces)
        row["own_recovery"] = recovery.get(trial.memory.name)
        listed.append((trial, row | {"chosen": trial is chosen}))
    return listed


def knows(memory: Memory | Rival) -> str | None:
    """What learners know of the last round, in words; None: nothing."""
    return WORDS[memory.state] if isinstance(memory, Memory) and memory.state else None


def _rivals(other: MemoryTrial, trial: MemoryTrial, best: MemoryTrial) -> bool:
    """Whether payoffs under another trial are to be shown beside those of the one chosen."""
    return other is not trial and other.form == trial.form and other.as_well_as(best)


def _have_several_matches(traces: Traces) -> bool:
    if traces.persons is None:
        return False
    sat = traces.persons[traces.persons >= 0]
    return len(np.unique(sat)) < len(sat)


def rows(ranked: Sequence[MemoryTrial]) -> list[dict[str, Any]]:
    """Of each trial, JSON values, best first."""
    found = []
    for trial in ranked:
        less, error = trial.behind(ranked[0])
        assert isinstance(trial.estimate.dynamics, LearnerDynamics)
        learner = trial.estimate.dynamics.learner
        row = {"memory": trial.memory.name, "form": trial.form, "held_out_log_likelihood": trial.mean}
        row |= {"behind": less, "standard_error": error, "as_well": trial.as_well_as(ranked[0])}
        names = ("learning_rate", "discount", "inertia", "exploration")
        found.append(row | {name: float(learner.value(name)) for name in names if name in learner.names})
    return found
