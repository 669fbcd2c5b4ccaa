"""`InteractionEvidence`: payoffs as a sum of kinds of interaction, which of them matter learnt from the play."""

from __future__ import annotations

import copy
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
from diml_inverse.likelihood.curvature import AgentPlay, agent_play
from diml_inverse.recovered.recovered import given_in
from diml_inverse.structure.composition import composition, features_of, mode_of
from diml_inverse.structure.evidence import Posterior, Problem
from diml_inverse.structure.kinds import Game, Kind, default_kinds, num_weights
from diml_inverse.structure.left_out import with_kinds_left_out
from diml_inverse.uncertainty.posterior import PosteriorUncertainty

NOTHING_FOUND = "nothing found: prior of one logit, less what play rules out"
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
        features = [[features_of(kind, game, agent, play.others) for agent, play in enumerate(plays)] for kind in kinds]
        problem = Problem(plays, features, [num_weights(kind, game) for kind in kinds], self.dynamics)
        posterior = problem.maximise_evidence()
        nothing = problem.nothing_found(posterior)
        if nothing:
            posterior.weights = {kind: np.zeros(problem.sizes[kind]) for kind in posterior.kinds}
        covariance = _covariance(problem, posterior)
        mechanism = TabularMechanism.from_payoffs(mode_of(posterior, kinds, game)).requires_grad_(False)
        estimate = Estimate(
            mechanism,
            copy.deepcopy(self.dynamics),
            pd.DataFrame([{"iteration": posterior.rounds, "seconds": time.perf_counter() - begun}]),
            traces.agents,
            traces.action_labels,
            {
                "estimator": type(self).__name__,
                "nothing_found": nothing,
                "kinds": composition(posterior, kinds, game, covariance),
                **given_in(traces),
            },
        )
        mean = estimate.log_likelihood(traces)
        estimate.history["train_log_likelihood"] = mean
        decisions = sum(len(play.actions) for play in plays)
        facts: dict[str, Any] = {"log_likelihood": mean * decisions, "decisions": decisions, "episodes": len(traces)}
        if nothing:
            facts["made"] = NOTHING_FOUND
        facts |= {"identified": sum(posterior.effective.values()), "penalty": "variance for each kind"}
        return replace(estimate, uncertainty=_uncertainty(problem, posterior, covariance, kinds, game, estimate, facts))

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


def _covariance(problem: Problem, posterior: Posterior) -> tuple[list[int], NDArray[np.float64]]:
    """Numbers of kinds, and what is known of all their weights together."""
    nothing = problem.nothing_found(posterior)
    return problem.wide(posterior) if nothing else with_kinds_left_out(problem, posterior)


def _uncertainty(
    problem: Problem,
    posterior: Posterior,
    of_weights: tuple[list[int], NDArray[np.float64]],
    kinds: list[Kind],
    game: Game,
    estimate: Estimate,
    facts: dict[str, Any],
) -> PosteriorUncertainty:
    numbers, covariance = of_weights
    weights = [posterior.weights.get(number, np.zeros(problem.sizes[number])) for number in numbers]
    sizes = [problem.sizes[number] for number in numbers]
    return PosteriorUncertainty(
        estimate.mechanism,
        estimate.dynamics,
        partial(_weights_in_contexts, [kinds[number] for number in numbers], sizes, game),
        torch.tensor(np.concatenate([np.zeros(0), *weights])),
        torch.tensor(covariance),
        facts,
    )


def _weights_in_contexts(kinds: list[Kind], sizes: list[int], game: Game, agent: int, others: Tensor) -> Tensor:
    """What each weight of all kinds adds to an agent's payoffs. others: int64 [K, N - 1] -> [K, A_i, W]."""
    whole = torch.zeros(len(others), game.action_counts[agent], sum(sizes), dtype=torch.float64)
    start = 0
    for kind, size in zip(kinds, sizes, strict=True):
        values, columns = features_of(kind, game, agent, others.numpy())
        whole[..., start + torch.tensor(columns)] = torch.tensor(values)
        start += size
    return whole
