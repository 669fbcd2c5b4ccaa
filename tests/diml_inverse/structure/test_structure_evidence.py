"""Curvature of the likelihood and evidence of kinds against autograd, enumeration and numerical integrals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm
from slow_definitions import played, random_traces

from diml_envs import Traces
from diml_envs.mechanisms import TabularMechanism
from diml_inverse import LogitDynamics, log_likelihood
from diml_inverse.likelihood import log_choice_probs, observe
from diml_inverse.likelihood.curvature import AgentPlay, agent_play, gradient_and_information
from diml_inverse.likelihood.curvature import log_likelihood as agent_log_likelihood
from diml_inverse.structure import Game, Kind, SymmetricInteraction
from diml_inverse.structure.evidence import PRIOR_SCALE, PRIOR_SHAPE, Features, Posterior, Problem

Array = NDArray[np.float64]
LENGTHS = [6, 2, 9, 1]
PARAMETERS = [(0.3, 2.0, 0.06), (1.0, 5.0, 0.0), (0.05, 0.5, 0.4)]


def drawn(*counts: int, seed: int = 0) -> TabularMechanism:
    return TabularMechanism.from_payoffs(np.random.default_rng(seed).normal(size=(*counts, len(counts))))


def plays(traces: Traces, dynamics: LogitDynamics) -> list[AgentPlay]:
    scored = observe(TabularMechanism(traces.action_counts), dynamics, traces).scored.numpy()
    return [agent_play(traces, scored, dynamics, agent) for agent in range(traces.num_agents)]


def entries(play: AgentPlay, agent: int) -> list[tuple[int, ...]]:
    """Where the payoff of each context and own action is in a table of the whole game."""
    rows = play.others.tolist()
    return [(*row[:agent], own, *row[agent:], agent) for row in rows for own in range(play.num_actions)]


def values(table: Array, places: Sequence[tuple[int, ...]]) -> Array:
    return np.array([table[place] for place in places])


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_likelihood_and_gradient_are_those_of_the_exact_likelihood(
    parameters: tuple[float, float, float], missing: float
) -> None:
    """Unequal action counts, unequal lengths, unobserved actions."""
    mechanism, dynamics = drawn(2, 4, 3), LogitDynamics(*parameters)
    traces = random_traces((2, 4, 3), LENGTHS, missing=missing)
    decisions = int(observe(mechanism, dynamics, traces).scored.sum())
    exact = log_likelihood(mechanism, dynamics, traces) * decisions
    slopes = torch.autograd.grad(exact, mechanism.table)[0].numpy()
    total, spoken_for = 0.0, np.zeros_like(slopes)
    for agent, play in enumerate(plays(traces, dynamics)):
        places = entries(play, agent)
        table = values(mechanism.table.detach().numpy(), places).reshape(len(play.others), -1)
        total += agent_log_likelihood(play, dynamics, table)
        gradient, _ = gradient_and_information(play, dynamics, table, np.eye(table.size))
        np.testing.assert_allclose(gradient, values(slopes, places), rtol=0, atol=1e-11)
        for place in places:
            spoken_for[place] = 1
    assert total == pytest.approx(float(exact.detach()), rel=0, abs=1e-10)
    assert (slopes[spoken_for == 0] == 0).all()


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_information_is_what_scores_are_expected_to_be(parameters: tuple[float, float, float]) -> None:
    """Sum over decisions and over what could have been chosen of probability x score x score', scores by autograd."""
    mechanism, dynamics = drawn(2, 3), LogitDynamics(*parameters)
    traces = random_traces((2, 3), [5, 3], missing=0.1)
    observed = observe(mechanism, dynamics, traces)
    log_probs = log_choice_probs(mechanism, dynamics, observed)
    whole = np.zeros((mechanism.table.numel(),) * 2)
    for place in observed.scored.nonzero().tolist():
        for own in range(mechanism.action_counts[place[-1]]):
            log_prob = log_probs[(*place, own)]
            (score,) = torch.autograd.grad(log_prob, mechanism.table, retain_graph=True)
            whole += math.exp(log_prob.detach()) * np.outer(score.numpy(), score.numpy())
    for agent, play in enumerate(plays(traces, dynamics)):
        places = entries(play, agent)
        table = values(mechanism.table.detach().numpy(), places).reshape(len(play.others), -1)
        flat = [int(np.ravel_multi_index(place, mechanism.table.shape)) for place in places]
        features = np.random.default_rng(agent).normal(size=(table.size, 5))
        design = (play.weights @ features.reshape(len(table), -1)).reshape(len(play.actions), table.shape[1], 5)
        for basis, by_decision in ((np.eye(table.size), None), (features, None), (features, design)):
            _, information = gradient_and_information(play, dynamics, table, basis, by_decision)
            expected = basis.T @ whole[np.ix_(flat, flat)] @ basis
            np.testing.assert_allclose(information, expected, rtol=0, atol=1e-10)


def test_choices_of_vanishing_probability_stay_finite() -> None:
    """e^-3000 is 0 in floating point, its logarithm is not."""
    play = AgentPlay(np.zeros((1, 0), np.int64), np.ones((1, 1)), np.array([1]), 3)
    dynamics, table = LogitDynamics(1.0, 1.0, 0.0), np.array([[3000.0, 0.0, 0.0]])
    assert agent_log_likelihood(play, dynamics, table) == pytest.approx(-3000)
    gradient, information = gradient_and_information(play, dynamics, table, np.eye(3))
    np.testing.assert_allclose(gradient, [-1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(information, 0, atol=1e-12)


KINDS: list[Kind] = [SymmetricInteraction(0), SymmetricInteraction(1)]  # one weight each: two agents, two actions
TWO_BY_TWO = Game((("a", "b"), ("a", "b")))


def play_of_two() -> tuple[Traces, LogitDynamics]:
    payoffs = np.zeros((2, 2, 2))
    for first, second in itertools.product(range(2), repeat=2):
        payoffs[first, second] = 0.3 * first + 0.25 * (first == second), 0.3 * second + 0.25 * (first == second)
    dynamics = LogitDynamics(0.3, 2.0, 0.05)
    traces = played(TabularMechanism.from_payoffs(payoffs), 20, 30, dynamics=dynamics)
    return Traces(traces.actions, action_labels=TWO_BY_TWO.action_labels), dynamics


def fitted() -> tuple[Problem, Posterior]:
    traces, dynamics = play_of_two()
    of_agents = plays(traces, dynamics)
    features = [
        [Features(kind.features(TWO_BY_TWO, i, play.others), np.arange(1)) for i, play in enumerate(of_agents)]
        for kind in KINDS
    ]
    problem = Problem(of_agents, features, [1, 1], dynamics)
    return problem, problem.maximise_evidence()


def exact_total(problem: Problem, weights: Sequence[float]) -> float:
    total = 0.0
    for agent, play in enumerate(problem.plays):
        table = sum(weight * problem.features[kind][agent].values for kind, weight in enumerate(weights))
        total += agent_log_likelihood(play, problem.dynamics, np.asarray(table).reshape(len(play.others), -1))
    return total


def test_evidence_is_the_integral_of_likelihood_over_the_prior() -> None:
    """By a grid over both weights; Laplace's approximation is off by what is not quadratic: 600 decisions an agent."""
    problem, posterior = fitted()
    assert posterior.kinds == [0, 1]
    deviations = [math.sqrt(posterior.variances[kind]) for kind in (0, 1)]
    grids = [np.linspace(-4 * deviation, 4 * deviation, 101) for deviation in deviations]
    mass = [norm.logpdf(grid, scale=s) + math.log(grid[1] - grid[0]) for grid, s in zip(grids, deviations, strict=True)]
    both = [
        [exact_total(problem, (x, y)) + mass[0][i] + mass[1][j] for j, y in enumerate(grids[1])]
        for i, x in enumerate(grids[0])
    ]
    alone = (
        [exact_total(problem, (0, y)) + mass[1][j] for j, y in enumerate(grids[1])],
        [exact_total(problem, (x, 0)) + mass[0][i] for i, x in enumerate(grids[0])],
    )
    for kind in (0, 1):
        expected = logsumexp(both) - logsumexp(alone[kind])
        assert expected > 3
        assert posterior.evidence_lost[kind] == pytest.approx(expected, rel=0.1)


def test_weights_are_at_the_mode_and_variances_at_the_fixed_point() -> None:
    problem, posterior = fitted()
    mode = [float(posterior.weights[kind][0]) for kind in (0, 1)]

    def log_posterior(weights: Sequence[float]) -> float:
        return exact_total(problem, weights) - sum(w * w / posterior.variances[k] / 2 for k, w in enumerate(weights))

    best = log_posterior(mode)
    for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert log_posterior([m + s for m, s in zip(mode, step, strict=True)]) < best
    for kind, weight in enumerate(mode):
        scale = PRIOR_SCALE / float(problem.dynamics.precision) ** 2
        fixed = (weight**2 + 2 * scale) / (posterior.effective[kind] + 2 * PRIOR_SHAPE)
        assert posterior.variances[kind] == pytest.approx(fixed, rel=0.01)
        assert 0 < posterior.effective[kind] < 1
