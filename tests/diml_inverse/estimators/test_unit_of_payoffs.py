"""Payoffs s times as large under a precision s times as small give the same play, and so s times the estimate."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    AuctionMechanism,
    CongestionMechanism,
    EnsembleMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadMechanism,
    OwnLoadTableMechanism,
    PairwiseMechanism,
    PublicGoodsMechanism,
    TabularMechanism,
    TollMechanism,
)
from diml_inverse import (
    DIML,
    AttractionDynamics,
    Dynamics,
    InteractionEvidence,
    LogitDynamics,
    StructuredMLE,
    TabularMLE,
    simulate,
)
from diml_inverse.baselines import EquilibriumInversion, MaximumEntropyIRL, QuantalResponseInversion
from diml_inverse.dynamics.units import learners_in_unit
from diml_inverse.estimators.family_comparison import FamilyComparison
from diml_inverse.structure import Family

SCALES = [1e-6, 1e-3, 300.0, 1e6]
U = TabularMechanism.from_payoffs(torch.tensor([[[0.0, 0.0], [-1.0, 1.0]], [[1.0, -1.0], [-4.0, -4.0]]]) / 4)
TRACES = simulate(TabularMechanism.random(2, 3, seed=3), LogitDynamics(0.25, 3.0, 0.06), 6, 10, seed=0)
PLAIN = LogitDynamics(0.25, 3.0, 0.06)

ESTIMATORS: dict[str, Callable[[Dynamics], object]] = {
    "table": TabularMLE,
    "table, no ridge": lambda learners: StructuredMLE(CongestionMechanism(2, 3), learners, max_iterations=60),
    "structure": InteractionEvidence,
    "network": lambda learners: DIML(NeuralMechanism(2, 3, hidden=(8,)), learners, members=2, max_epochs=15),
    "families": lambda learners: FamilyComparison(learners, [Family("pairs", lambda _: PairwiseMechanism(2, 3))]),
    "auto": lambda learners: DIML("auto", learners, max_epochs=3),
    "equilibrium": lambda learners: EquilibriumInversion(float(learners.value("precision"))),
    "quantal response": lambda learners: QuantalResponseInversion(float(learners.value("precision"))),
    "maximum entropy": lambda learners: MaximumEntropyIRL(0.5, float(learners.value("precision"))),
}
MECHANISMS: dict[str, Mechanism] = {
    "congestion": CongestionMechanism(2, 3),
    "with a known toll": CongestionMechanism(2, 3) + TollMechanism(2, [0.3, 0.0, 0.1]),
    "public goods": PublicGoodsMechanism(2, 3, hidden=4),
    "auction": AuctionMechanism(2, 3),
    "levels": AggregativeMechanism(2, [0.0, 1.0, 2.0], hidden=(4,)),
    "anonymous": AnonymousMechanism(2, 3, embedding_dim=2, hidden=(4,)),
    "own load": OwnLoadMechanism(2, 3, embedding_dim=2, hidden=(4,)),
    "own load, table": OwnLoadTableMechanism(2, 3),
    "pairs": PairwiseMechanism(2, 3),
}
LEARNERS: dict[str, Dynamics] = {
    "rates of their own": LogitDynamics([0.2, 0.4], [2.0, 5.0], 0.06),
    "rates fitted": LogitDynamics(0.25, 3.0, 0.06, fit=("learning_rate", "exploration")),
    "own payoff, bonus and habit": AttractionDynamics(
        0.3, 0.0, precision=3.0, exploration=0.1, bonus=0.05, habit=0.2, forgets="updated", fit=("bonus", "habit")
    ),
    "adding up": AttractionDynamics(0.1, 0.5, 0.5, 1.0, precision=2.0, fit=("forgone_weight",)),
    "regret": AttractionDynamics(0.0, cumulation=1.0, precision=2.0, by="regret", choice="regret", exploration=0.02),
    "gradient": AttractionDynamics(0.0, cumulation=1.0, precision=2.0, by="gradient"),
}


def in_larger_payoffs(dynamics: Dynamics, scale: float) -> Dynamics:
    """Learners to whom payoffs so many times as large mean the same."""
    return learners_in_unit(dynamics, 1 / scale)


def check(estimator: Callable[[Dynamics], object], learners: Dynamics, scale: float, errors: bool = False) -> None:
    actions = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    one, other = (estimator(its).fit(TRACES) for its in (learners, in_larger_payoffs(learners, scale)))
    expected, found = one.payoff_differences(actions).double(), other.payoff_differences(actions).double() / scale
    largest = float(expected.abs().max())
    assert largest > 1e-3
    assert torch.allclose(found, expected, rtol=0, atol=1e-6 * largest), (found - expected).abs().max() / largest
    if errors and one.uncertainty is not None:  # of a maximum: most of these stop short of it
        assert torch.allclose(other.standard_errors(actions) / scale, one.standard_errors(actions), rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator(name: str, scale: float) -> None:
    check(ESTIMATORS[name], PLAIN, scale, errors=True)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", MECHANISMS)
def test_every_mechanism(name: str, scale: float) -> None:
    """A known toll is in payoff units and so grows with them."""

    def estimator(learners: Dynamics) -> StructuredMLE:
        form = copy.deepcopy(MECHANISMS[name])
        if name == "with a known toll":
            form.terms[1].scale_payoffs(3.0 / float(learners.value("precision")))
        return StructuredMLE(form, learners, ridge=0.1, max_iterations=25)

    check(estimator, PLAIN, scale)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner(name: str, scale: float) -> None:
    check(lambda learners: TabularMLE(learners, ridge=0.1, max_iterations=25), LEARNERS[name], scale)


@pytest.mark.parametrize("scale", SCALES)
def test_large_payoffs_keep_their_sign(scale: float) -> None:
    """Payoffs a thousand times as large once came out with the wrong sign, shrunk by a ridge in their own unit."""
    learners = LogitDynamics(0.25, 3.0 / scale, 0.06)
    truth = TabularMechanism.from_payoffs(U.table.detach().double() * scale)
    traces = simulate(truth, learners, 60, 60, seed=1)
    profiles = torch.tensor([[0, 0], [1, 1]])
    found = TabularMLE(learners).fit(traces).payoff_differences(profiles) / scale
    expected = TabularMLE(PLAIN).fit(simulate(U, PLAIN, 60, 60, seed=1)).payoff_differences(profiles)
    assert torch.allclose(found, expected, rtol=1e-6)
    assert bool((found[:, 0, 1] * torch.tensor([1.0, -1.0]) > 0).all())


@pytest.mark.parametrize("mechanism", MECHANISMS.values(), ids=MECHANISMS)
def test_payoffs_in_another_unit(mechanism: Mechanism) -> None:
    actions = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    scaled = copy.deepcopy(mechanism)
    scaled.scale_payoffs(0.25)
    assert torch.allclose(scaled(actions), mechanism(actions) / 4)
    together = EnsembleMechanism([copy.deepcopy(mechanism), copy.deepcopy(mechanism)])
    together.scale_payoffs(0.25)
    assert torch.allclose(together(actions), mechanism(actions) / 4)


class Saturating(TabularMechanism):
    """A formula of somebody who has not said how its payoffs are counted in another unit."""

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        return super().forward(actions).tanh()

    def context_payoffs(self, contexts: object) -> torch.Tensor:
        return super().context_payoffs(contexts).tanh()


def test_a_formula_without_a_unit_is_fitted_as_it_stands() -> None:
    estimate = StructuredMLE(Saturating([3, 3]), PLAIN, ridge=0.1).fit(TRACES)
    assert float(estimate.mechanism(torch.tensor([[0, 0]])).abs().max()) < 1
    assert estimate.log_likelihood(TRACES) > TabularMLE(PLAIN, ridge=1e6).fit(TRACES).log_likelihood(TRACES)
