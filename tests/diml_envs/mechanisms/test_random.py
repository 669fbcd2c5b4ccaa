"""Random mechanisms: drawn as the paper draws them, by the seed alone; and where fits start."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from diml_envs.mechanisms import (
    AnonymousMechanism,
    AuctionMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    PublicGoodsMechanism,
    TabularMechanism,
)
from diml_envs.mechanisms.initialisation import seeded_generator

KINDS: list[type[Any]] = [
    TabularMechanism,
    NeuralMechanism,
    CongestionMechanism,
    PublicGoodsMechanism,
    AnonymousMechanism,
    AuctionMechanism,
]
NETWORKS: list[type[Any]] = [NeuralMechanism, PublicGoodsMechanism, AnonymousMechanism]


def drawn(kind: type[Any], seed: int, agents: int = 3, actions: int = 4) -> Mechanism:
    return kind.random(agents, actions, seed=seed)


def equal_tensors(first: Mechanism, second: Mechanism) -> list[str]:
    """Names of the drawn tensors that agree; the paper's constants left out."""
    others = second.state_dict()
    return [
        name
        for name, tensor in first.state_dict().items()
        if name not in ("scale", "rate", "cost") and torch.equal(tensor, others[name])
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_every_payoff(kind: type[Any]) -> None:
    torch.manual_seed(1)
    first = drawn(kind, 7)
    torch.manual_seed(2)
    second = drawn(kind, 7)
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_draws_everything_anew(kind: type[Any]) -> None:
    assert equal_tensors(drawn(kind, 0), drawn(kind, 1)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_leaves_the_global_generator_alone(kind: type[Any]) -> None:
    torch.manual_seed(0)
    drawn(kind, 0)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_seed_is_rejected(kind: type[Any]) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number from 0 up; got -1"):
        drawn(kind, -1)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_candidate_never_starts_at_the_truth_of_its_seed(kind: type[Any], seed: int) -> None:
    """Else a fit with the default seed would begin at the hidden answer."""
    truth = drawn(kind, seed)
    as_built = kind(3, 4, seed=seed)
    at_the_start = kind(3, 4)
    at_the_start.reset_parameters(seeded_generator(seed, "fit"))
    assert equal_tensors(truth, as_built) == []
    assert equal_tensors(truth, at_the_start) == []


@pytest.mark.parametrize("kind", [TabularMechanism, CongestionMechanism, NeuralMechanism, AnonymousMechanism])
def test_fits_start_from_no_payoffs(kind: type[Any]) -> None:
    mechanism = drawn(kind, 0)
    mechanism.reset_parameters(torch.Generator().manual_seed(0))
    profiles = torch.cartesian_prod(*[torch.arange(4)] * 3)
    assert not mechanism(profiles).any()


def test_an_anonymous_candidate_with_outputs_starts_from_no_payoffs() -> None:
    mechanism = AnonymousMechanism(3, 4, own_action="output")
    mechanism.reset_parameters(torch.Generator().manual_seed(0))
    assert not mechanism(torch.cartesian_prod(*[torch.arange(4)] * 3)).any()


def test_a_public_goods_candidate_starts_without_subsidy_and_not_at_the_paper_s_constants() -> None:
    mechanism = PublicGoodsMechanism.random(3, 4)
    mechanism.reset_parameters(torch.Generator().manual_seed(0))
    assert not mechanism.subsidy(torch.rand(9, 2)).any()
    assert (mechanism.scale.item(), mechanism.rate.item(), mechanism.cost.item()) == (1, 1, 1)


def test_an_auction_candidate_forgets_values_and_rates_but_keeps_what_is_known() -> None:
    mechanism = AuctionMechanism.random(3, 4)
    qualities, reserve = mechanism.qualities.clone(), mechanism.reserve.clone()
    mechanism.reset_parameters(torch.Generator())
    assert mechanism.values.tolist() == [1, 1, 1]
    assert mechanism.click_rates.tolist() == pytest.approx([1, 0.7])
    assert mechanism.rebate.item() == 0
    assert torch.equal(mechanism.qualities, qualities)
    assert torch.equal(mechanism.reserve, reserve)


@pytest.mark.parametrize("kind", NETWORKS)
def test_starts_differ_by_generator_and_repeat_with_it(kind: type[Any]) -> None:
    starts = []
    for seed in (0, 0, 1):
        mechanism = drawn(kind, 5)
        mechanism.reset_parameters(torch.Generator().manual_seed(seed))
        starts.append(torch.cat([parameter.flatten() for parameter in mechanism.parameters()]))
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])


def assert_uniform(values: Tensor, low: float, high: float) -> None:
    """Inside [low, high) and reaching within 1 % of both ends.

    Of n >= 2000 uniform values the chance to miss an end by 1 % is .99^2000 < 2e-9.
    """
    assert values.numel() >= 2000
    assert low <= values.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < values.max() <= high


def test_congestion_is_drawn_from_the_paper_s_ranges() -> None:
    mechanism = CongestionMechanism.random(2, 2000)
    assert_uniform(mechanism.linear_cost, 0.1, 0.4)
    assert_uniform(mechanism.quadratic_cost, 0.05, 0.15)
    assert_uniform(mechanism.toll_rate, 0.0, 0.2)


def test_public_goods_are_drawn_with_the_paper_s_constants_and_a_default_subsidy() -> None:
    mechanism = PublicGoodsMechanism.random(3, 4)
    assert [p.item() for p in (mechanism.scale, mechanism.rate, mechanism.cost)] == pytest.approx([1, 2, 0.8])
    hidden = [layer for layer in mechanism.subsidy if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in hidden] == [(2, 64), (64, 1)]


def test_auctions_are_drawn_from_their_ranges() -> None:
    mechanism = AuctionMechanism.random(2001, 2)
    assert_uniform(mechanism.values, 0.5, 1.0)
    assert_uniform(mechanism.qualities, 0.5, 1.5)
    reserves, rebates, shares = [], [], []
    for seed in range(300):
        small = AuctionMechanism.random(3, 2, seed)
        reserves.append(small.reserve.item())
        rebates.append(small.rebate.item())
        shares += [small.click_rates[0].item(), (small.click_rates[1] / small.click_rates[0]).item()]
    # The chance that none of 300 uniform draws falls in the lowest or highest 5 % is .95^300 < 3e-7.
    for values, low, high in ((reserves, 0.05, 0.25), (rebates, 0.0, 0.3), (shares, 0.5, 0.9)):
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high + 1e-6


def test_tables_are_drawn_standard_normal() -> None:
    """Null: independent N(0, 1). Mean has standard error n^-1/2, variance (2/n)^1/2; five of them allowed."""
    table = TabularMechanism.random(3, 15).table
    n = table.numel()
    assert abs(table.mean().item()) < 5 / math.sqrt(n)
    assert abs(table.var().item() - 1) < 5 * math.sqrt(2 / n)


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_are_drawn_as_torch_does_by_default(kind: type[Any]) -> None:
    """Linear layers fill the interval of width 2 / sqrt(inputs) around zero, as freshly made `nn.Linear`s do.

    Null: uniform on (-bound, bound), variance bound^2 / 3 with standard error sqrt(4 / 45 / n) bound^2.
    """
    mechanism = drawn(kind, 0)
    for layer in mechanism.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            values = torch.cat([layer.weight.flatten(), layer.bias]).detach()
            assert values.abs().max() <= bound
            n = values.numel()
            assert abs(values.square().mean().item() - bound**2 / 3) < 5 * math.sqrt(4 / 45 / n) * bound**2


def test_embeddings_are_drawn_standard_normal() -> None:
    """Null: N(0, 1); variance about a known mean has standard error (2 / n)^1/2; five of them allowed."""
    mechanism = AnonymousMechanism.random(2, 200, embedding_dim=32)
    assert mechanism.embedding is not None
    weights = mechanism.embedding.weight
    assert abs(weights.square().mean().item() - 1) < 5 * math.sqrt(2 / weights.numel())


def test_the_paper_s_sizes() -> None:
    neural, anonymous = NeuralMechanism.random(3, 6), AnonymousMechanism.random(40, 10)
    layers = [(m.in_features, m.out_features) for m in neural.network if isinstance(m, nn.Linear)]
    assert layers == [(18, 128), (128, 128), (128, 3)]
    layers = [(m.in_features, m.out_features) for m in anonymous.network if isinstance(m, nn.Linear)]
    assert layers == [(22, 256), (256, 256), (256, 1)]
