"""Metrics against brute force over contexts and pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from slow_definitions import random_traces, unrolled_log_likelihood
from torch import Tensor

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, NeuralMechanism, TabularMechanism
from diml_inverse import LogitDynamics, metrics

COUNTS = [(3, 3), (2, 3, 4), (1, 3), (4,)]


def game(counts: tuple[int, ...], seed: int) -> TabularMechanism:
    return TabularMechanism.from_payoffs(np.random.default_rng(seed).normal(size=(*counts, len(counts))))


def payoff(mechanism: Mechanism, profile: list[int], agent: int, action: int) -> float:
    return float(mechanism(torch.tensor([*profile[:agent], action, *profile[agent + 1 :]]))[agent].detach())


def brute_force_difference_mse(mechanism: Mechanism, truth: Mechanism, traces: Traces) -> float:
    """Mean over visited contexts, each as often as visited, of the mean over pairs of distinct own actions."""
    of_contexts = []
    for episode, length in zip(traces.actions.tolist(), traces.lengths, strict=True):
        for profile in episode[:length]:
            if -1 in profile:
                continue
            for agent, count in enumerate(truth.action_counts):
                squares = []
                for first, second in itertools.permutations(range(count), 2):
                    true = payoff(truth, profile, agent, first) - payoff(truth, profile, agent, second)
                    found = payoff(mechanism, profile, agent, first) - payoff(mechanism, profile, agent, second)
                    squares.append((found - true) ** 2)
                if squares:
                    of_contexts.append(np.mean(squares))
    return float(np.mean(of_contexts))


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_payoff_difference_mse_is_the_mean_over_contexts_and_pairs(counts: tuple[int, ...], missing: float) -> None:
    mechanism, truth = game(counts, 0), game(counts, 1)
    traces = random_traces(counts, [6, 3, 5], missing=missing)
    expected = brute_force_difference_mse(mechanism, truth, traces)
    assert metrics.payoff_difference_mse(mechanism, truth, traces) == pytest.approx(expected, rel=1e-12)
    nothing = brute_force_difference_mse(TabularMechanism(counts), truth, traces)
    relative = metrics.payoff_difference_mse(mechanism, truth, traces, relative=True)
    assert relative == pytest.approx(expected / nothing, rel=1e-12)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_knowing_nothing_is_exactly_one_and_the_truth_exactly_zero(counts: tuple[int, ...]) -> None:
    truth, traces = game(counts, 1), random_traces(counts, [6, 3])
    assert metrics.payoff_difference_mse(TabularMechanism(counts), truth, traces, relative=True) == 1
    assert metrics.payoff_difference_mse(truth, truth, traces) == 0


def test_a_common_payoff_is_not_an_error() -> None:
    truth, traces = game((2, 3), 1), random_traces((2, 3), [6])
    shifted = TabularMechanism.from_payoffs(truth.table.detach().numpy() + 5)
    assert metrics.payoff_difference_mse(shifted, truth, traces) == pytest.approx(0, abs=1e-25)
    assert metrics.payoff_mse(shifted, truth, torch.tensor([[0, 0], [1, 2]])) == pytest.approx(25)


class NotANumber(Mechanism):
    def forward(self, actions: Tensor) -> Tensor:
        return torch.full(actions.shape, torch.nan)


def test_an_estimate_of_nan_is_not_taken_for_a_perfect_one() -> None:
    """NaN also stands where an agent has no such action; an early version could not tell the two and gave 0."""
    traces = random_traces((2, 3), [6])
    assert np.isnan(metrics.payoff_difference_mse(NotANumber([2, 3]), game((2, 3), 1), traces))


def test_what_has_no_meaning_is_rejected() -> None:
    traces = random_traces((2, 2), [4])
    with pytest.raises(ValueError, match=r"action counts differ: the estimate has \(2, 3\), the truth \(2, 2\)"):
        metrics.payoff_difference_mse(game((2, 3), 0), game((2, 2), 0), traces)
    with pytest.raises(ValueError, match="the true payoff differences are all zero"):
        metrics.payoff_difference_mse(game((2, 2), 0), TabularMechanism([2, 2]), traces, relative=True)
    half_seen = traces.actions.copy()
    half_seen[..., 0] = -1
    with pytest.raises(ValueError, match="no round in which every agent's action was observed"):
        metrics.payoff_difference_mse(game((2, 2), 0), game((2, 2), 0), Traces(half_seen, action_labels=[[0, 1]] * 2))


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_payoff_mse_by_support(counts: tuple[int, ...]) -> None:
    mechanism, truth = game(counts, 0), game(counts, 1)
    traces = random_traces(counts, [3], missing=0.1)
    occurred = {tuple(profile) for profile in traces.actions[0].tolist()}
    squares: dict[str, list[float]] = {"on_support": [], "off_support": []}
    for profile in itertools.product(*map(range, counts)):
        for agent, action in enumerate(profile):
            error = payoff(mechanism, list(profile), agent, action) - payoff(truth, list(profile), agent, action)
            squares["on_support" if profile in occurred else "off_support"].append(error**2)
    found = metrics.payoff_mse_by_support(mechanism, truth, traces)
    assert found == {name: pytest.approx(np.mean(values), rel=1e-12) for name, values in squares.items()}


def test_payoff_mse_without_profiles_off_support_is_nan() -> None:
    truth = game((1, 1), 0)
    found = metrics.payoff_mse_by_support(truth, truth, random_traces((1, 1), [2]))
    assert found["on_support"] == 0
    assert np.isnan(found["off_support"])


def test_payoff_mse_in_large_games_is_a_reproducible_sample() -> None:
    """Errors are 1 on profiles whose first action is 0, else 0; a third of them, by chance within five s.e."""

    class Off(NeuralMechanism):
        def forward(self, actions: Tensor) -> Tensor:
            return super().forward(actions) + (actions[..., :1] == 0)

    truth = NeuralMechanism(9, 3)
    wrong = Off(9, 3)
    traces = random_traces([3] * 9, [4])
    first, again = (metrics.payoff_mse_by_support(wrong, truth, traces, 2000, seed=4) for _ in range(2))
    assert first["off_support"] == again["off_support"]
    assert abs(first["off_support"] - 1 / 3) < 5 * np.sqrt(2 / 9 / 2000)


def test_negative_log_likelihood_is_that_of_the_unrolled_definition() -> None:
    mechanism, dynamics, traces = CongestionMechanism.random(3, 3), LogitDynamics(), random_traces([3] * 3, [4, 3])
    expected = -float(unrolled_log_likelihood(mechanism, dynamics, traces).detach())
    assert metrics.negative_log_likelihood(mechanism, dynamics, traces) == pytest.approx(expected, abs=1e-6)
