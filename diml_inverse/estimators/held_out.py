"""Comparing estimates by the likelihood of play they were not fitted to, by people who are in no other part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, overload, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import ObservedPlay, decision_log_likelihoods, observe
from diml_inverse.recovered.protocol import FitsMechanism

NUM_FOLDS = 3
MANY_DECISIONS = 25_000  # from here on, in as many episodes as follow, one held-out fold will do; else all in turn
MANY_EPISODES = 12

Fold = tuple[Traces, Traces]  # trained on, held out


class Start(NamedTuple):
    """Where a fit ended, from which a like one may start.

    parameters: [P]; ridge: its own; curvature: of the penalised mean, [P, P], if known.
    """

    parameters: NDArray[np.float64]
    ridge: float
    curvature: NDArray[np.float64] | None


Starts = dict[int, Start]  # by the number of the fold


class Folds(Sequence[Fold]):
    """Play to fit to and play held out, in turn.

    Args:
        traces: all of it.
        parts: numbers of the episodes that each fold holds out, ascending; or of the persons, where everybody is
            connected (`traces.by_person`).
    """

    def __init__(self, traces: Traces, parts: Sequence[NDArray[np.int64]]) -> None:
        self.traces, self.parts = traces, tuple(parts)

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, place: int) -> Fold: ...
    @overload
    def __getitem__(self, place: slice) -> Folds: ...
    def __getitem__(self, place: int | slice) -> Fold | Folds:
        if isinstance(place, slice):
            return Folds(self.traces, self.parts[place])
        if self.traces.by_person:
            chosen = np.isin(np.arange(self.traces.num_units), self.parts[place])
            return self.traces.follow(~chosen), self.traces.follow(chosen)
        held_out = self.held_out(place)
        return self.traces[np.flatnonzero(~held_out)], self.traces[np.flatnonzero(held_out)]

    def held_out(self, place: int) -> NDArray[np.bool_]:
        """Which episodes a fold holds out, [E]; not for folds of persons."""
        return np.isin(np.arange(len(self.traces)), self.parts[place])


@runtime_checkable
class FitsFolds(Protocol):
    """An estimator that has a quicker way to what `score(fit(train), test)` gives for each fold."""

    def across(self, folds: Folds, starts: Starts) -> list[HeldOut]:
        """How it does on each fold's held-out episodes.

        starts: of fits of the same form and learners to the same folds; found ones are put in.
        """
        ...


@dataclass(frozen=True)
class HeldOut:
    """Log-likelihood (nats) and number of the scored decisions of each held-out unit, both [U].

    Units are those of `Traces.units`: sessions, else the episodes that persons connect, else episodes; where everybody
    is connected, persons.
    """

    totals: NDArray[np.float64]
    decisions: NDArray[np.int64]

    @property
    def mean(self) -> float:
        """Nats per decision."""
        return float(self.totals.sum() / self.decisions.sum())

    def standard_error_to(self, other: HeldOut) -> float:
        """Of the difference in mean to another's of the same units, over units; NaN for a single one."""
        difference = (self.totals - other.totals) / self.decisions.mean()
        count = len(difference)
        return float(difference.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan


@dataclass(frozen=True)
class Outcome:
    """How a model did on held-out episodes; or, with `held_out` None, why it `failed`."""

    held_out: HeldOut | None
    failed: str | None = None

    @property
    def mean(self) -> float:
        """Nats per decision; -inf of a failure."""
        return -math.inf if self.held_out is None else self.held_out.mean

    def standard_error_to(self, other: Outcome) -> float:
        """Of the difference in mean; NaN if either failed, or over a single episode."""
        if self.held_out is None or other.held_out is None:
            return math.nan
        return self.held_out.standard_error_to(other.held_out)

    def row(self, best: Outcome) -> dict[str, Any]:
        """What is reported of it beside the best; JSON values."""
        return {
            "held_out_log_likelihood": self.mean if self.held_out else None,
            "standard_error": self.standard_error_to(best) if self.held_out and self is not best else None,
            "chosen": self is best,
            "failed": self.failed,
        }


def folds(traces: Traces, seed: int) -> Folds:
    """Play to fit to and play held out, the same for all that are compared; nobody's choices are in both.

    Raises:
        ValueError: fewer than two episodes of two rounds or more, or all of one person.
    """
    telling = traces[traces.lengths > 1] if traces.persons is None and (traces.lengths > 1).any() else traces
    count = telling.num_units  # what was left out has nothing to score
    if count < 2:
        raise ValueError(
            "models are compared on held-out episodes: at least two of two rounds or more are needed, of other people, "
            f"{count} given; name the model instead of comparing"
        )
    parts = np.array_split(np.random.default_rng(seed).permutation(count), min(NUM_FOLDS, count))
    many = count >= MANY_EPISODES and int(telling.observed[:, 1:].sum()) >= MANY_DECISIONS
    used = parts[:1] if many else parts
    if telling.by_person:
        return Folds(telling, [np.sort(part) for part in used])
    return Folds(telling, [np.flatnonzero(np.isin(telling.clusters, part)) for part in used])


def cross_validated(estimator: FitsMechanism, parts: Folds, starts: Starts | None = None) -> Outcome:
    """Fit to each part, score what it leaves out. starts: as `FitsFolds.across` takes them."""
    try:
        if isinstance(estimator, FitsFolds) and not parts.traces.by_person:
            scores = estimator.across(parts, {} if starts is None else starts)
        else:
            scores = [score(estimator.fit(train), test) for train, test in parts]
        held_out = _together(scores)
    except FloatingPointError as error:  # one model that cannot be followed must not cost all that are compared
        return Outcome(None, str(error))
    if not math.isfinite(held_out.mean):
        return Outcome(None, f"the log-likelihood of held-out episodes is {held_out.mean}")
    return Outcome(held_out)


def score(estimate: Estimate, traces: Traces) -> HeldOut:
    """How an estimate does on episodes it was not fitted to."""
    play = observe(estimate.mechanism, estimate.dynamics, traces)
    return score_play(estimate.mechanism, estimate.dynamics, play, np.ones(len(traces), bool))


def score_play(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay, episodes: NDArray[np.bool_]) -> HeldOut:
    """How they do on these episodes of the play. bool [E]"""
    with torch.no_grad():
        values = decision_log_likelihoods(mechanism, dynamics, play)
    return by_unit(play.traces, values.sum(1).double().cpu().numpy(), play.scored.sum(1).cpu().numpy(), episodes)


def by_unit(
    traces: Traces,
    totals: NDArray[np.float64],
    decisions: NDArray[np.int64],
    episodes: NDArray[np.bool_] | None = None,
) -> HeldOut:
    """The sums over each unit that lies in these episodes, bool [E]. totals, decisions: [E, N]."""
    units, count = traces.units, traces.num_units
    own = units >= 0 if episodes is None else (units >= 0) & episodes[:, None]
    nats = np.zeros(count)
    np.add.at(nats, units[own], totals[own])
    number = np.zeros(count, np.int64)
    np.add.at(number, units[own], decisions[own])
    there = np.isin(np.arange(count), units[own]) if traces.persons is None else number > 0
    return HeldOut(nats[there], number[there])


def _together(parts: list[HeldOut]) -> HeldOut:
    """All folds' episodes."""
    totals = np.concatenate([part.totals for part in parts])
    return HeldOut(totals, np.concatenate([part.decisions for part in parts]))
