"""Many agents are taken some at a time: the same numbers as all at once, in bounded memory."""

from __future__ import annotations

import pytest
import torch
from slow_definitions import random_traces
from torch import Tensor, nn

import diml_inverse.likelihood.play
import diml_inverse.likelihood.scored
from diml_envs import Traces
from diml_envs.mechanisms import AnonymousMechanism, Mechanism, NeuralMechanism, TabularMechanism
from diml_inverse import DIML, Dynamics, LogitDynamics, StructuredMLE, TabularMLE
from diml_inverse.likelihood import decision_log_likelihoods, nonfinite_place, observe, total_log_likelihood

LENGTHS = [5, 2, 7, 1]


class FittedRate(Dynamics):
    """Logit dynamics whose learning rate is a parameter, and which remember how much they were given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.unused = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        self.largest = 0

    def update(self, attractions: Tensor, payoffs: Tensor, actions: Tensor) -> Tensor:
        self.largest = max(self.largest, payoffs.numel() * LENGTHS[2])
        return (1 - self.rate) * attractions + self.rate * payoffs

    def log_choice_probs(self, attractions: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return LogitDynamics().log_choice_probs(attractions, action_mask)


@pytest.fixture(autouse=True)
def by_their_own_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled here: the compiled recursion holds no payoffs along the play in the first place."""
    monkeypatch.setattr(diml_inverse.likelihood.play, "followed", lambda *_: None)


@pytest.fixture
def one_agent_at_a_time(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """`undo()` on it goes back to all at once."""
    monkeypatch.setattr(diml_inverse.likelihood.scored, "MOST_PAYOFFS", 1)
    return monkeypatch


def value_and_gradients(mechanism: Mechanism, dynamics: Dynamics, traces: Traces) -> list[Tensor]:
    total = total_log_likelihood(mechanism, dynamics, observe(mechanism, dynamics, traces))
    parameters = [*mechanism.parameters(), *dynamics.parameters()]
    return [total.detach(), *torch.autograd.grad(total, parameters, materialize_grads=True)]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_agents_one_by_one_give_value_and_gradient_of_all(
    parametric_mechanism: Mechanism, one_agent_at_a_time: pytest.MonkeyPatch, missing: float
) -> None:
    """Every mechanism, unequal action counts and lengths, and some actions unobserved."""
    mechanism, dynamics = parametric_mechanism.double(), LogitDynamics(0.3, 2.0, 0.06)
    traces = random_traces(mechanism.action_counts, LENGTHS, missing=missing)
    streamed = value_and_gradients(mechanism, dynamics, traces)
    one_agent_at_a_time.undo()
    assert_same(streamed, value_and_gradients(mechanism, dynamics, traces))


@pytest.mark.parametrize("at_once", [2**6, 2**8, 2**10])
def test_parts_of_several_agents(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """11 agents, whose number no part size divides, many actions."""
    mechanism, dynamics = AnonymousMechanism(11, 30, hidden=(8,)).double(), LogitDynamics()
    traces = random_traces(mechanism.action_counts, [3, 2])
    expected = value_and_gradients(mechanism, dynamics, traces)
    monkeypatch.setattr(diml_inverse.likelihood.scored, "MOST_PAYOFFS", at_once)
    assert_same(value_and_gradients(mechanism, dynamics, traces), expected)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_decisions_are_the_same_one_by_one(one_agent_at_a_time: pytest.MonkeyPatch, missing: float) -> None:
    """And the same ones are scored."""
    mechanism, dynamics = NeuralMechanism(3, [2, 4, 3]).double(), LogitDynamics()
    traces = random_traces(mechanism.action_counts, LENGTHS, missing=missing)
    streamed = observe(mechanism, dynamics, traces)
    found = decision_log_likelihoods(mechanism, dynamics, streamed)
    one_agent_at_a_time.undo()
    whole = observe(mechanism, dynamics, traces)
    assert torch.equal(streamed.scored, whole.scored)
    torch.testing.assert_close(found, decision_log_likelihoods(mechanism, dynamics, whole), rtol=0, atol=1e-12)


def test_dynamics_that_are_fitted_get_their_gradient(one_agent_at_a_time: pytest.MonkeyPatch) -> None:
    mechanism, traces = NeuralMechanism(3, 2).double(), random_traces([2, 2, 2], LENGTHS)
    streamed = value_and_gradients(mechanism, FittedRate(), traces)
    assert streamed[-2] != 0
    one_agent_at_a_time.undo()
    assert_same(streamed, value_and_gradients(mechanism, FittedRate(), traces))


def test_a_mechanism_that_is_known_leaves_the_dynamics_to_fit(one_agent_at_a_time: pytest.MonkeyPatch) -> None:
    mechanism, dynamics = NeuralMechanism(3, 2).double().requires_grad_(False), FittedRate()
    traces = random_traces([2, 2, 2], LENGTHS)
    total = total_log_likelihood(mechanism, dynamics, observe(mechanism, dynamics, traces))
    assert torch.autograd.grad(total, dynamics.rate)[0] != 0


@pytest.mark.parametrize("missing", [0.0, 0.002])
def test_what_is_held_at_once_does_not_grow_with_the_number_of_agents(
    monkeypatch: pytest.MonkeyPatch, missing: float
) -> None:
    bound = 4 * max(LENGTHS) * 3 * 10
    monkeypatch.setattr(diml_inverse.likelihood.scored, "MOST_PAYOFFS", bound)
    for num_agents in (20, 200):
        mechanism, dynamics = AnonymousMechanism(num_agents, 3), FittedRate()
        traces = random_traces(mechanism.action_counts, LENGTHS, missing=missing)
        play = observe(mechanism, dynamics, traces)
        total_log_likelihood(mechanism, dynamics, play).backward()
        with torch.no_grad():
            decision_log_likelihoods(mechanism, dynamics, play)
        assert 0 < dynamics.largest <= bound


def test_without_gradients_nothing_is_kept(one_agent_at_a_time: pytest.MonkeyPatch) -> None:
    mechanism, dynamics, traces = NeuralMechanism(3, 2), LogitDynamics(), random_traces([2, 2, 2], LENGTHS)
    with torch.no_grad():
        total = total_log_likelihood(mechanism, dynamics, observe(mechanism, dynamics, traces))
    assert not total.requires_grad


def test_a_place_that_is_not_finite_is_named_whichever_part_it_is_in(one_agent_at_a_time: pytest.MonkeyPatch) -> None:
    mechanism = TabularMechanism([2, 2, 2])
    mechanism.table.data[..., 2] = torch.nan
    traces = random_traces([2, 2, 2], [4])
    place = nonfinite_place(mechanism, LogitDynamics(), observe(mechanism, LogitDynamics(), traces))
    assert place == "counterfactual payoffs at round 0 of agent 'agent_2', episode 0"


def test_fits_come_out_the_same_one_by_one(one_agent_at_a_time: pytest.MonkeyPatch) -> None:
    traces, dynamics = random_traces([2, 3], [9, 8, 7]), LogitDynamics()
    estimators = (
        DIML(NeuralMechanism(2, [2, 3]).double(), dynamics, max_epochs=5, members=1),
        TabularMLE(dynamics),
        StructuredMLE(NeuralMechanism(2, [2, 3], hidden=(4,)), dynamics, max_iterations=5),
    )
    streamed = [estimator.fit(traces).log_likelihood(traces) for estimator in estimators]
    one_agent_at_a_time.undo()
    assert streamed == pytest.approx([estimator.fit(traces).log_likelihood(traces) for estimator in estimators])
