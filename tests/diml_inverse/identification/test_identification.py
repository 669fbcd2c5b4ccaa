"""Support and visits against dictionaries filled by loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slow_definitions import random_traces

from diml_envs import Traces
from diml_inverse import identification


@st.composite
def plays(draw: st.DrawFn) -> Traces:
    counts = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    return random_traces(counts, lengths, draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.3])))


def rounds(traces: Traces) -> list[list[list[int]]]:
    """Profiles of each episode, without padding."""
    return [episode[:length].tolist() for episode, length in zip(traces.actions, traces.lengths, strict=True)]


@given(plays())
def test_on_support_are_the_profiles_that_occurred_whole(traces: Traces) -> None:
    occurred = {tuple(profile) for episode in rounds(traces) for profile in episode if -1 not in profile}
    asked = torch.cartesian_prod(*[torch.arange(count) for count in traces.action_counts])
    asked = asked.reshape(-1, traces.num_agents)
    found = identification.on_support(traces, asked)
    assert found.tolist() == [tuple(profile) in occurred for profile in asked.tolist()]


def test_on_support_keeps_the_batch_shape() -> None:
    traces = Traces(np.array([[[0, 1], [1, 1]]]))
    assert identification.on_support(traces, torch.tensor([0, 1])).tolist() is True
    asked = torch.tensor([[[0, 1], [1, 0]], [[1, 1], [0, 0]]])
    assert identification.on_support(traces, asked).tolist() == [[True, False], [True, False]]


@given(plays())
def test_visits_count_the_rounds_that_can_have_shaped_a_later_choice(traces: Traces) -> None:
    expected: dict[tuple[int, ...], int] = {}
    for episode in rounds(traces):
        for round_, profile in enumerate(episode):
            for agent in range(traces.num_agents):
                others = [*profile[:agent], *profile[agent + 1 :]]
                chose_later = any(later[agent] != -1 for later in episode[round_ + 1 :])
                if -1 not in others and chose_later:
                    key = (agent, *profile[:agent], -1, *profile[agent + 1 :])
                    expected[key] = expected.get(key, 0) + 1
    table = identification.visited_contexts(traces)
    assert list(table.columns) == ["agent", "visits", *range(traces.num_agents)]
    found = {(row.agent, *row.iloc[2:]): row.visits for _, row in table.iterrows()}
    assert found == expected
    assert len(table) == len(expected)


def test_visits_are_sorted_within_each_agent() -> None:
    table = identification.visited_contexts(random_traces([3, 3], [40]))
    assert table.agent.is_monotonic_increasing
    for _, of_agent in table.groupby("agent"):
        assert of_agent.visits.is_monotonic_decreasing


@pytest.mark.parametrize("agents", [1, 2])
def test_a_single_round_shapes_nothing(agents: int) -> None:
    assert identification.visited_contexts(random_traces([2] * agents, [1])).empty
