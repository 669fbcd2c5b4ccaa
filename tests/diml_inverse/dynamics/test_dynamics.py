"""Dynamics: the linear filter against the recursion in scalars, and the conformance check against broken ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_dynamics import ChosenOnly
from torch import Tensor

from diml_inverse import Dynamics, LogitDynamics, check_dynamics
from diml_inverse.dynamics import logit_response
from diml_inverse.dynamics.filter import CHUNK, decaying_sum
from diml_inverse.dynamics.scan import SHORT, scan

CORNERS = list(product((0.01, 0.25, 1.0), (0.0, 3.0), (0.0, 0.06, 0.9)))


def scalar_attractions(payoffs: list[float], rate: float) -> list[float]:
    """What each round's choice rests on, one action of one agent."""
    attraction, path = 0.0, []
    for payoff in payoffs:
        path.append(attraction)
        attraction = (1 - rate) * attraction + rate * payoff
    return path


def scalar_choice_probs(attractions: list[float], precision: float, exploration: float) -> list[float]:
    powers = [math.exp(precision * attraction) for attraction in attractions]
    return [(1 - exploration) * power / sum(powers) + exploration / len(powers) for power in powers]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("parameters", CORNERS, ids=str)
def test_logit_dynamics_pass_the_check(parameters: tuple[float, float, float]) -> None:
    check_dynamics(LogitDynamics(*parameters))


@pytest.mark.parametrize("size", [(1, 3), (2, 1), (65, 2), (129, 4)], ids=str)
def test_logit_dynamics_pass_the_check_in_other_sizes(size: tuple[int, int]) -> None:
    rounds, actions = size
    check_dynamics(LogitDynamics(), num_rounds=rounds, num_actions=actions + 1)


@pytest.mark.parametrize("rate", [0.003, 0.25, 1.0])
@pytest.mark.parametrize(
    "rounds", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 4097, CHUNK**2 + 3 * CHUNK]
)
def test_attractions_follow_the_recursion_at_every_length(rounds: int, rate: float) -> None:
    """Around the edges of chunks, and of chunks of chunks, where the filter calls itself."""
    payoffs = normal(1, rounds, 1, 2)
    found = LogitDynamics(rate).attractions(payoffs, torch.zeros(1, rounds, 1, dtype=torch.int64))
    for action in range(2):
        expected = scalar_attractions(payoffs[0, :, 0, action].tolist(), rate)
        assert found[0, :, 0, action].tolist() == pytest.approx(expected, rel=0, abs=1e-12)


def test_attractions_in_single_precision() -> None:
    """Sums of 4097 decaying terms of size 1: rounding stays a small multiple of 2^-24."""
    payoffs = normal(1, 4097, 1, 1).float()
    found = LogitDynamics(0.01).attractions(payoffs, torch.zeros(1, 4097, 1, dtype=torch.int64))
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == pytest.approx(scalar_attractions(payoffs.flatten().tolist(), 0.01), abs=2e-6)


def test_episodes_agents_and_actions_are_filtered_apart() -> None:
    payoffs = normal(3, 70, 2, 4)
    found = LogitDynamics(0.3).attractions(payoffs, torch.zeros(3, 70, 2, dtype=torch.int64))
    for episode, agent, action in product(range(3), range(2), range(4)):
        expected = scalar_attractions(payoffs[episode, :, agent, action].tolist(), 0.3)
        assert found[episode, :, agent, action].tolist() == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=200),
    st.floats(0, 1),
    st.floats(-2, 2),
)
def test_the_filter_is_a_decaying_sum(values: list[float], decay: float, weight: float) -> None:
    numbers = torch.tensor(values, dtype=torch.float64)[None, :, None]
    filtered = decaying_sum(numbers, torch.tensor(decay).double(), torch.tensor(weight).double())
    expected, current = [], 0.0
    for value in values:
        expected.append(current)
        current = torch.tensor(decay).double().item() * current + torch.tensor(weight).double().item() * value
    assert filtered.flatten().tolist() == pytest.approx(expected, rel=1e-12, abs=1e-11)


@pytest.mark.parametrize("rounds", [10, 2 * CHUNK + 3])
def test_the_filter_is_differentiable_in_its_decay_and_weight(rounds: int) -> None:
    """For dynamics whose learning rate is fitted."""
    values = normal(2, rounds, 2).requires_grad_()
    decay, weight = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.7, 0.3))
    assert torch.autograd.gradcheck(decaying_sum, (values, decay, weight), fast_mode=rounds > CHUNK)


@pytest.mark.parametrize("parameters", CORNERS, ids=str)
def test_choice_probs_follow_the_formula(parameters: tuple[float, float, float]) -> None:
    _, precision, exploration = parameters
    attractions = normal(6, 4)
    found = LogitDynamics(*parameters).log_choice_probs(attractions).exp()
    for row, expected_of in zip(found.tolist(), attractions.tolist(), strict=True):
        assert row == pytest.approx(scalar_choice_probs(expected_of, precision, exploration), abs=1e-14)


@pytest.mark.parametrize("parameters", CORNERS, ids=str)
def test_actions_that_do_not_exist_get_no_share_of_exploration(parameters: tuple[float, float, float]) -> None:
    _, precision, exploration = parameters
    attractions, mask = normal(6, 4), torch.tensor([True, True, True, False])
    found = LogitDynamics(*parameters).log_choice_probs(attractions, mask).exp()
    for row, expected_of in zip(found.tolist(), attractions.tolist(), strict=True):
        assert row == pytest.approx([*scalar_choice_probs(expected_of[:3], precision, exploration), 0], abs=1e-14)


@pytest.mark.parametrize("exploration", [0.0, 0.06])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_payoffs_overflow_nothing(exploration: float, dtype: torch.dtype) -> None:
    payoffs = (1e4 * normal(2, 100, 3, 4)).to(dtype).requires_grad_()
    dynamics = LogitDynamics(exploration=exploration)
    actions = torch.randint(3, (2, 100, 3), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * 4, [True, True, True, False], [True] * 4])
    chosen = dynamics.chosen_log_probs(dynamics.attractions(payoffs, actions), actions, mask)
    assert chosen.isfinite().all()
    (gradient,) = torch.autograd.grad(chosen.sum(), payoffs)
    assert gradient.isfinite().all()
    log_probs = dynamics.log_choice_probs(dynamics.attractions(payoffs, actions), mask)
    assert not log_probs.isnan().any()


def test_logit_response_is_not_moved_by_a_common_payoff() -> None:
    """A raw exp would overflow at 1e6."""
    attractions = normal(5, 3)
    precision = torch.tensor(3.0, dtype=torch.float64)
    torch.testing.assert_close(
        logit_response(attractions + 1e6, precision), logit_response(attractions, precision), rtol=0, atol=1e-8
    )


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("learning_rate", 0.0, "(0, 1]"),
        ("learning_rate", 1.01, "(0, 1]"),
        ("learning_rate", -0.1, "(0, 1]"),
        ("learning_rate", math.nan, "(0, 1]"),
        ("precision", -1.0, "[0, infinity)"),
        ("precision", math.inf, "[0, infinity)"),
        ("precision", math.nan, "[0, infinity)"),
        ("exploration", 1.0, "[0, 1)"),
        ("exploration", -0.01, "[0, 1)"),
        ("exploration", math.nan, "[0, 1)"),
    ],
)
def test_parameters_outside_their_range_are_rejected(name: str, value: float, range_: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the whole message is compared)
        LogitDynamics(**{name: value})
    assert str(raised.value) == f"{name} must be in {range_}; got {value}"


def test_configuration_builds_the_same_dynamics_again() -> None:
    dynamics = LogitDynamics(0.1, 1 / 3, 0.07)
    assert LogitDynamics(**dynamics.config()).config() == dynamics.config()
    assert repr(dynamics) == "LogitDynamics(learning_rate=0.1, precision=0.333333, exploration=0.07)"


def test_known_parameters_are_not_fitted() -> None:
    assert list(LogitDynamics().parameters()) == []


class ForgetsTheFirstRound(LogitDynamics):
    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        return super().attractions(payoffs.clone().index_fill(1, torch.tensor([0]), 0.0), actions)


class LooksAhead(LogitDynamics):
    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        return super().attractions(payoffs, actions).roll(-1, dims=1)


class DropsARound(LogitDynamics):
    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        return super().attractions(payoffs, actions)[:, 1:]


class CutsGradients(LogitDynamics):
    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        return super().attractions(payoffs.detach(), actions)


class IgnoresTheMask(LogitDynamics):
    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return super().log_choice_probs(attractions)


class Unnormalised(ChosenOnly):
    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return 2 * super().log_choice_probs(attractions, action_mask)


class ScoresByRank(LogitDynamics):
    def chosen_log_probs(self, attractions: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return self.log_choice_probs(attractions, action_mask).amax(-1)


def test_a_user_s_own_dynamics_pass_the_check() -> None:
    check_dynamics(ChosenOnly())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ForgetsTheFirstRound, "attractions differ from the round-by-round update by up to"),
        (LooksAhead, "attractions differ from the round-by-round update by up to"),
        (DropsARound, r"attractions of payoffs \(2, 150, 3, 3\) have shape \(2, 149, 3, 3\)"),
        (CutsGradients, "gradients of attractions and of update differ"),
        (IgnoresTheMask, "must have log probability -inf"),
        (Unnormalised, "choice probabilities do not sum to one"),
        (ScoresByRank, "chosen_log_probs differ from log_choice_probs"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_broken_dynamics_are_found(broken: Callable[[], Dynamics], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_dynamics(broken())


@pytest.mark.parametrize("method", ["update", "log_choice_probs", "config"])
def test_what_a_subclass_must_define_is_said(method: str) -> None:
    arguments = {"update": [torch.zeros(2)] * 3, "log_choice_probs": [torch.zeros(2)], "config": []}[method]
    with pytest.raises(NotImplementedError, match=f"Dynamics must define {method}"):
        getattr(Dynamics(), method)(*arguments)


@pytest.mark.parametrize("rounds", [1, 2, SHORT, SHORT + 1, 12**2, 12**2 + 1, 13 * 12, 1000])
def test_a_recursion_of_changing_decay_is_followed_at_every_length(rounds: int) -> None:
    """Around the edges of pieces; gradients too, those of a long path being its own recursion backwards."""
    decay, values = normal(2, rounds, 3).sigmoid().requires_grad_(), normal(2, rounds, 3, seed=1).requires_grad_()
    current, path = torch.zeros(2, 3, dtype=torch.float64), []
    for round_ in range(rounds):
        current = decay[:, round_] * current + values[:, round_]
        path.append(current)
    weights = normal(2, rounds, 3, seed=2)
    found, expected = scan(decay, values), torch.stack(path, 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    for fast, slow in zip(
        torch.autograd.grad((weights * found).sum(), (decay, values)),
        torch.autograd.grad((weights * expected).sum(), (decay, values)),
        strict=True,
    ):
        torch.testing.assert_close(fast, slow, rtol=0, atol=1e-11)
