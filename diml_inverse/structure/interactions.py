"""`InteractionEvidence`: payoffs as a sum of kinds of interaction, which of them matter learnt from the play."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import observe
from diml_inverse.structure.curvature import AgentPlay, agent_play
from diml_inverse.structure.evidence import Posterior, Problem
from diml_inverse.structure.kinds import Game, Kind, default_kinds, num_weights
from diml_inverse.structure.left_out import with_kinds_left_out
from diml_inverse.uncertainty.posterior import PosteriorUncertainty

LARGEST_TABLE = 200_000  # payoffs of the whole game
MOST_CONTEXT_PAYOFFS = 6_000  # payoffs of the contexts one agent met: their information is a square matrix
LARGEST_MAP = 2**27  # entries, 1 GB: of the maps from contexts to decisions, all agents'


class InteractionEvidence:
    """A Gaussian prior with its own variance on each kind of interaction, the variances chosen by the evidence.

    An agent's payoffs are written as a sum of tables (own action; own action with one other's; with two others'; ...),
    each kind both shared by all agents and free for each, rough and, for actions that are numbers, smooth. Kinds that
    the play does not speak for fade out, so a congestion game is found to be one without having been told. This is an
    ANOVA decomposition with automatic relevance determination (MacKay 1992).

    The estimate's mechanism is a `TabularMechanism`: the posterior mode at every profile. `info["kinds"]` says what the
    game is made of.

    Args:
        dynamics: the learners, parameters known; attractions must be linear in payoffs, as `LogitDynamics`' are.
        kinds: what payoffs may be made of; default: `default_kinds` of the game at hand.

    Raises:
        ValueError: other dynamics, or a precision of zero, under which play says nothing.
    """

    def __init__(self, dynamics: Dynamics, kinds: Sequence[Kind] | None = None) -> None:
        if not isinstance(dynamics, LogitDynamics) or float(dynamics.precision) == 0:
            raise ValueError(f"InteractionEvidence needs LogitDynamics with a precision above zero; got {dynamics}")
        self.dynamics, self.kinds = dynamics, kinds

    def fit(self, traces: Traces) -> Estimate:
        """Fit to all of the traces.

        Raises:
            ValueError: too large a game (see `fits`), or no decision that can be scored.
        """
        begun = time.perf_counter()
        game = Game(traces.action_labels)
        kinds = list(default_kinds(game) if self.kinds is None else self.kinds)
        plays = self._plays(traces)
        features = [[_features(kind, game, agent, play.others) for agent, play in enumerate(plays)] for kind in kinds]
        problem = Problem(plays, features, self.dynamics)
        posterior = problem.maximise_evidence()
        mechanism = TabularMechanism.from_payoffs(_payoffs(posterior, kinds, game)).requires_grad_(False)
        estimate = Estimate(
            mechanism,
            copy.deepcopy(self.dynamics),
            pd.DataFrame([{"iteration": posterior.rounds, "seconds": time.perf_counter() - begun}]),
            traces.agents,
            traces.action_labels,
            {"estimator": type(self).__name__, "kinds": _composition(posterior, kinds, game, mechanism)},
        )
        mean = estimate.log_likelihood(traces)
        estimate.history["train_log_likelihood"] = mean
        decisions = sum(len(play.actions) for play in plays)
        facts: dict[str, Any] = {"log_likelihood": mean * decisions, "decisions": decisions, "episodes": len(traces)}
        facts |= {"identified": sum(posterior.effective.values()), "penalty": "variance for each kind"}
        return replace(estimate, uncertainty=_uncertainty(problem, posterior, kinds, game, estimate, facts))

    def _plays(self, traces: Traces) -> list[AgentPlay]:
        if not fits(traces):
            raise ValueError(
                f"a game of action counts {traces.action_counts}, {traces.lengths.sum()} rounds, is too large for "
                "InteractionEvidence; use DIML with a network such as AnonymousMechanism"
            )
        anyone = TabularMechanism(traces.action_counts)
        scored = observe(anyone, self.dynamics, traces).scored.numpy()
        return [agent_play(traces, scored, self.dynamics, agent) for agent in range(traces.num_agents)]


def fits(traces: Traces) -> bool:
    """Whether game and play are small enough: the payoff table, the contexts that each agent met, the decisions."""
    counts = np.array(traces.action_counts, dtype=np.float64)
    whole = counts.prod() * len(counts)
    rounds = float(traces.lengths.sum())
    contexts = np.minimum(counts.prod() / counts, rounds)
    small = whole <= LARGEST_TABLE and (contexts * counts).max() <= MOST_CONTEXT_PAYOFFS
    return bool(small and rounds * contexts.sum() <= LARGEST_MAP)


def _features(kind: Kind, game: Game, agent: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
    """[K, A_i, P] with a column for each weight of the kind, those of other agents zero."""
    own = kind.features(game, agent, others)
    if kind.shared:
        return own
    nobody = np.zeros((1, game.num_agents - 1), dtype=np.int64)
    sizes = [kind.features(game, other, nobody).shape[-1] for other in range(game.num_agents)]
    whole = np.zeros((*own.shape[:2], sum(sizes)))
    whole[..., sum(sizes[:agent]) : sum(sizes[: agent + 1])] = own
    return whole


def _table_features(kind: Kind, game: Game) -> NDArray[np.float64]:
    """What each weight of a kind adds to each payoff of the whole game, [A_1, ..., A_N, N, P]."""
    counts = game.action_counts
    of_agents = []
    for agent in range(len(counts)):
        rest = [counts[j] for j in range(len(counts)) if j != agent]
        others = np.array(list(itertools.product(*map(range, rest))), np.int64).reshape(math.prod(rest), len(rest))
        found = _features(kind, game, agent, others)
        of_agents.append(np.moveaxis(found.reshape(*rest, *found.shape[1:]), -2, agent))
    return np.stack(of_agents, -2)


def _payoffs(posterior: Posterior, kinds: list[Kind], game: Game, only: int | None = None) -> NDArray[np.float64]:
    """Posterior mode at every profile, [A_1, ..., A_N, N]; of one kind only, if named."""
    payoffs = np.zeros((*game.action_counts, game.num_agents))
    for kind in posterior.kinds if only is None else [only]:
        payoffs += _table_features(kinds[kind], game) @ posterior.weights[kind]
    return payoffs


def _uncertainty(
    problem: Problem, posterior: Posterior, kinds: list[Kind], game: Game, estimate: Estimate, facts: dict[str, Any]
) -> PosteriorUncertainty:
    numbers, covariance = with_kinds_left_out(problem, posterior)
    weights = [posterior.weights.get(number, np.zeros(problem.sizes[number])) for number in numbers]
    return PosteriorUncertainty(
        estimate.mechanism,
        estimate.dynamics,
        partial(_features_of_all, [kinds[number] for number in numbers], game),
        torch.tensor(np.concatenate([np.zeros(0), *weights])),
        torch.tensor(covariance),
        facts,
    )


def _features_of_all(kinds: list[Kind], game: Game) -> Tensor:
    features = [_table_features(kind, game) for kind in kinds]
    return torch.tensor(np.concatenate([np.zeros((*game.action_counts, game.num_agents, 0)), *features], -1))


def _composition(
    posterior: Posterior, kinds: list[Kind], game: Game, mechanism: TabularMechanism
) -> list[dict[str, Any]]:
    """A row for each kind, those found first: what the game is made of."""
    whole = _difference_variance(mechanism.table.numpy())
    rows = []
    for number, kind in enumerate(kinds):
        kept = number in posterior.kinds
        part = _difference_variance(_payoffs(posterior, kinds, game, only=number)) if kept else 0.0
        rows.append(
            {
                "kind": kind.name,
                "weights": num_weights(kind, game),
                "effective_weights": float(posterior.effective.get(number, 0.0)),
                "prior_variance": posterior.variances.get(number, 0.0),
                "share_of_variance": part / whole if whole else 0.0,
                "log_evidence": posterior.evidence_lost.get(number, 0.0),
            }
        )
    return sorted(rows, key=lambda row: -float(row["share_of_variance"]))


def _difference_variance(payoffs: NDArray[np.float64]) -> float:
    """Mean square of payoff differences from the mean over own actions. payoffs: [A_1, ..., A_N, N]."""
    agents = range(payoffs.shape[-1])
    return float(np.mean([payoffs[..., i].var(axis=i).mean() for i in agents]))
