"""An action never or hardly chosen: the play bounds its payoff on one side only, whatever the ridge."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.optimize import brentq
from scipy.stats import chi2

from diml_envs import Traces
from diml_envs.mechanisms import TabularMechanism
from diml_inverse import AttractionDynamics, Estimate, LogitDynamics, TabularMLE, simulate
from diml_inverse.inference import wald_test
from diml_inverse.inference.intervals import payoff_difference_ends
from diml_inverse.likelihood import observe
from diml_inverse.likelihood.curvature import agent_play
from diml_inverse.uncertainty.fitted import Fitted
from diml_inverse.uncertainty.one_sided import Likelihoods
from diml_inverse.uncertainty.surfaces import FittedSurface, TableSurface

STATIC = LogitDynamics(learning_rate=1.0, precision=2.0, exploration=0.0)
ALL_D = torch.tensor([[1, 1]])


def choices(taken: int, of: int) -> Traces:
    """The second agent chooses 0 so many times out of so many, whatever the first one does, which is always the same;
    static, so that its choices are draws of one probability."""
    actions = np.zeros((1, of + 1, 2), int)
    actions[..., 1] = 1
    actions[0, 1 : taken + 1, 1] = 0
    return Traces(actions, action_labels=[["only"], ["C", "D"]])


def mostly_d(taken: bool = True) -> Traces:
    """Fault: 20 episodes of 30 rounds, both always D, but for one C."""
    actions = np.ones((20, 30, 2), int)
    actions[3, 10, 0] = 0 if taken else 1
    return Traces(actions, action_labels=[["C", "D"]] * 2)


def half_logit(share: float) -> float:
    """Payoff of C less the mean of both at which C is chosen with this probability, precision 2."""
    return math.log(share / (1 - share)) / 2 / 2


@pytest.mark.parametrize(("taken", "of"), [(0, 50), (1, 40), (3, 40), (20, 40)])
def test_ends_are_where_the_binomial_likelihood_has_fallen_far_enough(taken: int, of: int) -> None:
    def fall(share: float) -> float:
        def total(p: float) -> float:
            return (taken * math.log(p) if taken else 0.0) + (of - taken) * math.log(1 - p)

        return (total(taken / of) if taken else 0.0) - total(share)

    enough, middle = chi2.ppf(0.95, 1) / 2, max(taken / of, 1e-12)
    high = brentq(lambda share: fall(share) - enough, middle, 0.9999)
    low = brentq(lambda share: fall(share) - enough, 1e-12, middle) if taken else None
    found = payoff_difference_ends(TabularMLE(STATIC).fit(choices(taken, of)), torch.tensor([[0, 0]]))
    near = 0.006 if taken < 20 else 0.03  # of an even share, standard errors do
    assert float(found.high[0, 1, 0]) == pytest.approx(half_logit(high), abs=near)
    if low is None:
        assert float(found.low[0, 1, 0]) == -math.inf
        even_bet = 1 - 0.5 ** (1 / of)  # under which never in so many is as likely as not
        assert float(found.value[0, 1, 0]) == pytest.approx(half_logit(even_bet), abs=0.006)
        assert float(found.standard_error[0, 1, 0]) == math.inf
    else:
        assert float(found.low[0, 1, 0]) == pytest.approx(half_logit(low), abs=near)
        assert float(found.value[0, 1, 0]) == pytest.approx(half_logit(taken / of), abs=0.01)


@pytest.mark.parametrize("taken", [True, False])
def test_no_ridge_moves_point_or_end(taken: bool) -> None:
    """D over C once came out as 10.3, 16.6 or 24.1, each surely, for a ridge of .1, .01 or .001."""
    found = [
        payoff_difference_ends(TabularMLE(LogitDynamics(), ridge).fit(mostly_d(taken)), ALL_D)
        for ridge in (0.1, 0.01, 0.001)
    ]
    for one in found:
        assert one.high[0, :, 1].tolist() == [math.inf, math.inf]
        assert bool((one.low[0, :, 1] > 1).all())
        assert torch.allclose(one.low[0, :, 1], found[0].low[0, :, 1], rtol=1e-3)
        assert torch.allclose(one.value[0, :, 1], found[0].value[0, :, 1], rtol=1e-3)
        assert bool((one.value[0, :, 1] > one.low[0, :, 1]).all())


def test_summary_and_tests_know_it() -> None:
    estimate = TabularMLE(LogitDynamics()).fit(mostly_d())
    text = str(estimate.summary())
    assert "One end infinite" in text
    row = estimate.summary().table.loc["agent_0: D | agent_1=D"]
    assert math.isinf(row["0.975]"])
    assert not math.isinf(row["[0.025"])
    assert math.isnan(row["P>|z|"])
    with pytest.raises(ValueError, match=r"Wald test does not apply .* one side only.*likelihood_ratio_test"):
        wald_test(estimate, lambda mechanism, _: mechanism.table[1, 1, 0] - mechanism.table[0, 1, 0])


def test_it_is_saved_with_the_estimate(tmp_path: Path) -> None:
    """A file once had standard errors alone, so that what play bounds on one side came back with both ends finite."""
    estimate = TabularMLE(LogitDynamics()).fit(mostly_d())
    profiles = torch.tensor([[1, 1], [0, 0]])
    estimate.standard_errors(profiles)  # intervals need not have been asked for
    estimate.save(tmp_path / "estimate.safetensors")
    again = Estimate.load(tmp_path / "estimate.safetensors")
    before, after = (payoff_difference_ends(one, profiles) for one in (estimate, again))
    assert math.isinf(float(before.high[0, 0, 1]))
    torch.testing.assert_close(tuple(after), tuple(before), equal_nan=True)
    assert "without the play" not in estimate.uncertainty.made()
    assert "from a file, without the play" in str(again.summary())
    with pytest.raises(ValueError, match="Wald test does not apply"):
        wald_test(again, lambda mechanism, _: mechanism.table[1, 1, 0] - mechanism.table[0, 1, 0])
    low, _ = again.intervals(ALL_D, level=0.9)  # no narrower than known
    assert torch.equal(low, again.intervals(ALL_D, level=0.95)[0])
    assert math.isinf(float(again.intervals(ALL_D, level=0.99)[0][0, 0, 1]))
    values = [
        mechanism.table[1, 1].double() - mechanism.table[0, 1].double()
        for mechanism, _ in again.uncertainty.draws(40, seed=1)
    ]
    assert float(torch.stack(values)[:, 0].min()) > 0  # D over C in every draw


def test_older_files_say_what_they_lack(tmp_path: Path) -> None:
    path = tmp_path / "estimate.safetensors"
    estimate = TabularMLE(LogitDynamics()).fit(mostly_d())
    estimate.standard_errors(ALL_D)
    estimate.save(path)
    with safe_open(path, framework="pt") as file:
        header, names = file.metadata(), list(file.keys())
        old = {name: file.get_tensor(name) for name in names if ".ends." not in name}
    assert len(old) < len(names)
    save_file(old, path, metadata=header)
    again = Estimate.load(path)
    torch.testing.assert_close(again.standard_errors(ALL_D), estimate.standard_errors(ALL_D))
    assert "from an older file, without the play" in str(again.summary())


def test_draws_do_not_make_the_hardly_chosen_common() -> None:
    estimate = TabularMLE(LogitDynamics()).fit(mostly_d())
    values = [Estimate.payoff_differences(estimate, ALL_D)]
    for mechanism, _ in estimate.uncertainty.draws(40, seed=1):
        payoffs = mechanism.counterfactual_payoffs(ALL_D).double()
        values.append(payoffs - payoffs.mean(-1, keepdim=True))
    assert float(torch.stack(values)[..., 1].min()) > 0.5  # D over C in every draw


def test_where_play_is_even_standard_errors_stand() -> None:
    truth = TabularMechanism.from_payoffs(0.1 * TabularMechanism.random(2, 2, seed=3).table.detach())
    estimate = TabularMLE(LogitDynamics()).fit(simulate(truth, LogitDynamics(), 60, 40, seed=0))
    profiles = torch.tensor([[0, 0], [1, 1]])
    low, high = estimate.intervals(profiles, covariance="information")
    half = 1.959964 * estimate.standard_errors(profiles, "information")
    assert torch.allclose((high - low) / 2, half, rtol=1e-5)


def test_quick_and_general_surface_agree() -> None:
    dynamics = LogitDynamics(0.3, 2.0, 0.05)
    traces = simulate(TabularMechanism.random(2, 3, seed=0), dynamics, 3, 15, seed=0)
    fitted = Fitted(TabularMechanism([3, 3]).requires_grad_(True), dynamics)
    play = observe(fitted.mechanism, dynamics, traces)
    whole = FittedSurface(fitted, play, np.full(fitted.size, 0.5))
    quick = TableSurface(agent_play(traces, play.scored.numpy(), dynamics, 0), dynamics)
    columns = Likelihoods(fitted, play)._table(0).columns
    theta = np.zeros(fitted.size)
    nothing = whole.value(theta) - quick.value(np.zeros(9))  # of the other agent
    theta[columns] = np.random.default_rng(0).normal(size=9)
    assert quick.value(theta[columns]) + nothing == pytest.approx(whole.value(theta))
    gradient, information = whole.derivatives(theta)
    own_gradient, own_information = quick.derivatives(theta[columns])
    np.testing.assert_allclose(gradient[columns], own_gradient, atol=1e-9)
    np.testing.assert_allclose(information[np.ix_(columns, columns)], own_information, atol=1e-9)


def test_learners_fitted_too() -> None:
    """The general surface: an action that one agent never takes, the learning rate unknown."""
    dynamics = AttractionDynamics(0.3, exploration=0.0, fit=("learning_rate",))
    found = payoff_difference_ends(TabularMLE(dynamics, 0.01).fit(mostly_d(taken=False)[:4]), ALL_D)
    assert found.high[0, :, 1].tolist() == [math.inf, math.inf]
    assert bool(found.low[0, :, 1].isfinite().all())
