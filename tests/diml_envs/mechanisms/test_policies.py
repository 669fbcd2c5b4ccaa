"""Policies on top of a game, and games for another number of agents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from diml_envs import check_mechanism
from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    AuctionMechanism,
    CallableMechanism,
    CongestionMechanism,
    EnsembleMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadMechanism,
    OwnLoadTableMechanism,
    PairwiseMechanism,
    PublicGoodsMechanism,
    SymmetricMechanism,
    TabularMechanism,
    TollMechanism,
)
from diml_inverse import Estimate, LogitDynamics

PROFILES = torch.cartesian_prod(*[torch.arange(3)] * 4)


def test_a_sum_pays_what_its_terms_pay_together() -> None:
    game, policy = (
        CongestionMechanism.random(4, 3),
        CallableMechanism(lambda profile: [0.5 * a for a in profile], [3] * 4),
    )
    torch.testing.assert_close((game + policy)(PROFILES), game(PROFILES) + 0.5 * PROFILES.double())
    check_mechanism(game + policy)
    check_mechanism(game + policy + game)


def test_a_toll_is_taken_from_whoever_chooses_the_action() -> None:
    toll = TollMechanism(2, [[1.0, -2.0], [0.0, 3.0, 5.0]])
    assert toll.action_counts == (2, 3)
    assert toll(torch.tensor([[0, 2], [1, 1]])).tolist() == [[-1, -5], [2, -3]]
    assert toll.counterfactual_payoffs(torch.tensor([0, 0]))[1].tolist() == [0, -3, -5]


def test_a_toll_adds_no_contexts_to_a_symmetric_game() -> None:
    game = CongestionMechanism.random(4, 3)
    taxed = game + TollMechanism(4, [0.1, 0.2, 0.3])
    contexts = [mechanism.context_payoffs(mechanism.contexts(PROFILES)) for mechanism in (game, taxed)]
    assert contexts[0].shape == contexts[1].shape


def test_tolls_can_be_chosen_by_gradient() -> None:
    tolls = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    mechanism = CongestionMechanism.random(4, 3) + TollMechanism(4, tolls.exp())
    (gradient,) = torch.autograd.grad(mechanism(PROFILES).sum(), tolls)
    torch.testing.assert_close(gradient, -(len(PROFILES) * 4 / 3) * tolls.exp().detach())


@pytest.mark.parametrize(
    ("tolls", "message"),
    [
        ([[1.0, 2.0]], "3 rows"),
        ([1.0, float("inf")], "must be finite"),
        (torch.tensor([float("nan")]), "must be finite"),
    ],
)
def test_tolls_that_mean_nothing_are_refused(tolls: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TollMechanism(3, tolls)


def test_terms_must_be_of_one_size() -> None:
    with pytest.raises(ValueError, match=r"same agents and actions; got action counts \(3, 3\), \(2, 2\)"):
        CongestionMechanism(2, 3) + CongestionMechanism(2, 2)
    with pytest.raises(TypeError):
        CongestionMechanism(2, 3) + 1


def test_an_estimate_with_a_policy_is_saved_and_loaded(tmp_path: Path) -> None:
    """Terms of different precision keep theirs."""
    mechanism = CongestionMechanism.random(4, 3).double() + (TollMechanism(4, [0.1, 0.2, 0.3]) + NeuralMechanism(4, 3))
    labels = ((0, 1, 2),) * 4
    Estimate(mechanism, LogitDynamics(), pd.DataFrame({"iteration": [0]}), tuple("abcd"), labels).save(
        tmp_path / "file"
    )
    loaded = Estimate.load(tmp_path / "file").mechanism
    assert torch.equal(loaded(PROFILES), mechanism(PROFILES))


def _agents_of_three() -> dict[str, Callable[[], Mechanism]]:
    table, meetings = OwnLoadTableMechanism(3, 3), PairwiseMechanism(3, 3)
    for parameter in (table.payoffs, meetings.own, meetings.meeting):
        parameter.data = torch.arange(parameter.numel()).float().reshape(parameter.shape).sin()
    return {
        "congestion": lambda: CongestionMechanism.random(3, 3),
        "public goods": lambda: PublicGoodsMechanism.random(3, 3),
        "anonymous": lambda: AnonymousMechanism.random(3, 3),
        "own load": lambda: OwnLoadMechanism(3, 3),
        "aggregative": lambda: AggregativeMechanism(3, [0.5, 3.0, 1.0]),
        "own load table": lambda: table,
        "pairwise": lambda: meetings,
        "toll": lambda: TollMechanism(3, [1.0, 2.0, 3.0]),
        "sum": lambda: CongestionMechanism.random(3, 3) + TollMechanism(3, [1.0, 2.0, 3.0]),
        "ensemble": lambda: EnsembleMechanism([CongestionMechanism.random(3, 3, seed) for seed in (1, 2)]),
    }


@pytest.mark.parametrize("kind", _agents_of_three())
def test_another_number_of_agents_and_back(kind: str) -> None:
    mechanism = _agents_of_three()[kind]().double()
    changed = mechanism.with_num_agents(2 if kind == "own load table" else 5)
    check_mechanism(changed)
    if kind != "own load table":
        profiles = torch.cartesian_prod(*[torch.arange(3)] * 3)
        assert torch.equal(changed.with_num_agents(3)(profiles), mechanism(profiles))


def test_what_the_same_function_means_for_others() -> None:
    """A load is a number of agents; shares of the others stay shares; a mean level stays a mean level."""
    congestion = CongestionMechanism.random(2, 2)
    assert congestion.with_num_agents(6)(torch.tensor([0, 0, 1, 1, 1, 1]))[0] == congestion(torch.tensor([0, 0]))[0]
    for mechanism in (AnonymousMechanism.random(2, 2), AggregativeMechanism(2, [0.0, 1.0]), PairwiseMechanism(2, 2)):
        many = mechanism.with_num_agents(4)(torch.tensor([0, 1, 1, 1]))[0]
        torch.testing.assert_close(many, mechanism(torch.tensor([0, 1]))[0])


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        (TabularMechanism([2, 2]), "TabularMechanism says nothing about 3 agents"),
        (NeuralMechanism(2, 2), "NeuralMechanism says nothing about 3 agents"),
        (AuctionMechanism(2, 2), "AuctionMechanism says nothing about 3 agents"),
        (TollMechanism(2, [[1.0], [2.0]]), "TollMechanism says nothing about 3 agents"),
        (CongestionMechanism(2, 2) + CallableMechanism(lambda _: [0.0, 0.0], [2, 2]), "CallableMechanism says nothing"),
        (OwnLoadTableMechanism(2, 2), "loads up to 2, so it says nothing about 3 agents"),
    ],
)
def test_payoffs_of_agents_one_by_one_say_nothing_about_others(mechanism: Mechanism, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mechanism.with_num_agents(3)
    assert mechanism.with_num_agents(2)(torch.zeros(2, dtype=torch.int64)).shape == (2,)


class OwnBias(SymmetricMechanism):
    """Its parameters grow with the number of agents."""

    def __init__(self, num_agents: int) -> None:
        super().__init__(num_agents, 2)
        self.bias = torch.nn.Parameter(torch.zeros(num_agents))

    def config(self) -> dict[str, int]:
        return {"num_agents": self.num_agents}


def test_parameters_that_depend_on_the_number_of_agents_are_refused() -> None:
    with pytest.raises(ValueError, match="parameters of OwnBias for 2 agents do not fit 3"):
        OwnBias(2).with_num_agents(3)
