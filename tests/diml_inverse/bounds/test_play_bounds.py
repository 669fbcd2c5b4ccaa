"""Equilibria of every game in the set, against what is known of single games."""

import numpy as np
import pytest
import torch
from slow_definitions import random_traces

from diml_envs.mechanisms import TabularMechanism
from diml_inverse.bounds import known, payoff_bounds, play_bounds

TRACES = random_traces((2, 2), [40], seed=0)


def known_game(payoffs):
    """A set of one game."""
    table = np.array(payoffs, float)
    rows = [known(f"agent_{i}", {p: table[(*p, i)] for p in np.ndindex(2, 2)}) for i in (0, 1)]
    return payoff_bounds(TRACES, 100.0, know=rows)


def shares(found, agent, action):
    row = found.table[(found.table["agent"] == agent) & (found.table["action"] == action)].iloc[0]
    return row[["low", "high", "attained_low", "attained_high"]].tolist()


def test_a_dominant_action_is_played():
    found = play_bounds(known_game([[[3, 3], [0, 5]], [[5, 0], [1, 1]]]))
    assert shares(found, "agent_0", 1) == pytest.approx([1, 1, 1, 1], abs=1e-6)
    assert found.project(lambda actions: actions.sum(1)) == pytest.approx((2, 2, 2, 2), abs=1e-6)
    welfare = found.table[found.table["quantity"] == "welfare"].iloc[0]
    assert welfare["low"] == pytest.approx(2, abs=1e-6) == welfare["high"]


def test_the_correlated_equilibria_of_chicken():
    """Payoffs 6 6 / 2 7 / 7 2 / 0 0: welfare is 12 at most if all choose the first, which is no equilibrium; the best
    coarse correlated one puts x on (0, 0) and the rest evenly on the two others: 6 x + 4.5 (1 - x) must be no less
    than what always 1 gets against these shares, 7 (x + (1 - x) / 2), so 1 - x >= x."""
    found = play_bounds(known_game([[[6, 6], [2, 7]], [[7, 2], [0, 0]]]))
    welfare = found.table[found.table["quantity"] == "welfare"].iloc[0]
    assert welfare["high"] == pytest.approx(10.5, abs=1e-6) == welfare["attained_high"]
    assert welfare["attained_low"] == pytest.approx(welfare["low"], abs=1e-6)


def test_a_policy_that_pays_enough_is_obeyed():
    pays = TabularMechanism.from_payoffs(np.array([[[4.0, 4.0], [4.0, 0.0]], [[0.0, 4.0], [0.0, 0.0]]]))
    found = play_bounds(known_game([[[3, 3], [0, 5]], [[5, 0], [1, 1]]]), pays)
    assert shares(found, "agent_1", 0) == pytest.approx([1, 1, 1, 1], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_outer_bounds_hold_inner_ones(seed):
    traces = random_traces((2, 2), [60], seed=seed)
    found = payoff_bounds(traces, 0.05, "range")
    table = play_bounds(
        found, TabularMechanism.from_payoffs(0.3 * torch.eye(2)[..., None].expand(2, 2, 2).numpy())
    ).table
    inner = table[["attained_low", "attained_high"]].to_numpy()
    assert (table["low"].to_numpy() <= inner[:, 0] + 1e-7).all()
    assert (inner[:, 1] <= table["high"].to_numpy() + 1e-7).all()
    assert (inner[:, 1] - inner[:, 0]).max() > 0.1


def test_a_policy_for_another_game_is_refused():
    with pytest.raises(ValueError, match="policy is for actions"):
        play_bounds(known_game(np.zeros((2, 2, 2))), TabularMechanism([3, 2]))
