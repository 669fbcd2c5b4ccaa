"""Every mechanism keeps the contract that `check_mechanism` states, and survives being written down."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diml_envs import check_mechanism
from diml_envs.mechanisms import (
    MISSING,
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
    SumMechanism,
    SymmetricMechanism,
    TabularMechanism,
    TollMechanism,
)
from diml_envs.mechanisms.tabular import payoff_table

SIZED = {
    "tabular": lambda agents, actions: TabularMechanism.random(agents, actions),
    "neural": lambda agents, actions: NeuralMechanism.random(agents, actions),
    "congestion": lambda agents, actions: CongestionMechanism.random(agents, actions),
    "public goods": lambda agents, actions: PublicGoodsMechanism.random(agents, actions),
    "anonymous with inputs": lambda agents, actions: AnonymousMechanism(agents, actions),
    "anonymous with outputs": lambda agents, actions: AnonymousMechanism(agents, actions, own_action="output"),
    "own load": lambda agents, actions: OwnLoadMechanism(agents, actions),
    "own load table": lambda agents, actions: OwnLoadTableMechanism(agents, actions),
    "aggregative": lambda agents, actions: AggregativeMechanism(agents, range(actions)),
    "pairwise": lambda agents, actions: PairwiseMechanism(agents, actions),
    "auction": lambda agents, actions: AuctionMechanism.random(agents, actions),
    "callable": lambda agents, actions: CallableMechanism(lambda profile: np.cumsum(profile), [actions] * agents),
    "toll": lambda agents, actions: TollMechanism(agents, [0.5 * action - 1 for action in range(actions)]),
    "sum": lambda agents, actions: (
        CongestionMechanism.random(agents, actions)
        + TollMechanism(agents, [0.5] * actions)
        + NeuralMechanism(agents, actions)
    ),
    "ensemble": lambda agents, actions: EnsembleMechanism([TabularMechanism.random(agents, actions)] * 2),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_the_contract(mechanism: Mechanism, dtype: torch.dtype) -> None:
    check_mechanism(mechanism.to(dtype))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 1), (2, 3), (5, 2)], ids=str)
@pytest.mark.parametrize("kind", SIZED)
def test_keeps_the_contract_at_the_edges_of_size(kind: str, size: tuple[int, int]) -> None:
    check_mechanism(SIZED[kind](*size).double())


@pytest.mark.parametrize("kind", sorted(SIZED.keys() - {"tabular", "ensemble"}))
def test_keeps_the_contract_with_many_agents(kind: str) -> None:
    check_mechanism(SIZED[kind](40, 3).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_payoffs_have_the_precision_of_the_parameters(parametric_mechanism: Mechanism, dtype: torch.dtype) -> None:
    mechanism = parametric_mechanism.to(dtype)
    profile = torch.zeros(mechanism.num_agents, dtype=torch.int64)
    assert mechanism(profile).dtype == mechanism.counterfactual_payoffs(profile).dtype == dtype


def test_the_payoff_table_holds_what_each_joint_action_pays(mechanism: Mechanism) -> None:
    table = payoff_table(mechanism)
    assert table.shape == (*mechanism.action_counts, mechanism.num_agents)
    for profile in np.ndindex(*mechanism.action_counts):
        torch.testing.assert_close(table[profile], mechanism(torch.tensor(profile)))


def test_an_empty_batch_has_no_payoffs(mechanism: Mechanism) -> None:
    nobody = torch.zeros(0, mechanism.num_agents, dtype=torch.int64)
    assert mechanism(nobody).shape == (0, mechanism.num_agents)
    assert mechanism.counterfactual_payoffs(nobody).shape == (0, mechanism.num_agents, mechanism.num_actions)


def test_configuration_and_parameters_build_the_same_mechanism_again(parametric_mechanism: Mechanism) -> None:
    mechanism = parametric_mechanism
    if isinstance(mechanism, EnsembleMechanism | SumMechanism):  # their configurations are read by Estimate.load
        mechanism = next(
            child
            for child in mechanism.modules()
            if type(child) is not type(mechanism) and isinstance(child, Mechanism)
        )
    config = json.loads(json.dumps(mechanism.config()))
    again = type(mechanism)(**config)
    again.load_state_dict(mechanism.state_dict())
    assert again.config() == mechanism.config()
    assert again.action_counts == mechanism.action_counts
    profiles = torch.cartesian_prod(*[torch.arange(count) for count in mechanism.action_counts])
    assert torch.equal(again(profiles), mechanism(profiles))


def test_a_function_cannot_be_saved() -> None:
    with pytest.raises(NotImplementedError, match=r"CallableMechanism must define config\(\)"):
        CallableMechanism(lambda profile: [0.0], [2]).config()


SYMMETRIC = ["congestion", "public goods", "anonymous with inputs", "anonymous with outputs", "own load", "aggregative"]


@pytest.mark.parametrize("kind", [*SYMMETRIC, "own load table", "pairwise"])
def test_symmetric_payoffs_move_with_the_agents(kind: str, generator: torch.Generator) -> None:
    mechanism = SIZED[kind](5, 3).double()
    actions = torch.randint(3, (20, 5), generator=generator)
    order = torch.tensor([3, 0, 4, 2, 1])
    assert isinstance(mechanism, SymmetricMechanism)
    torch.testing.assert_close(mechanism(actions[:, order]), mechanism(actions)[:, order])


@st.composite
def tabular_games(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Payoffs [A_1, ..., A_N, N] of a random shape, and profiles [B, N] of it."""
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    profiles = np.stack([rng.integers(count, size=7) for count in counts], 1)
    return rng.normal(size=(*counts, len(counts))), profiles


@given(tabular_games())
def test_counterfactual_payoffs_of_a_table_are_its_entries(game: tuple[np.ndarray, np.ndarray]) -> None:
    payoffs, profiles = game
    found = TabularMechanism.from_payoffs(payoffs).counterfactual_payoffs(torch.tensor(profiles)).detach().numpy()
    for row, profile in enumerate(profiles):
        for agent, count in enumerate(payoffs.shape[:-1]):
            for action in range(count):
                deviation = list(profile)
                deviation[agent] = action
                assert found[row, agent, action] == payoffs[(*deviation, agent)]
            assert np.isnan(found[row, agent, count:]).all()


def test_an_ensemble_pays_the_mean_of_its_members(generator: torch.Generator) -> None:
    members = [TabularMechanism.random(2, 3, seed) for seed in range(3)]
    actions = torch.randint(3, (9, 2), generator=generator)
    expected = sum(member(actions) for member in members) / 3
    torch.testing.assert_close(EnsembleMechanism(members)(actions), expected)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_contexts_are_what_the_others_did_and_nothing_more(generator: torch.Generator, missing: float) -> None:
    """By plain counting: for each agent, the distinct choices of the others wherever all of them were observed."""
    mechanism, shape = NeuralMechanism(3, [2, 5, 3]), (40, 3)
    actions = torch.stack([torch.randint(count, (40,), generator=generator) for count in (2, 5, 3)], 1)
    actions[torch.rand(shape, generator=generator) < missing] = MISSING
    met = {(agent, *row[:agent], *row[agent + 1 :]) for row in actions.tolist() for agent in range(3)}
    contexts = mechanism.contexts(actions)
    assert len(mechanism.context_payoffs(contexts)) == len([context for context in met if MISSING not in context[1:]])
    profiles = contexts.inputs[0]
    assert len(profiles) == len(profiles.unique(dim=0))


def test_a_symmetric_mechanism_has_no_more_contexts_for_more_agents(generator: torch.Generator) -> None:
    """At most A for each profile."""
    actions = torch.randint(3, (20, 500), generator=generator)
    mechanism = CongestionMechanism(500, 3)
    assert len(mechanism.context_payoffs(mechanism.contexts(actions))) <= 3 * 20


def test_a_function_is_called_once_for_each_distinct_profile() -> None:
    asked: list[tuple[int, ...]] = []

    def function(profile: tuple[int, ...]) -> list[float]:
        asked.append(profile)
        return [float(sum(profile)), 0.0]

    mechanism = CallableMechanism(function, [2, 2])
    mechanism.counterfactual_payoffs(torch.tensor([[0, 0]] * 50 + [[1, 1]] * 50))
    assert sorted(asked) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(type(action) is int for profile in asked for action in profile)
