"""Standard errors of networks: the linearised network against plain weight space, and where the two must agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, NeuralMechanism, TabularMechanism
from diml_inverse import DIML, Dynamics, Estimate, LogitDynamics, TabularMLE, simulate
from diml_inverse.inference import function_interval, learner_parameters, wald_test
from diml_inverse.likelihood import observe
from diml_inverse.uncertainty.fitted import Fitted
from diml_inverse.uncertainty.information import observed_information
from diml_inverse.uncertainty.network import NetworkUncertainty

KNOWN = LogitDynamics(0.25, 3.0, 0.06)
FITTED = LogitDynamics(0.3, 3.0, 0.1, fit=("learning_rate",))


def play(counts: list[int], missing: float = 0.0) -> Traces:
    rng = np.random.default_rng(0)
    traces = simulate(TabularMechanism.from_payoffs(rng.normal(size=(*counts, len(counts)))), KNOWN, 10, 15, seed=0)
    actions = traces.actions.copy()
    actions[rng.random(actions.shape) < missing] = -1
    return Traces(actions, action_labels=[range(count) for count in counts])


def everything(mechanism, dynamics: Dynamics, parameters) -> torch.Tensor:
    """All payoffs of the whole game, then learners' parameters."""
    profiles = torch.cartesian_prod(*map(torch.arange, mechanism.action_counts))
    return torch.cat([mechanism(profiles).reshape(-1), *(parameter.reshape(-1) for parameter in parameters)])


@pytest.mark.parametrize("dynamics", [KNOWN, FITTED], ids=["known", "fitted"])
def test_it_is_the_normal_posterior_of_the_weights(dynamics: Dynamics) -> None:
    """In plain weight space: (J^T H J + prior)^-1, H the part curved downwards of the Hessian in a free table."""
    mechanism = NeuralMechanism(2, [2, 3], embedding_dim=2, hidden=(4,), seed=1).double()
    with torch.no_grad():
        mechanism.network[-1].weight.normal_(generator=torch.Generator().manual_seed(0))
    names = [name for name, _ in dynamics.named_parameters()]
    traces = play([2, 3], missing=0.02)
    uncertainty = NetworkUncertainty(mechanism, dynamics, observe(mechanism, dynamics, traces), names)
    fitted = uncertainty.fitted
    values = everything(fitted.mechanism, fitted.dynamics, fitted.parameters[len(list(mechanism.parameters())) :])
    jacobian = fitted.jacobian(values)
    table = TabularMechanism.from_payoffs(values[:12].detach().reshape(2, 3, 2))
    free = Fitted(table, dynamics, names)
    hessian, scores, _ = observed_information(free, observe(table, dynamics, traces))
    sizes, vectors = torch.linalg.eigh(hessian)
    curved = vectors @ torch.diag(sizes.clamp(min=0)) @ vectors.T
    prior = torch.full((fitted.size,), 0.01, dtype=torch.float64)
    prior[: fitted.num_on_payoffs] = 1 / uncertainty._known().variance
    covariance = torch.linalg.inv(jacobian.T @ curved @ jacobian + torch.diag(prior))
    expected = jacobian @ covariance @ jacobian.T
    off = torch.cat([values[:12].detach(), torch.zeros(len(names), dtype=torch.float64)])  # from the prior's mean
    step = expected @ (curved @ off + scores.sum(0)) - off
    expected = expected + torch.outer(step, step)
    torch.testing.assert_close(uncertainty.between(values), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(uncertainty.variances(values), expected.diagonal(), rtol=1e-4, atol=1e-6)


def test_the_prior_variance_has_most_evidence() -> None:
    """Of a table, kernel the identity: evidence of each variance as the density of the pseudo-data."""
    traces, table = play([2, 3]), TabularMechanism([2, 3])
    found = NetworkUncertainty(table, KNOWN, observe(table, KNOWN, traces))
    hessian, scores, _ = observed_information(found.fitted, observe(table, KNOWN, traces))
    sizes, vectors = torch.linalg.eigh(hessian)
    known = sizes > 1e-9
    data = (vectors.T @ scores.sum(0))[known] / sizes[known]  # of variance 1 / sizes, table at zero

    def evidence(variance: float) -> float:
        whole = variance + 1 / sizes[known]
        return float(-(whole.log() + data.square() / whole).sum())

    best = max(np.exp(np.linspace(-8, 4, 2401)), key=evidence)
    assert found._known().variance == pytest.approx(best, rel=0.01)


def test_with_much_play_a_table_has_the_standard_errors_of_maximum_likelihood() -> None:
    """A prior of the payoffs' own variance hardly matters then: at most a fifth of a standard error's size."""
    truth = TabularMechanism.random(2, 2, seed=3)
    traces = simulate(truth, KNOWN, 100, 40, seed=0)
    maximum = TabularMLE(FITTED, ridge=1e-6).fit(traces)
    names = list(maximum.uncertainty.of_learners)
    linear = NetworkUncertainty(
        maximum.mechanism, maximum.dynamics, observe(maximum.mechanism, maximum.dynamics, traces), names
    )
    estimate = Estimate(
        maximum.mechanism, maximum.dynamics, maximum.history, traces.agents, traces.action_labels, {}, linear
    )
    ratio = estimate.standard_errors([[0, 0], [1, 1]]) / maximum.standard_errors([[0, 0], [1, 1]], "information")
    assert ((ratio > 0.8) & (ratio < 1.2)).all()
    rates = [learner_parameters(one, covariance=kind) for one, kind in ((estimate, None), (maximum, "information"))]
    assert rates[0]["std_error"][0] == pytest.approx(rates[1]["std_error"][0], rel=0.1)


@pytest.fixture(scope="module")
def estimate() -> Estimate:
    traces = simulate(CongestionMechanism.random(3, 3, seed=0), KNOWN, 20, 15, seed=0)
    return DIML(NeuralMechanism(3, 3, hidden=(8,)), FITTED, members=2, max_epochs=60).fit(traces)


PROFILES = torch.tensor([[0, 1, 2], [2, 2, 2]])


def test_a_fit_has_standard_errors_and_says_how_they_were_made(estimate: Estimate) -> None:
    errors = estimate.standard_errors(PROFILES)
    assert (errors.isfinite() & (errors > 0)).all()
    low, high = estimate.intervals(PROFILES)
    torch.testing.assert_close(high - low, 2 * 1.959964 * errors, rtol=1e-5, atol=0)
    summary = estimate.summary()
    assert summary.header["Covariance type"] == "linearised"
    assert "linearised about the estimate" in str(summary)
    assert "learning_rate" in summary.table.index
    difference = function_interval(estimate, lambda m, _: m(PROFILES[:1])[0, 0] - m(PROFILES[:1] + 1 - 1)[0, 0])
    assert float(difference.standard_error) == pytest.approx(0, abs=1e-6)
    tested = wald_test(
        estimate, lambda m, _: m.counterfactual_payoffs(PROFILES)[0, 0] @ torch.tensor([1.0, -1.0, 0]).double()
    )
    assert tested.degrees == 1


def test_it_is_saved(estimate: Estimate, tmp_path: Path) -> None:
    expected = estimate.standard_errors(PROFILES)
    estimate.save(tmp_path / "estimate.safetensors")
    again = Estimate.load(tmp_path / "estimate.safetensors")
    torch.testing.assert_close(again.standard_errors(PROFILES), expected, rtol=1e-6, atol=0)
    assert str(again.summary()) == str(estimate.summary())


def test_draws_have_the_standard_errors(estimate: Estimate) -> None:
    """800 draws: a standard deviation is uncertain by 2.5 %; four of these for the furthest of many."""
    draws = estimate.uncertainty.draws(800, seed=0)
    payoffs = torch.stack([mechanism.counterfactual_payoffs(PROFILES) for mechanism, _ in draws])
    spread = (payoffs - payoffs.mean(-1, keepdim=True)).std(0)
    torch.testing.assert_close(spread, estimate.standard_errors(PROFILES), rtol=0.1, atol=0)
    rates = torch.stack([dynamics.value("learning_rate").logit() for _, dynamics in draws])
    error = function_interval(estimate, lambda _, dynamics: dynamics.value("learning_rate").logit()).standard_error
    assert float(rates.std()) == pytest.approx(float(error), rel=0.1)


def test_many_payoffs_are_not_drawn(estimate: Estimate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diml_inverse.uncertainty.network.LARGEST_DRAW", 10)
    with pytest.raises(ValueError, match=r"use the replicates of diml_inverse.inference.bootstrap"):
        estimate.uncertainty.draws(1)


def test_there_is_no_matrix_of_all_of_a_networks_parameters() -> None:
    network = NeuralMechanism(2, 2)
    play = observe(network, LogitDynamics(), simulate(network, LogitDynamics(), 2, 5))
    with pytest.raises(ValueError, match="no matrix of all parameters"):
        NetworkUncertainty(network, LogitDynamics(), play).covariance()
