"""The compiled recursion gives the numbers of the learners' own methods: values, gradients, Hessians."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from slow_definitions import random_traces
from torch import Tensor

from diml_envs.mechanisms import Mechanism, NeuralMechanism, TabularMechanism
from diml_inverse import AttractionDynamics, Dynamics, LogitDynamics
from diml_inverse.likelihood import ObservedPlay, decision_log_likelihoods, observe, total_log_likelihood

LENGTHS = [9, 2, 13, 1]
OWN: dict[str, Any] = {"forgone_weight": 0.0, "forgets": "updated"}
LEARNERS: list[dict[str, Any]] = [
    {},
    {"precision": 2.0, "exploration": 0.2},
    {"forgone_weight": 0.3, "exploration": 0.1},
    {**OWN, "habit": 0.4, "exploration": 0.1},
    {"forgone_weight": 0.3, "forgets": "updated", "initial_experience": 0.5, "learning_rate": 0.1, "cumulation": 0.4},
    {"learning_rate": 0.0, "cumulation": 1.0},
    {"learning_rate": 0.0, "initial_experience": 1.0},
    {"learning_rate": 0.1, "cumulation": 0.5, "forgone_weight": 0.2, "initial_experience": 2.0, "bonus": 0.3},
    {"learning_rate": 0.2, "cumulation": 1.0, "by": "regret", "choice": "regret", "exploration": 0.1},
    {"learning_rate": 0.2, "cumulation": 0.3, "by": "regret", "choice": "regret", "forgone_weight": 0.5, "habit": 0.2},
    {"learning_rate": 0.1, "cumulation": 1.0, "by": "gradient", "precision": 0.2},
    {"learning_rate": 0.1, "cumulation": 1.0, "by": "gradient", "exploration": 0.2, "choice": "regret"},
    {"learning_rate": 0.1, "cumulation": 1.0, "by": "gradient", "block": 4},
    {"learning_rate": 0.2, "cumulation": 1.0, "by": "importance", "exploration": 0.3, "habit": 0.1},
    {**OWN, "bonus": 1.5, "initial_experience": 1e-3, "learning_rate": 0.0},
    {**OWN, "habit": -0.5, "block": 3},
    {"forgone_weight": 0.4, "by": "regret", "block": 2},
    {"learning_rate": [0.1, 0.2, 0.3], "forgone_weight": 0.5, "habit": [0.1, 0.0, 0.3]},
]
SHARES = {"learning_rate", "forgone_weight", "cumulation"}


def fitted_in_everything(options: dict[str, Any]) -> AttractionDynamics:
    """With every parameter that may be fitted, fitted."""
    fit = {name for name, value in options.items() if isinstance(value, float | list)} | {"precision"}
    fit -= {name for name in fit & SHARES if options.get(name) in (0.0, 1.0)}
    return AttractionDynamics(**options, fit=tuple(fit))


def by_its_own_methods(play: ObservedPlay) -> ObservedPlay:
    return replace(play, followed=None)


def first_and_second(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay, weight: Tensor) -> list[Tensor]:
    """Weighted decisions, their gradient and the gradient's along a random direction."""
    parameters = [*mechanism.parameters(), *dynamics.parameters()]
    values = decision_log_likelihoods(mechanism, dynamics, play)
    slopes = torch.autograd.grad((values * weight).sum(), parameters, create_graph=True, materialize_grads=True)
    generator = torch.Generator().manual_seed(1)
    along = sum((slope * torch.randn(slope.shape, generator=generator)).sum() for slope in slopes)
    second = torch.autograd.grad(along, parameters, materialize_grads=True)
    return [values, *slopes, *second]


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("options", LEARNERS, ids=str)
def test_values_gradients_and_hessians_are_those_of_the_definition(options: dict[str, Any], missing: float) -> None:
    torch.manual_seed(0)
    by_probabilities = options.get("by") in ("gradient", "importance")  # `update` knows nothing of missing actions
    mechanism = NeuralMechanism(3, [3] * 3 if by_probabilities else [2, 4, 3], hidden=(4,)).double()
    dynamics = fitted_in_everything(options)
    play = observe(mechanism, dynamics, random_traces(mechanism.action_counts, LENGTHS, missing=missing))
    assert play.followed is not None
    weight = torch.rand(play.scored.shape, dtype=torch.float64)
    found = first_and_second(mechanism, dynamics, play, weight)
    expected = first_and_second(mechanism, dynamics, by_its_own_methods(play), weight)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_the_sum_has_the_same_gradient_in_float32_and_in_float64() -> None:
    traces = random_traces([3, 3], [30, 20])
    gradients = []
    for mechanism in (TabularMechanism.random(2, 3), TabularMechanism.random(2, 3).double()):
        play = observe(mechanism, LogitDynamics(), traces)
        total = total_log_likelihood(mechanism, LogitDynamics(), play)
        gradients.append(torch.autograd.grad(total, mechanism.table)[0])
        assert total.dtype == gradients[-1].dtype == mechanism.table.dtype
    torch.testing.assert_close(gradients[0].double(), gradients[1], rtol=1e-4, atol=1e-4)


def test_learners_with_methods_of_their_own_are_left_to_these() -> None:
    class Slower(LogitDynamics):
        def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
            return 0.5 * super().attractions(payoffs, actions)

    mechanism, traces = TabularMechanism.random(2, 2).double(), random_traces([2, 2], LENGTHS)
    found = total_log_likelihood(mechanism, Slower(), observe(mechanism, Slower(), traces))
    halved = LogitDynamics(precision=1.5)
    torch.testing.assert_close(found, total_log_likelihood(mechanism, halved, observe(mechanism, halved, traces)))


def test_play_observed_for_other_learners_is_not_followed_as_theirs() -> None:
    mechanism, traces = TabularMechanism.random(2, 2).double(), random_traces([2, 2], LENGTHS)
    other = AttractionDynamics(**OWN)
    play = observe(mechanism, LogitDynamics(), traces)
    found = decision_log_likelihoods(mechanism, other, play)
    torch.testing.assert_close(found, decision_log_likelihoods(mechanism, other, by_its_own_methods(play)))
