"""Standard errors of learnt structure: the posterior against a slow definition, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, TabularMechanism
from diml_inverse import DIML, Estimate, InteractionEvidence, LogitDynamics, simulate
from diml_inverse.inference import function_interval, likelihood_ratio_test, wald_test
from diml_inverse.likelihood import log_choice_probs, observe
from diml_inverse.structure.kinds import Interaction, SameAction, SymmetricInteraction
from diml_inverse.structure.left_out import _mean_variance
from diml_inverse.uncertainty.posterior import WeightedTable

KNOWN = LogitDynamics(0.25, 3.0, 0.06)
TRUTH = CongestionMechanism.random(3, 3, seed=0)
TRACES = simulate(TRUTH, KNOWN, 30, 20, seed=0)
ESTIMATE = InteractionEvidence(KNOWN).fit(TRACES)


def expected_information(mechanism: WeightedTable, traces: Traces) -> torch.Tensor:
    """Sum over scored decisions of the mean square of the score, every choice weighed by its probability."""
    play = observe(mechanism, KNOWN, traces)

    def log_probs(weights: torch.Tensor) -> torch.Tensor:
        moved = WeightedTable(
            mechanism.action_counts, mechanism.features, torch.zeros(len(weights), dtype=torch.float64)
        )
        del moved.weights
        moved.weights = weights
        return log_choice_probs(moved, KNOWN, play)[play.scored]  # [D, A]

    weights = mechanism.weights.detach()
    scores = torch.autograd.functional.jacobian(log_probs, weights)  # [D, A, W]
    probs = log_probs(weights).exp()
    scores = torch.where(probs[..., None] > 0, scores, 0.0)
    return torch.einsum("da,dav,daw->vw", probs, scores, scores)


def test_the_covariance_is_the_inverse_of_information_and_prior() -> None:
    """One kind, so that none is left out; unequal numbers of actions, some choices not observed."""
    traces = simulate(TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 3, 2))), KNOWN, 30, 20)
    actions = traces.actions.copy()
    actions[np.random.default_rng(1).random(actions.shape) < 0.03] = -1
    traces = Traces(actions, action_labels=[range(2), range(3)])
    estimate = InteractionEvidence(KNOWN, kinds=[Interaction(1)]).fit(traces)
    assert not estimate.info["nothing_found"]  # or the prior would be another
    uncertainty = estimate.uncertainty
    mechanism = uncertainty.fitted.mechanism
    torch.testing.assert_close(mechanism.table.detach(), estimate.mechanism.table.detach())
    variance = estimate.info["kinds"][0]["prior_variance"]
    precision = expected_information(mechanism, traces) + torch.eye(len(mechanism.weights)) / variance
    # The mode is found to 1e-3 or so of the fixed point's tolerance; so is the step to it, which counts as error.
    torch.testing.assert_close(uncertainty.covariance().matrix, torch.linalg.inv(precision), rtol=1e-3, atol=1e-5)


def test_a_kind_left_out_makes_intervals_wider() -> None:
    kinds = [SymmetricInteraction(0), SameAction(1, alike=True)]
    alone = InteractionEvidence(KNOWN, kinds).fit(TRACES).standard_errors(TRACES.actions[0])
    more = InteractionEvidence(KNOWN, [*kinds, SymmetricInteraction(1)]).fit(TRACES)
    assert [row["kind"] for row in more.info["kinds"] if row["prior_variance"] == 0] == [
        "own action x one other, shared"
    ]
    assert (more.standard_errors(TRACES.actions[0]) >= alone - 1e-9).all()
    assert more.standard_errors(TRACES.actions[0]).mean() > 1.05 * alone.mean()


def test_the_mean_variance_of_a_kind_left_out_is_that_of_plain_integration() -> None:
    """One weight: evidence of variance v against absence, N(slope / information; 0, v + 1 / information)."""
    slope, information, largest = 4.0, 9.0, 0.5
    roots = np.linspace(0, 1, 2001)[1:] * np.sqrt(largest)
    at, noise = slope / information, 1 / information
    density = np.exp(-(at**2) / (roots**2 + noise) / 2) / np.sqrt(roots**2 + noise)
    evidence = density / (np.exp(-(at**2) / noise / 2) / np.sqrt(noise))
    expected = (evidence * roots**2).mean() / (evidence.mean() + np.exp(3.0))
    found = _mean_variance(np.array([slope]), np.array([[information]]), largest)
    assert found == pytest.approx(expected, rel=0.02)  # a hundred places


def test_draws_have_the_standard_errors() -> None:
    """800 draws: a standard deviation is uncertain by 2.5 %; four of these for the furthest of many."""
    actions = torch.tensor(TRACES.actions[0, :5])
    tables = [mechanism.counterfactual_payoffs(actions) for mechanism, _ in ESTIMATE.uncertainty.draws(800, seed=0)]
    spread = (torch.stack(tables) - torch.stack(tables).mean(-1, keepdim=True)).std(0)
    torch.testing.assert_close(spread, ESTIMATE.standard_errors(actions), rtol=0.1, atol=0)


def test_it_is_saved(tmp_path: Path) -> None:
    ESTIMATE.save(tmp_path / "estimate.safetensors")
    again = Estimate.load(tmp_path / "estimate.safetensors")
    torch.testing.assert_close(again.standard_errors(TRACES.actions[0]), ESTIMATE.standard_errors(TRACES.actions[0]))
    assert str(again.summary()) == str(ESTIMATE.summary())


def test_summary_functions_and_tests() -> None:
    assert ESTIMATE.summary().header["Covariance type"] == "posterior"
    assert "prior variances chosen by evidence" in str(ESTIMATE.summary())
    found = function_interval(ESTIMATE, lambda mechanism, _: mechanism.table[0, 1, 2, 0] - mechanism.table[1, 1, 2, 0])
    assert 0 < float(found.standard_error) < 1
    assert wald_test(ESTIMATE, lambda mechanism, _: mechanism.table[0, 0, 0, 0]).p_value < 1e-3  # alone or with two
    with pytest.raises(ValueError, match="a likelihood ratio needs"):
        likelihood_ratio_test(ESTIMATE, ESTIMATE, TRACES)
    with pytest.raises(ValueError, match="covariance must be one of posterior"):
        ESTIMATE.standard_errors(TRACES.actions[0], "clustered")


def test_auto_has_standard_errors() -> None:
    errors = DIML("auto", KNOWN).fit(TRACES).standard_errors(TRACES.actions[0])
    torch.testing.assert_close(errors, ESTIMATE.standard_errors(TRACES.actions[0]))


def test_errors_of_contexts_are_those_of_differentiating_the_whole_table() -> None:
    """Unequal numbers of actions, so that a place without an action is NaN; slow definition: one row a payoff."""
    traces = simulate(TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 3, 2))), KNOWN, 8, 10)
    estimate = InteractionEvidence(KNOWN).fit(Traces(traces.actions, action_labels=[range(2), range(3)]))
    fitted = estimate.uncertainty.fitted
    profiles = torch.tensor([[0, 2], [1, 0]])
    payoffs = fitted.mechanism.counterfactual_payoffs(profiles)
    centred = (payoffs - payoffs.nanmean(-1, keepdim=True)).nan_to_num()
    slopes = fitted.jacobian(centred.reshape(-1))
    expected = estimate.uncertainty.covariance().variances(slopes).reshape(2, 2, 3).sqrt()
    expected[:, 0, 2] = torch.nan
    torch.testing.assert_close(estimate.standard_errors(profiles), expected, equal_nan=True)
