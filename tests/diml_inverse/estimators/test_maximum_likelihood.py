"""Maximum likelihood against other optimisers, the closed form of static choice, and its own standard errors."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from slow_definitions import choice_counts, payoff_differences, played, random_traces, scored_log_probs
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from diml_envs import Traces
from diml_envs.mechanisms import (
    AnonymousMechanism,
    AuctionMechanism,
    CallableMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    PublicGoodsMechanism,
    TabularMechanism,
)
from diml_inverse import Estimator, LogitDynamics, StructuredMLE, TabularMLE, log_likelihood
from diml_inverse.likelihood import decision_log_likelihoods, observe

STATIC = LogitDynamics(learning_rate=1.0, precision=2.0, exploration=0.0)


def penalised_slow_loss(mechanism: Mechanism, dynamics: LogitDynamics, traces: Traces, ridge: float) -> Tensor:
    """Total negative log-likelihood plus ridge / 2 |precision parameters|^2, by the unrolled definition."""
    fit = -sum(scored_log_probs(mechanism, dynamics, traces).values())
    return fit + ridge * float(dynamics.precision) ** 2 / 2 * sum(
        parameter.square().sum() for parameter in mechanism.parameters()
    )


def slow_maximum(mechanism: Mechanism, dynamics: LogitDynamics, traces: Traces, ridge: float) -> NDArray[np.float64]:
    """By scipy's BFGS from zero, on the slow definition."""
    parameters = list(mechanism.parameters())

    def loss(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        vector_to_parameters(torch.tensor(vector), parameters)
        value = penalised_slow_loss(mechanism, dynamics, traces, ridge)
        gradient = parameters_to_vector(torch.autograd.grad(value, parameters))
        return float(value.detach()), gradient.numpy()

    start = np.zeros(sum(parameter.numel() for parameter in parameters))
    return minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x


def fitted_vector(mechanism: Mechanism) -> NDArray[np.float64]:
    return parameters_to_vector(mechanism.parameters()).detach().numpy()


@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_a_table_agrees_with_another_optimiser_on_the_slow_definition(ridge: float) -> None:
    dynamics, traces = LogitDynamics(0.4, 2.0, 0.06), random_traces([2, 2], [7, 5, 6])
    expected = slow_maximum(TabularMechanism([2, 2]).double(), dynamics, traces, ridge)
    found = TabularMLE(dynamics, ridge=ridge).fit(traces)
    np.testing.assert_allclose(fitted_vector(found.mechanism), expected, rtol=0, atol=1e-5)


def test_a_formula_agrees_with_another_optimiser_on_the_slow_definition() -> None:
    """Ridge makes the split between linear cost and toll, which play does not tell apart, unique."""
    dynamics, traces = LogitDynamics(0.4, 2.0, 0.06), random_traces([2, 2, 2], [7, 5])
    expected = slow_maximum(CongestionMechanism(3, 2).double(), dynamics, traces, 0.1)
    found = StructuredMLE(CongestionMechanism(3, 2), dynamics, ridge=0.1).fit(traces)
    np.testing.assert_allclose(fitted_vector(found.mechanism), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "mechanism", [CongestionMechanism(4, 3), PublicGoodsMechanism(4, 3, hidden=4)], ids=lambda m: type(m).__name__
)
def test_the_gradient_at_the_maximum_is_zero(mechanism: Mechanism) -> None:
    dynamics, traces, ridge = LogitDynamics(), random_traces([3] * 4, [30] * 10), 0.5
    fitted = StructuredMLE(mechanism, dynamics, ridge=ridge).fit(traces)
    fitted.mechanism.requires_grad_(True)
    parameters = list(fitted.mechanism.parameters())
    value = log_likelihood(fitted.mechanism, dynamics, traces)
    penalty = ridge * float(dynamics.precision) ** 2 / 2 * sum(p.square().sum() for p in parameters) / (4 * 29 * 10)
    for gradient in torch.autograd.grad(value - penalty, parameters, materialize_grads=True):
        assert gradient.abs().max() < 1e-6
    assert fitted.info["converged"]
    assert fitted.history.train_log_likelihood.iloc[-1] == pytest.approx(float(value.detach()), abs=1e-9)


@pytest.mark.parametrize(
    "mechanism",
    [
        NeuralMechanism(3, [2, 3, 2], hidden=(6,)),
        AnonymousMechanism(3, 3, hidden=(6,)),
        AnonymousMechanism(3, 3, hidden=(6,), own_action="output"),
        AuctionMechanism.random(3, 3),
    ],
    ids=lambda mechanism: type(mechanism).__name__,
)
def test_any_parametric_mechanism_can_be_fitted(mechanism: Mechanism) -> None:
    traces = random_traces(mechanism.action_counts, [10] * 4)
    fitted = StructuredMLE(mechanism, LogitDynamics(), ridge=0.1, max_iterations=20).fit(traces)
    history = fitted.history.train_log_likelihood
    assert history.iloc[-1] > history.iloc[0]
    assert isinstance(fitted.mechanism, type(mechanism))


def test_static_choice_in_a_table_has_the_known_closed_form() -> None:
    """With learning rate 1 and no exploration, an agent answers the other's last action by logit response.

    The maximum likelihood of the payoff difference is then log(times b chosen / times 0 chosen) / precision.
    """
    truth = TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 3, 2)) / 2)
    traces = played(truth, 30, 20, dynamics=STATIC)
    found = payoff_differences(TabularMLE(STATIC, ridge=0).fit(traces).mechanism)
    for agent in (0, 1):
        counts = choice_counts(traces, agent)
        for other in range((3, 2)[agent]):
            for action in range(1, (2, 3)[agent]):
                expected = math.log(counts[other, action] / counts[other, 0]) / 2.0
                assert found[agent, action, other] == pytest.approx(expected, abs=1e-5)


def conditional_logit(features: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Newton's method for P(chosen) = softmax(features @ weights). features: [M, A, K], chosen: [M] -> [K]."""
    weights = np.zeros(features.shape[-1])
    for _ in range(30):
        powers = np.exp(features @ weights)
        probs = powers / powers.sum(1, keepdims=True)
        mean = np.einsum("ma,mak->mk", probs, features)
        gradient = (features[np.arange(len(chosen)), chosen] - mean).sum(0)
        spread = features - mean[:, None]
        hessian = np.einsum("ma,mak,mal->kl", probs, spread, spread)
        weights += np.linalg.solve(hessian, gradient)
    return weights


def test_static_choice_with_a_formula_is_a_conditional_logit() -> None:
    """Congestion payoffs are linear in (toll - linear cost, quadratic cost) of each resource, 2 A features."""
    truth = CongestionMechanism.random(4, 3)
    traces = played(truth, 20, 25, dynamics=STATIC)
    features, chosen = [], []
    for episode in traces.actions.tolist():
        for before, after in pairwise(episode):
            for agent in range(4):
                rows = np.zeros((3, 6))
                for action in range(3):
                    load = 1 + sum(before[other] == action for other in range(4) if other != agent)
                    rows[action, action], rows[action, 3 + action] = load, -(load**2)
                features.append(2.0 * rows)  # the precision
                chosen.append(after[agent])
    weights = conditional_logit(np.array(features), np.array(chosen))
    fitted = StructuredMLE(CongestionMechanism(4, 3), STATIC).fit(traces).mechanism
    assert isinstance(fitted, CongestionMechanism)
    np.testing.assert_allclose((fitted.toll_rate - fitted.linear_cost).tolist(), weights[:3], rtol=0, atol=1e-4)
    np.testing.assert_allclose(fitted.quadratic_cost.tolist(), weights[3:], rtol=0, atol=1e-4)


def differences_and_errors(mechanism: TabularMechanism, traces: Traces) -> tuple[Tensor, Tensor]:
    """Of a 2 x 2 game: the four payoff differences, and their standard errors from the observed information."""
    dynamics = LogitDynamics()
    play = observe(mechanism, dynamics, traces)

    def total(table: Tensor) -> Tensor:
        moved = TabularMechanism([2, 2]).double()
        del moved.table
        moved.table = table.reshape(2, 2, 2)
        return -decision_log_likelihoods(moved, dynamics, play).sum()

    table = mechanism.table.detach().flatten()
    information = torch.autograd.functional.hessian(total, table)
    own = torch.zeros(4, 8, dtype=torch.float64)
    for row, (agent, other) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        for action, sign in ((1, 1.0), (0, -1.0)):
            profile = (action, other) if agent == 0 else (other, action)
            own[row, np.ravel_multi_index((*profile, agent), (2, 2, 2))] = sign
    variances = (own @ torch.linalg.pinv(information, rtol=1e-9) @ own.T).diagonal()
    return own @ table, variances.sqrt()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_table_s_error_shrinks_with_the_episodes_as_standard_errors_say(seed: int) -> None:
    """Null: differences are normal about the truth with variance 1 / information, which grows with the episodes.

    Over R data sets the 4 R squared z-scores have mean 1 and standard error (2 / 4R)^1/2; five of them allowed. Sixteen
    times the episodes shrink the mean squared error sixteenfold: a ratio of two such means, log-standard error
    (4 / 4R)^1/2.
    """
    data_sets = 8
    truth = TabularMechanism.from_payoffs(np.random.default_rng(seed).normal(size=(2, 2, 2)) / 2)
    squared_errors = {}
    for episodes in (50, 800):
        scores, errors = [], []
        for data_set in range(data_sets):
            traces = played(truth, episodes, 15, seed=1000 * seed + data_set)
            fitted = TabularMLE(LogitDynamics()).fit(traces).mechanism
            assert isinstance(fitted, TabularMechanism)
            found, standard_errors = differences_and_errors(fitted, traces)
            error = found - differences_and_errors(truth, traces)[0]
            scores.append((error / standard_errors).square().mean())
            errors.append(error.square().mean())
        assert abs(float(torch.stack(scores).mean()) - 1) < 5 * math.sqrt(2 / (4 * data_sets))
        squared_errors[episodes] = float(torch.stack(errors).mean())
    assert abs(math.log(squared_errors[50] / squared_errors[800] / 16)) < 5 * math.sqrt(4 / (4 * data_sets))


def test_the_given_mechanism_is_left_as_it_was() -> None:
    mechanism = CongestionMechanism.random(3, 3)
    before = {name: tensor.clone() for name, tensor in mechanism.state_dict().items()}
    first, second = (StructuredMLE(mechanism, LogitDynamics()).fit(random_traces([3] * 3, [20])) for _ in range(2))
    assert all(torch.equal(tensor, before[name]) for name, tensor in mechanism.state_dict().items())
    assert mechanism.linear_cost.dtype == torch.float32
    assert np.array_equal(fitted_vector(first.mechanism), fitted_vector(second.mechanism))


def test_a_table_is_sized_by_the_traces() -> None:
    estimator = TabularMLE(LogitDynamics())
    assert isinstance(estimator, Estimator)
    assert estimator.fit(random_traces([2, 3], [9])).mechanism.action_counts == (2, 3)
    assert estimator.fit(random_traces([4], [9])).mechanism.action_counts == (4,)
    assert estimator.fit(random_traces([4], [9])).info["estimator"] == "TabularMLE"


class Undefined(Mechanism):
    """NaN as soon as agent 1 plays 2."""

    def __init__(self) -> None:
        super().__init__([3, 3])
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, actions: Tensor) -> Tensor:
        self.validate(actions)
        return (self.scale * actions).masked_fill(actions[..., 1:] == 2, torch.nan)


def test_a_payoff_that_is_no_number_is_named() -> None:
    actions = np.zeros((1, 6, 2), int)
    actions[0, 3, 1] = 2
    traces = Traces(actions, agents=["ann", "bob"], action_labels=[range(3)] * 2, episodes=["monday"])
    # Agent bob's own deviation to 2 is undefined from the first round on.
    with pytest.raises(FloatingPointError, match="counterfactual payoffs at round 0 of agent 'bob', episode 'monday'"):
        StructuredMLE(Undefined(), LogitDynamics()).fit(traces)


def test_what_cannot_be_fitted_is_rejected() -> None:
    with pytest.raises(ValueError, match="CallableMechanism has no parameters to fit"):
        StructuredMLE(CallableMechanism(lambda profile: [0.0], [2]), LogitDynamics())
    for ridge in (-1.0, math.nan):
        with pytest.raises(ValueError, match=f"ridge must be at least 0; got {ridge}"):
            StructuredMLE(CongestionMechanism(2, 2), LogitDynamics(), ridge=ridge)
    with pytest.raises(ValueError, match="max_iterations must be at least 1"):
        StructuredMLE(CongestionMechanism(2, 2), LogitDynamics(), max_iterations=0)
    with pytest.raises(ValueError, match="the mechanism has 2 agents, the traces 3"):
        StructuredMLE(CongestionMechanism(2, 2), LogitDynamics()).fit(random_traces([2, 2, 2], [4]))
