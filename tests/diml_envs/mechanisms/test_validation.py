"""What mechanisms refuse, and with which words; and the sorting of rows they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diml_envs.mechanisms import (
    MISSING,
    AnonymousMechanism,
    AuctionMechanism,
    CallableMechanism,
    CongestionMechanism,
    EnsembleMechanism,
    Mechanism,
    NeuralMechanism,
    TabularMechanism,
)
from diml_envs.mechanisms.base import distinct_rows


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TabularMechanism([]), "at least one agent with at least one action each; got ()"),
        (lambda: TabularMechanism([2, 0]), r"at least one action each; got \(2, 0\)"),
        (lambda: TabularMechanism([100] * 5), r"5e\+10 entries, more than 67108864; use a mechanism with structure"),
        (lambda: TabularMechanism.from_payoffs(3.0), r"\[A_1, ..., A_N, N\].*got shape \[\]"),
        (lambda: TabularMechanism.from_payoffs(np.zeros((2, 2))), r"last axis of length N; got shape \[2, 2\]"),
        (lambda: TabularMechanism.from_payoffs([[[1.0, 2], [3, np.nan]]]), r"agent 1 at profile \[0, 1\] is nan"),
        (lambda: NeuralMechanism(3, [2, 2]), "num_actions names 2 agents, num_agents is 3"),
        (lambda: NeuralMechanism(2, 0), r"at least one action each; got \(0, 0\)"),
        (lambda: CongestionMechanism(0, 3), r"at least one agent .* got \(\)"),
        (lambda: AnonymousMechanism(3, 2, own_action="both"), """must be "input" or "output"; got 'both'"""),
        (lambda: AuctionMechanism(3, 2, num_positions=0), "num_positions must be at least 1; got 0"),
        (lambda: EnsembleMechanism([]), r"members of one class and one set of action counts; got \[\]"),
        (
            lambda: EnsembleMechanism([TabularMechanism([2]), TabularMechanism([3])]),
            r"TabularMechanism\(2,\)', 'TabularMechanism\(3,\)'",
        ),
    ],
)
def test_bad_sizes_are_rejected(build: Callable[[], Mechanism], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("returned", [[1.0], [1.0, 2.0, 3.0], [1.0, np.nan], [1.0, np.inf], 1.0], ids=str)
def test_a_function_that_returns_other_than_finite_payoffs_is_rejected(returned: Any) -> None:
    mechanism = CallableMechanism(lambda profile: returned, [2, 2])
    with pytest.raises(ValueError, match=r"must return 2 finite payoffs.* at profile \(0, 1\) it returned"):
        mechanism(torch.tensor([0, 1]))


@pytest.mark.parametrize("method", ["forward", "counterfactual_payoffs"])
def test_actions_that_cannot_be_are_rejected_with_their_place(mechanism: Mechanism, method: str) -> None:
    counts = mechanism.action_counts
    actions = torch.zeros(2, 3, mechanism.num_agents, dtype=torch.int64)
    actions[1, 2, 1] = counts[1]
    with pytest.raises(ValueError, match=rf"action {counts[1]} of agent 1 at \[1, 2\] is outside 0..{counts[1] - 1}"):
        getattr(mechanism, method)(actions)
    actions[1, 2, 1] = -1
    with pytest.raises(ValueError, match=r"action -1 of agent 1 at \[1, 2\] is outside"):
        getattr(mechanism, method)(actions)


@pytest.mark.parametrize("method", ["forward", "counterfactual_payoffs"])
def test_tensors_that_are_no_profiles_are_rejected(mechanism: Mechanism, method: str) -> None:
    agents = mechanism.num_agents
    for wrong in (torch.zeros(4, agents), torch.zeros(4, agents, dtype=torch.bool), torch.zeros(4, agents + 1).long()):
        with pytest.raises(ValueError, match=rf"must be integers of shape \[..., {agents}\]"):
            getattr(mechanism, method)(wrong)


@given(
    st.integers(0, 30),
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(-3, 3),
    st.integers(0, 2**32 - 1),
)
def test_distinct_rows_are_those_torch_finds(rows: int, columns: int, values: int, low: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    table = torch.randint(low, low + values, (rows, columns), generator=generator)
    assert_as_torch_unique(table)


def test_distinct_rows_too_wide_for_one_integer(generator: torch.Generator) -> None:
    """Forty columns of ten values need 133 bits."""
    few = torch.randint(10, (7, 40), generator=generator)
    assert_as_torch_unique(few[torch.randint(7, (50,), generator=generator)])


@pytest.mark.parametrize("columns", [30, 31, 32])
def test_distinct_rows_about_the_width_of_one_integer(columns: int, generator: torch.Generator) -> None:
    """Rows that differ in the first or last column only, 60 to 64 bits wide: the key must not overflow."""
    rows = torch.randint(4, (6, columns), generator=generator)
    rows[0], rows[1] = 0, 3
    first, last = rows.clone(), rows.clone()
    first[:, 0], last[:, -1] = 3 - rows[:, 0], 3 - rows[:, -1]
    assert_as_torch_unique(torch.cat([rows, first, last, rows]))


def assert_as_torch_unique(table: torch.Tensor) -> None:
    distinct, place = distinct_rows(table)
    if len(table):
        assert torch.equal(distinct, torch.unique(table, dim=0))
    assert torch.equal(distinct[place], table)


def test_contexts_are_missing_exactly_where_another_agent_was_not_observed(mechanism: Mechanism) -> None:
    rng = np.random.default_rng(0)
    actions = np.stack([rng.integers(-1, count, size=50) for count in mechanism.action_counts], 1)
    index = mechanism.contexts(torch.tensor(actions)).index
    for row, profile in enumerate(actions.tolist()):
        for agent in range(mechanism.num_agents):
            others = profile[:agent] + profile[agent + 1 :]
            assert (index[row, agent] == MISSING) == (MISSING in others)


@pytest.mark.parametrize("agents", [40, 400])
def test_contexts_of_a_symmetric_mechanism_do_not_grow_with_agents(agents: int, generator: torch.Generator) -> None:
    actions = torch.randint(5, (8, agents), generator=generator)
    contexts = AnonymousMechanism(agents, 5).contexts(actions)
    (others,) = contexts.inputs
    assert len(others) <= 8 * 5
    assert (others.sum(1) == agents - 1).all()
