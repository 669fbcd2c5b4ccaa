"""Each mechanism against its formula, written out for one profile in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    AuctionMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadMechanism,
    OwnLoadTableMechanism,
    PairwiseMechanism,
    PublicGoodsMechanism,
)

Profile = tuple[int, ...]


def congestion(mechanism: CongestionMechanism, profile: Profile) -> list[float]:
    payoffs = []
    for resource in profile:
        load = profile.count(resource)
        cost = mechanism.linear_cost[resource].item() * load + mechanism.quadratic_cost[resource].item() * load**2
        payoffs.append(-cost + mechanism.toll_rate[resource].item() * load)
    return payoffs


def public_goods(mechanism: PublicGoodsMechanism, profile: Profile) -> list[float]:
    levels = [float(mechanism.levels[action]) for action in profile]
    total = sum(levels)
    payoffs = []
    for level in levels:
        benefit = mechanism.scale.item() * (1 - math.exp(-mechanism.rate.item() * total))
        (subsidy,) = network(mechanism.subsidy, [total, level])
        payoffs.append(benefit - mechanism.cost.item() * level**2 + subsidy)
    return payoffs


def anonymous(mechanism: AnonymousMechanism, profile: Profile) -> list[float]:
    payoffs = []
    for agent, own in enumerate(profile):
        others = [action for other, action in enumerate(profile) if other != agent]
        shares = [others.count(action) / max(len(others), 1) for action in range(mechanism.num_actions)]
        if mechanism.embedding is None:
            payoffs.append(network(mechanism.network, shares)[own])
        else:
            payoffs += network(mechanism.network, mechanism.embedding.weight[own].tolist() + shares)
    return payoffs


def own_load(mechanism: OwnLoadMechanism, profile: Profile) -> list[float]:
    """The load, oneself included, goes in as a number from -1 (of none) to 1 (of all)."""
    payoffs = []
    for resource in profile:
        share = 2 * profile.count(resource) / len(profile) - 1
        payoffs += network(mechanism.network, [*mechanism.embedding.weight[resource].tolist(), share])
    return payoffs


def own_load_table(mechanism: OwnLoadTableMechanism, profile: Profile) -> list[float]:
    return [mechanism.payoffs[resource, profile.count(resource) - 1].item() for resource in profile]


def aggregative(mechanism: AggregativeMechanism, profile: Profile) -> list[float]:
    """Levels go in as numbers from -1 (the lowest) to 1 (the highest)."""
    levels = mechanism.levels.tolist()
    unit = [2 * (level - min(levels)) / (max(levels) - min(levels)) - 1 for level in levels]
    payoffs = []
    for agent, own in enumerate(profile):
        others = [unit[action] for other, action in enumerate(profile) if other != agent]
        payoffs += network(mechanism.network, [unit[own], sum(others) / max(len(others), 1)])
    return payoffs


def pairwise(mechanism: PairwiseMechanism, profile: Profile) -> list[float]:
    payoffs = []
    for agent, own in enumerate(profile):
        meetings = [mechanism.meeting[own, action].item() for other, action in enumerate(profile) if other != agent]
        payoffs.append(mechanism.own[own].item() + sum(meetings) / max(len(meetings), 1))
    return payoffs


def neural(mechanism: NeuralMechanism, profile: Profile) -> list[float]:
    embedded: list[float] = []
    for agent, action in enumerate(profile):
        row = sum(mechanism.action_counts[:agent]) + action
        embedded += mechanism.embedding.weight[row].tolist()
    return network(mechanism.network, embedded)


def network(layers: nn.Sequential, values: list[float]) -> list[float]:
    for layer in layers:
        if isinstance(layer, nn.Linear):
            rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            values = [sum(w * x for w, x in zip(row, values, strict=True)) + bias for row, bias in rows]
        elif isinstance(layer, nn.Tanh):
            values = [math.tanh(x) for x in values]
        else:
            assert isinstance(layer, nn.ReLU)
            values = [max(x, 0.0) for x in values]
    return values


def auction(mechanism: AuctionMechanism, profile: Profile) -> list[float]:
    """Position by position: the best of the remaining bidders takes it and pays what the next one would have."""
    reserve, rebate = mechanism.reserve.item(), mechanism.rebate.item()
    qualities = mechanism.qualities.tolist()
    bids = [float(mechanism.bids[action]) for action in profile]
    scores = {agent: bid * qualities[agent] for agent, bid in enumerate(bids) if bid >= reserve}
    payoffs = [0.0] * len(profile)
    for click_rate in mechanism.click_rates.tolist():
        if not scores:
            break
        winner = min(scores, key=lambda agent: (-scores[agent], agent))
        del scores[winner]
        least_bid = max([reserve, *(score / qualities[winner] for score in scores.values())])
        clicks = click_rate * qualities[winner]
        payoffs[winner] = clicks * (mechanism.values[winner].item() - (1 - rebate) * least_bid)
    return payoffs


def assert_follows(mechanism: Mechanism, formula: Callable[[Any, Profile], list[float]]) -> None:
    """At each of its profiles, to rounding."""
    profiles = torch.cartesian_prod(*[torch.arange(count) for count in mechanism.action_counts])
    profiles = profiles.reshape(-1, mechanism.num_agents)
    expected = [formula(mechanism, tuple(profile)) for profile in profiles.tolist()]
    found = mechanism(profiles).detach()
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 3), (2, 2), (4, 4)], ids=str)
def test_congestion(size: tuple[int, int]) -> None:
    assert_follows(CongestionMechanism.random(*size).double(), congestion)


@pytest.mark.parametrize("size", [(1, 4), (2, 2), (3, 5)], ids=str)
def test_public_goods(size: tuple[int, int]) -> None:
    mechanism = PublicGoodsMechanism.random(*size).double()
    mechanism.scale.data.fill_(1.3)
    mechanism.rate.data.fill_(0.7)
    assert_follows(mechanism, public_goods)


def test_public_goods_levels_are_even_from_nothing_to_one() -> None:
    assert PublicGoodsMechanism(2, 5).levels.tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("own_action", ["input", "output"])
@pytest.mark.parametrize("size", [(1, 3), (2, 2), (4, 3)], ids=str)
def test_anonymous(size: tuple[int, int], own_action: str) -> None:
    mechanism = AnonymousMechanism(*size, embedding_dim=4, hidden=(7, 5), own_action=own_action)
    assert_follows(mechanism.double(), anonymous)


@pytest.mark.parametrize("size", [(1, 3), (2, 2), (4, 3)], ids=str)
def test_own_load(size: tuple[int, int]) -> None:
    assert_follows(OwnLoadMechanism(*size, embedding_dim=4, hidden=(7, 5)).double(), own_load)


@pytest.mark.parametrize("size", [(1, 3), (2, 2), (4, 3)], ids=str)
def test_own_load_table(size: tuple[int, int], generator: torch.Generator) -> None:
    mechanism = OwnLoadTableMechanism(*size).double()
    mechanism.payoffs.data = torch.randn(mechanism.payoffs.shape, generator=generator, dtype=torch.float64)
    assert_follows(mechanism, own_load_table)


@pytest.mark.parametrize("levels", [[0.0, 2.5], [3.0, -1.0, 0.5]], ids=str)
@pytest.mark.parametrize("num_agents", [1, 2, 4])
def test_aggregative(num_agents: int, levels: list[float]) -> None:
    """Levels in no order, unevenly far apart."""
    assert_follows(AggregativeMechanism(num_agents, levels, hidden=(7, 5)).double(), aggregative)


def test_aggregative_levels_must_differ() -> None:
    with pytest.raises(ValueError, match=r"levels must be distinct numbers.*\[1, 2, 1\]"):
        AggregativeMechanism(3, [1, 2, 1])


@pytest.mark.parametrize("size", [(1, 3), (2, 2), (4, 3)], ids=str)
def test_pairwise(size: tuple[int, int], generator: torch.Generator) -> None:
    mechanism = PairwiseMechanism(*size).double()
    for parameter in mechanism.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    assert_follows(mechanism, pairwise)


@pytest.mark.parametrize("counts", [[3], [2, 2], [2, 5, 3]], ids=str)
def test_neural(counts: list[int]) -> None:
    assert_follows(NeuralMechanism(len(counts), counts, embedding_dim=3, hidden=(7, 5)).double(), neural)


@pytest.mark.parametrize("positions", [1, 2, 3, 5])
def test_auction(positions: int) -> None:
    """Fewer positions than bidders, as many, and more."""
    mechanism = AuctionMechanism(3, 4, num_positions=positions).double()
    mechanism.qualities = torch.tensor([0.9, 1.4, 0.6], dtype=torch.float64)
    mechanism.values.data = torch.tensor([0.5, 0.8, 1.1], dtype=torch.float64)
    mechanism.reserve = torch.tensor(0.2, dtype=torch.float64)
    mechanism.rebate.data.fill_(0.25)
    assert_follows(mechanism, auction)


def test_auction_with_ties_goes_to_the_first_agent() -> None:
    mechanism = AuctionMechanism(3, 3, num_positions=2).double()  # equal qualities: equal bids tie
    assert_follows(mechanism, auction)
    # All bid 1: the first two take the positions and pay 1 a click, their whole value; the third gets nothing.
    assert mechanism(torch.tensor([2, 2, 2])).tolist() == [0, 0, 0]
    # The tied second agent pays what the third bids; the first pays the second's equal bid.
    payoffs = mechanism(torch.tensor([2, 2, 1])).tolist()
    assert payoffs == pytest.approx([0, 0.7 * (1 - 0.5), 0])


def test_bids_below_the_reserve_take_no_part_and_one_at_the_reserve_does() -> None:
    mechanism = AuctionMechanism(2, 3).double()
    mechanism.reserve = torch.tensor(0.5, dtype=torch.float64)
    assert mechanism(torch.tensor([0, 0])).tolist() == [0, 0]
    assert mechanism(torch.tensor([1, 0])).tolist() == [0.5, 0]  # pays the reserve, not the excluded bid


@pytest.mark.parametrize("seed", range(3))
def test_a_drawn_auction(seed: int) -> None:
    assert_follows(AuctionMechanism.random(4, 4, seed).double(), auction)
