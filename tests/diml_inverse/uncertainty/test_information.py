"""Information and standard errors against slow definitions, another package, and what is known not to be identified."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from statsmodels.discrete.conditional_models import ConditionalLogit

import diml_inverse.uncertainty.information as information_module
from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism, PublicGoodsMechanism, TabularMechanism
from diml_inverse import (
    AttractionDynamics,
    Dynamics,
    Estimate,
    LogitDynamics,
    StructuredMLE,
    TabularMLE,
    simulate,
)
from diml_inverse.inference import function_interval, learner_parameters
from diml_inverse.likelihood import decision_log_likelihoods, observe
from diml_inverse.uncertainty.fitted import Fitted
from diml_inverse.uncertainty.information import observed_information

STATIC = LogitDynamics(learning_rate=1.0, precision=2.0, exploration=0.0)
KNOWN = LogitDynamics(0.25, 3.0, 0.06)


def random_play(counts: list[int], episodes: int = 6, rounds: int = 8, missing: float = 0.0) -> Traces:
    rng = np.random.default_rng(0)
    actions = np.stack([rng.integers(count, size=(episodes, rounds)) for count in counts], -1)
    actions[rng.random(actions.shape) < missing] = -1
    return Traces(actions, action_labels=[range(count) for count in counts])


LEARNERS: dict[str, Dynamics] = {
    "known": KNOWN,
    "fitted": LogitDynamics(0.3, 2.0, 0.1, fit=("learning_rate", "exploration")),
    "each its own": AttractionDynamics([0.2, 0.4], forgone_weight=0.4, habit=0.1, fit=("learning_rate", "habit")),
    "moving": AttractionDynamics(
        0.2, 0.5, 0.5, 1.0, exploration=0.05, fit=("forgone_weight", "cumulation", "initial_experience")
    ),
}


@pytest.mark.parametrize("learners", LEARNERS)
@pytest.mark.parametrize("mechanism", [TabularMechanism([2, 3]), CongestionMechanism(2, 3)], ids=["table", "formula"])
def test_the_hessian_is_that_of_finite_differences(mechanism: Mechanism, learners: str) -> None:
    dynamics = LEARNERS[learners]
    generator = torch.Generator().manual_seed(0)
    for parameter in mechanism.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).double() / 2
    names = [name for name, _ in dynamics.named_parameters()]
    play = observe(mechanism, dynamics, random_play(list(mechanism.action_counts), missing=0.02))
    fitted = Fitted(mechanism, dynamics, names)
    hessian, scores, totals = observed_information(fitted, play)

    def gradient(step: torch.Tensor) -> torch.Tensor:
        moved = Fitted(mechanism, dynamics, names)
        torch.nn.utils.vector_to_parameters(fitted.vector() + step, moved.parameters)
        total = decision_log_likelihoods(moved.mechanism, moved.dynamics, play).sum()
        parts = torch.autograd.grad(total, moved.parameters, materialize_grads=True)
        return torch.cat([part.reshape(-1) for part in parts])

    steps = 1e-5 * torch.eye(fitted.size, dtype=torch.float64)
    expected = torch.stack([-(gradient(step) - gradient(-step)) / 2e-5 for step in steps])
    torch.testing.assert_close(hessian, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(scores.sum(0), gradient(torch.zeros(fitted.size, dtype=torch.float64)))
    torch.testing.assert_close(
        totals.sum(), decision_log_likelihoods(mechanism.double(), dynamics, play).sum().detach()
    )


def test_play_taken_in_parts_gives_the_same_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    mechanism = CongestionMechanism.random(3, 3).double()
    fitted, play = Fitted(mechanism, KNOWN), observe(mechanism, KNOWN, random_play([3, 3, 3]))
    whole = observed_information(fitted, play).hessian
    monkeypatch.setattr(information_module, "MOST_PAYOFFS", 1)
    torch.testing.assert_close(observed_information(fitted, play).hessian, whole)


def conditional_logit(traces: Traces, agent: int, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """Payoffs of action b less those of action 0 by what the other did the round before, and their covariance."""
    own, other = traces.actions[:, 1:, agent].reshape(-1), traces.actions[:, :-1, 1 - agent].reshape(-1)
    count, contexts = traces.action_counts[agent], traces.action_counts[1 - agent]
    alternatives = np.tile(np.arange(count), len(own))
    situation = np.repeat(other, count)
    columns = [(alternatives == b) & (situation == c) for c in range(contexts) for b in range(1, count)]
    chosen = (alternatives == np.repeat(own, count)).astype(float)
    design = precision * np.stack(columns, 1).astype(float)
    found = ConditionalLogit(chosen, design, groups=np.repeat(np.arange(len(own)), count)).fit(disp=0, method="newton")
    return found.params, found.cov_params()


@pytest.mark.parametrize("agent", [0, 1])
def test_static_choice_agrees_with_conditional_logit(agent: int) -> None:
    """Another package's estimates and standard errors on the same choices."""
    truth = TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 3, 2)) / 2)
    traces = simulate(truth, STATIC, 30, 20, seed=0)
    params, covariance = conditional_logit(traces, agent, 2.0)
    estimate = TabularMLE(STATIC, ridge=0).fit(traces)
    count, contexts = traces.action_counts[agent], traces.action_counts[1 - agent]
    profiles = np.zeros((contexts, 2), int)
    profiles[:, 1 - agent] = np.arange(contexts)
    centre = (np.eye(count) - 1 / count)[:, 1:]  # from differences to the first action to differences to the mean
    whole = np.kron(np.eye(contexts), centre)
    differences = estimate.payoff_differences(profiles)[:, agent, :count].numpy()
    errors = estimate.standard_errors(profiles, "information")[:, agent, :count].numpy()
    np.testing.assert_allclose(differences.reshape(-1), whole @ params, rtol=0, atol=1e-6)
    np.testing.assert_allclose(errors.reshape(-1), np.sqrt(np.diag(whole @ covariance @ whole.T)), rtol=0, atol=1e-6)


def test_a_clustered_covariance_of_a_mean_is_that_of_the_means_of_episodes() -> None:
    """One agent, static: the log odds; its sandwich by hand from the episodes' counts."""
    rng = np.random.default_rng(0)
    traces = Traces(rng.binomial(1, rng.beta(2, 2, size=(40, 1)), size=(40, 12))[..., None], action_labels=[(0, 1)])
    estimate = StructuredMLE(TabularMechanism([2]), LogitDynamics(1.0, 1.0, 0.0)).fit(traces)
    chosen = traces.actions[:, 1:, 0]
    share = chosen.mean()
    scores = (chosen - share).sum(1)
    error = np.sqrt(40 / 39 * (scores**2).sum()) / (chosen.size * share * (1 - share))  # of the log odds
    found = estimate.standard_errors([[0]], "clustered")[0, 0]
    np.testing.assert_allclose(found.numpy(), [error / 2, error / 2], rtol=1e-6)
    assert found[0] > 1.3 * estimate.standard_errors([[0]], "information")[0, 0, 0]


def test_what_play_does_not_identify_has_an_infinite_standard_error() -> None:
    truth = CongestionMechanism.random(4, 3)
    traces = simulate(truth, KNOWN, 40, 30, seed=0)
    for ridge in (0.0, 0.01):
        estimate = StructuredMLE(CongestionMechanism(4, 3), KNOWN, ridge=ridge).fit(traces)
        for function, identified in (
            (lambda m, _: m.toll_rate, False),
            (lambda m, _: m.linear_cost, False),
            (lambda m, _: m.toll_rate - m.linear_cost, True),
            (lambda m, _: m.quadratic_cost, True),
            (lambda m, _: m.quadratic_cost + 1e-3 * m.toll_rate, False),
        ):
            found = function_interval(estimate, function)
            assert bool(found.standard_error.isfinite().all()) == identified
        assert estimate.uncertainty.covariance().num_identified == 6
        assert estimate.standard_errors(traces.actions[0, :3]).isfinite().all()


@pytest.mark.parametrize("tolerance", [1e-13, 1e-9])
@pytest.mark.parametrize("ridge", [0.0, 0.01])
@pytest.mark.parametrize("mechanism", [TabularMechanism([2, 3]), CongestionMechanism(2, 3)], ids=["table", "formula"])
def test_precision_and_payoffs_together_are_not_identified(
    mechanism: Mechanism, ridge: float, tolerance: float
) -> None:
    """Only their product is, also where the fit stopped a little before its maximum, off the ridge of equal ones."""
    truth = TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 3, 2)) / 2)
    if isinstance(mechanism, CongestionMechanism):
        truth, mechanism = CongestionMechanism.random(3, 3), CongestionMechanism(3, 3)
    traces = simulate(truth, KNOWN, 30, 20, seed=0)
    free = LogitDynamics(0.25, 2.0, 0.06, fit=("precision",))
    estimate = StructuredMLE(mechanism, free, ridge=ridge, tolerance=tolerance).fit(traces)
    known = StructuredMLE(mechanism, KNOWN).fit(traces)
    identified = estimate.uncertainty.covariance().num_identified
    assert identified == known.uncertainty.covariance().num_identified
    assert learner_parameters(estimate)["std_error"].tolist() == [np.inf]
    assert estimate.standard_errors(traces.actions[0, :1]).isinf().any()

    def product(mechanism: Mechanism, dynamics: Dynamics) -> torch.Tensor:
        payoffs = mechanism.counterfactual_payoffs(torch.tensor(traces.actions[0, 0]))[0]
        return dynamics.value("precision") * (payoffs[1] - payoffs[0])

    if ridge == 0 and tolerance == 1e-13:
        found, expected = function_interval(estimate, product), function_interval(known, product)
        torch.testing.assert_close(found.value, expected.value, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found.standard_error, expected.standard_error, rtol=1e-3, atol=1e-3)


def test_draws_have_the_standard_errors() -> None:
    """800 draws: a standard deviation is uncertain by 2.5 %; four of these for the furthest of many."""
    traces = simulate(CongestionMechanism.random(3, 3), KNOWN, 40, 20, seed=0)
    estimate = StructuredMLE(
        CongestionMechanism(3, 3), LogitDynamics(0.3, 3.0, 0.06, fit=("learning_rate",)), tolerance=1e-11
    ).fit(traces)
    draws = estimate.uncertainty.draws(800, seed=0)
    payoffs = torch.stack(
        [mechanism.counterfactual_payoffs(torch.tensor(traces.actions[0, :3])) for mechanism, _ in draws]
    )
    spread = (payoffs - payoffs.mean(-1, keepdim=True)).std(0)
    torch.testing.assert_close(spread, estimate.standard_errors(traces.actions[0, :3]), rtol=0.1, atol=0)
    rates = torch.stack([dynamics.value("learning_rate") for _, dynamics in draws])
    assert float(rates.std()) == pytest.approx(learner_parameters(estimate)["std_error"][0], rel=0.15)
    again = estimate.uncertainty.draws(800, seed=0)[0][0]
    assert torch.equal(again.quadratic_cost, draws[0][0].quadratic_cost)


def test_a_context_never_met_has_an_infinite_standard_error() -> None:
    traces = random_play([2, 3, 2])
    actions = traces.actions.copy()
    actions[..., 1] = actions[..., 1].clip(max=1)  # the second agent's third action is never seen
    estimate = TabularMLE(KNOWN).fit(Traces(actions, action_labels=[range(2), range(3), range(2)]))
    errors = estimate.standard_errors([[0, 2, 0], [0, 1, 0]])
    assert errors[0, 0, :2].isinf().all()
    assert errors[1, 0, :2].isfinite().all()
    assert errors[1, 1, :2].isfinite().all()
    assert errors[:, 0, 2].isnan().all()
    low, high = estimate.intervals([[0, 2, 0]])
    assert (low[0, 0, :2] == -torch.inf).all()
    assert (high[0, 0, :2] == torch.inf).all()


def test_intervals_of_learners_stay_in_range() -> None:
    traces = simulate(CongestionMechanism.random(4, 3), LogitDynamics(0.25, 3.0, 0.01), 20, 30, seed=0)
    start = LogitDynamics(0.4, 3.0, 0.02, fit=("learning_rate", "exploration"))
    estimate = StructuredMLE(CongestionMechanism(4, 3), start, tolerance=1e-11).fit(traces)
    table = learner_parameters(estimate, level=0.999).set_index("name")
    assert ((table["low"] >= 0) & (table["low"] < table["value"])).all()
    assert ((table["high"] <= 1) & (table["high"] > table["value"])).all()
    slope = float(estimate.dynamics.learner.slope("learning_rate"))
    matrix = estimate.uncertainty.covariance().matrix
    assert table.loc["learning_rate", "std_error"] == pytest.approx(slope * float(matrix[-2, -2]) ** 0.5)


def test_the_covariance_goes_into_the_file_once_computed(tmp_path: Path) -> None:
    traces = simulate(PublicGoodsMechanism.random(3, 3), KNOWN, 40, 20, seed=0)
    estimate = StructuredMLE(CongestionMechanism(3, 3), KNOWN).fit(traces)
    estimate.save(tmp_path / "without.safetensors")
    with pytest.raises(ValueError, match=r"asked for before save. Refit"):
        Estimate.load(tmp_path / "without.safetensors").summary()
    actions = traces.actions[0, :4]
    expected = {kind: estimate.standard_errors(actions, kind) for kind in ("clustered", "information", None)}
    estimate.save(tmp_path / "with.safetensors")
    again = Estimate.load(tmp_path / "with.safetensors")
    for kind, errors in expected.items():
        torch.testing.assert_close(again.standard_errors(actions, kind), errors)
    found, note = str(again.summary()), re.compile("; from a file, without the play: [^.]*")  # what a file lacks
    assert note.search(found)
    assert note.sub("", found) == str(estimate.summary())


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = random_play([2, 2], episodes=12)
    estimate = TabularMLE(KNOWN).fit(traces)
    with pytest.raises(ValueError, match=r"use diml_inverse.inference.bootstrap\(estimator, traces\)"):
        replace(estimate, uncertainty=None).standard_errors([[0, 0]])
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        estimate.intervals([[0, 0]], level=95)
    with pytest.raises(ValueError, match="covariance must be one of clustered, information"):
        estimate.standard_errors([[0, 0]], "robust")
    monkeypatch.setattr(information_module, "MOST_PARAMETERS", 7)
    with pytest.raises(ValueError, match="8 are too many, at most 7; use a mechanism with structure"):
        TabularMLE(KNOWN).fit(traces).standard_errors([[0, 0]])


def test_the_default_is_clustered_where_episodes_are_many() -> None:
    few, many = random_play([2, 2], episodes=19), random_play([2, 2], episodes=20)  # four identified parameters
    assert TabularMLE(KNOWN).fit(few).uncertainty.facts()["covariance"] == "information"
    assert TabularMLE(KNOWN).fit(many).uncertainty.facts()["covariance"] == "clustered"


class HeldCost(CongestionMechanism):
    """Four agents, three resources, the second one's quadratic cost known."""

    def __init__(self, cost: float) -> None:
        super().__init__(4, 3)
        del self.quadratic_cost
        self.free = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.register_buffer("cost", torch.tensor(float(cost), dtype=torch.float64))

    @property
    def quadratic_cost(self) -> torch.Tensor:
        return torch.stack([self.free[0], self.cost, self.free[1]])


def test_the_summary_reads_as_users_of_statsmodels_know_it() -> None:
    traces = simulate(CongestionMechanism.random(4, 3), KNOWN, 30, 20, seed=0)
    start = LogitDynamics(0.25, 3.0, 0.0, fit=("exploration",))
    estimate = StructuredMLE(CongestionMechanism(4, 3), start, tolerance=1e-11).fit(traces)
    summary = estimate.summary()
    assert list(summary.table.columns) == ["coef", "std err", "z", "P>|z|", "[0.025", "0.975]"]
    row = summary.table.loc["quadratic_cost[1]"]
    assert row["coef"] == pytest.approx(float(estimate.mechanism.quadratic_cost[1]))
    assert row["z"] == pytest.approx(row["coef"] / row["std err"])
    # Exploration may make up for more: the end is where a fit with the cost held there has lost 1.92 nats.
    held = StructuredMLE(HeldCost(row["0.975]"]), start, tolerance=1e-11).fit(traces)
    lost = (estimate.log_likelihood(traces) - held.log_likelihood(traces)) * 30 * 19 * 4
    assert lost == pytest.approx(chi2.ppf(0.95, 1) / 2, rel=0.02)
    assert np.isinf(summary.table.loc["toll_rate[0]", "std err"])
    assert summary.header["No. decisions"] == str(30 * 19 * 4)
    total = estimate.log_likelihood(traces) * 30 * 19 * 4
    assert float(summary.header["Log-likelihood"]) == pytest.approx(total, abs=0.01)
    assert "P>|z|" in str(summary)
    table = TabularMLE(KNOWN).fit(traces).summary(max_rows=3)
    assert table.table.index[1] == "agent_0: 1 | agent_1=0;agent_2=0;agent_3=0"
    assert table.notes[-1] == "Only the first 3 rows of the mechanism are shown (max_rows)."


def test_a_learner_at_the_edge_is_warned_of() -> None:
    traces = random_play([2, 2], episodes=30)
    start = LogitDynamics(0.25, 1.0, 0.0, fit=("exploration",))
    estimate = TabularMLE(start).fit(traces)
    with torch.no_grad():
        estimate.dynamics.learner.raw_exploration.fill_(-12.0)
    assert "exploration at an end of the range" in str(estimate.summary())


def test_payoffs_all_others_actions_may_shift_show_under_own_feedback_only() -> None:
    """A function of the others' actions added to an agent's payoffs: no likelihood tells under full feedback."""
    rng = np.random.default_rng(0)
    payoffs = rng.normal(size=(3, 3, 2))
    shifted = payoffs + np.stack([np.tile(rng.normal(size=3), (3, 1)), np.tile(rng.normal(size=(3, 1)), 3)], -1)
    traces = random_play([3, 3], 10, 20)

    def change(dynamics: Dynamics) -> float:
        values = [
            decision_log_likelihoods(m, dynamics, observe(m, dynamics, traces)).detach()
            for m in (TabularMechanism.from_payoffs(payoffs), TabularMechanism.from_payoffs(shifted))
        ]
        return float((values[0] - values[1]).abs().max())

    assert change(LogitDynamics()) < 1e-6
    assert change(AttractionDynamics(0.3, exploration=0.05, initial_experience=1.0)) < 1e-6
    assert change(AttractionDynamics(0.3, forgone_weight=0.0, forgets="updated")) > 1e-2
