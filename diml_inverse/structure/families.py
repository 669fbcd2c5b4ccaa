"""Families of mechanisms, chosen among by the likelihood of episodes held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadMechanism,
    PairwiseMechanism,
    TabularMechanism,
)
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import decision_log_likelihoods, observe
from diml_inverse.structure.contrasts import are_numbers

NUM_FOLDS = 3
MANY_EPISODES = 40  # from here on one held-out fold will do; with fewer, all are held out in turn
LARGEST_FREE_FORM = 200  # actions of all agents: inputs of the free-form network, whose deviations grow as its square
MOST_FORWARD_PASSES = 20_000  # a pass for each context and own action; above it the network with one output each


@dataclass(frozen=True)
class Family:
    """A form that payoffs may have.

    Attributes:
        name: for tables.
        build: the candidate for some traces, or None where the form does not apply.
    """

    name: str
    build: Callable[[Traces], Mechanism | None]


def default_families() -> list[Family]:
    """Those built in, from the freest to the most special."""
    return [
        Family("table", _table),
        Family("free form", _free_form),
        Family("anonymous, own action in", _own_action_in),
        Family("anonymous, own action out", _symmetric(lambda n, a: AnonymousMechanism(n, a, own_action="output"))),
        Family("own action and its load", _symmetric(OwnLoadMechanism)),
        Family("own level and total", _aggregative),
        Family("pairwise", _symmetric(PairwiseMechanism)),
    ]


def compare_families(
    families: Sequence[Family],
    fit: Callable[[Mechanism, Traces], Mechanism],
    dynamics: Dynamics,
    traces: Traces,
    seed: int,
) -> list[dict[str, Any]]:
    """Fit each family to part of the episodes and score the rest.

    Args:
        families: those that do not apply are left out.
        fit: fits a candidate to traces.
        dynamics: the learners.
        traces: two episodes or more.
        seed: of the folds.

    Returns:
        A row for each family: `family`, `parameters`, `held_out_log_likelihood` (mean nats per decision),
        `standard_error` (over episodes, of the difference to the best), `chosen`.

    Raises:
        ValueError: fewer than two episodes, or no family applies.
    """
    traces = traces[traces.lengths > 1] if (traces.lengths > 1).any() else traces  # the others have nothing to score
    if len(traces) < 2:
        raise ValueError("families are compared on held-out episodes: at least two of two rounds or more are needed")
    candidates = {family.name: family.build(traces) for family in families}
    scores = {
        name: _held_out(candidate, fit, dynamics, traces, seed)
        for name, candidate in candidates.items()
        if candidate is not None
    }
    if not scores:
        raise ValueError(f"no family applies to a game of action counts {traces.action_counts}")
    means = {name: float(totals.sum() / counts.sum()) for name, (totals, counts) in scores.items()}
    best = max(means, key=lambda name: means[name])
    return [
        {
            "family": name,
            "parameters": sum(parameter.numel() for parameter in _built(candidates[name]).parameters()),
            "held_out_log_likelihood": means[name],
            "standard_error": _standard_error(scores[name], scores[best]),
            "chosen": name == best,
        }
        for name in scores
    ]


def _held_out(
    candidate: Mechanism, fit: Callable[[Mechanism, Traces], Mechanism], dynamics: Dynamics, traces: Traces, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood and number of decisions of each held-out episode."""
    folds = np.array_split(np.random.default_rng(seed).permutation(len(traces)), min(NUM_FOLDS, len(traces)))
    totals, counts = [], []
    for fold in folds[:1] if len(traces) >= MANY_EPISODES else folds:
        training = np.setdiff1d(np.arange(len(traces)), fold)
        mechanism = fit(candidate, traces[training])
        play = observe(mechanism, dynamics, traces[np.sort(fold)])
        with torch.no_grad():
            totals.append(decision_log_likelihoods(mechanism, dynamics, play).sum((1, 2)).cpu().numpy())
        counts.append(play.scored.sum((1, 2)).cpu().numpy())
    return np.concatenate(totals).astype(np.float64), np.concatenate(counts)


def _standard_error(scores: tuple[np.ndarray, np.ndarray], best: tuple[np.ndarray, np.ndarray]) -> float:
    """Of the difference in mean log-likelihood, over the same held-out episodes."""
    difference = (scores[0] - best[0]) / scores[1].mean()
    return float(difference.std(ddof=1) / math.sqrt(len(difference))) if len(difference) > 1 else math.nan


def _built(candidate: Mechanism | None) -> Mechanism:
    assert candidate is not None
    return candidate


def _table(traces: Traces) -> Mechanism | None:
    entries = math.prod(traces.action_counts) * traces.num_agents
    return TabularMechanism(traces.action_counts) if entries <= int(traces.observed.sum()) else None


def _free_form(traces: Traces) -> Mechanism | None:
    if sum(traces.action_counts) > LARGEST_FREE_FORM:
        return None
    return NeuralMechanism(traces.num_agents, traces.action_counts)


def _symmetric(build: Callable[[int, int], Mechanism]) -> Callable[[Traces], Mechanism | None]:
    def candidate(traces: Traces) -> Mechanism | None:
        same = len(set(traces.action_labels)) == 1 and traces.num_agents > 1
        return build(traces.num_agents, traces.action_counts[0]) if same else None

    return candidate


def _own_action_in(traces: Traces) -> Mechanism | None:
    num_actions = max(traces.action_counts)
    contexts = int(traces.lengths.sum()) * min(traces.num_agents, num_actions)
    if contexts * num_actions > MOST_FORWARD_PASSES:
        return None
    return _symmetric(AnonymousMechanism)(traces)


def _aggregative(traces: Traces) -> Mechanism | None:
    labels = traces.action_labels[0]
    if len(set(traces.action_labels)) > 1 or traces.num_agents < 2 or not are_numbers(labels):
        return None
    return AggregativeMechanism(traces.num_agents, [float(label) for label in labels])
