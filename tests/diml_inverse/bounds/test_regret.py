"""Gains as linear functions of payoffs, against loops over rounds."""

import numpy as np
import pytest
import torch
from slow_definitions import random_traces
from slow_regret import regret as slow_regret

from diml_envs import Traces
from diml_envs.mechanisms import (
    AuctionMechanism,
    CongestionMechanism,
    Mechanism,
    OwnLoadTableMechanism,
    PublicGoodsMechanism,
    TabularMechanism,
)
from diml_inverse.bounds.form import affine_form
from diml_inverse.bounds.regret import AGAINST, gains


def random_table(counts, seed=0):
    return TabularMechanism.from_payoffs(np.random.default_rng(seed).normal(size=(*counts, len(counts))))


def theta_of(mechanism):
    unknown = [values for values in mechanism.parameters() if values.requires_grad]
    return torch.cat([values.detach().double().reshape(-1) for values in unknown]).numpy()


def auction_of_unknown_values():
    mechanism = AuctionMechanism.random(3, 4)
    mechanism.click_rates.requires_grad_(False)
    mechanism.rebate.requires_grad_(False)
    return mechanism


CASES = {
    "table": (lambda: random_table((2, 3, 2)), (2, 3, 2)),
    "congestion": (lambda: CongestionMechanism.random(3, 3), (3, 3, 3)),
    "own load": (lambda: OwnLoadTableMechanism(3, 3), (3, 3, 3)),
    "auction of unknown values": (auction_of_unknown_values, (4, 4, 4)),
}


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("case", CASES)
def test_regret_is_that_of_a_loop_over_rounds(case, against):
    make, counts = CASES[case]
    mechanism = make().double()
    traces = random_traces(counts, [9, 5, 7], seed=1, missing=0.1)
    found = gains(affine_form(mechanism, traces), traces, against, exploration=0.2).at(theta_of(mechanism))
    expected = [slow_regret(mechanism, traces, agent, against, exploration=0.2) for agent in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_condition_may_be_numbers_or_a_function():
    mechanism, traces = random_table((2, 2)), random_traces((2, 2), [8, 8], seed=2)
    form = affine_form(mechanism, traces)
    numbers = np.broadcast_to(np.arange(2)[:, None, None], traces.actions.shape)
    by_episode = gains(form, traces, "episode").at(theta_of(mechanism))
    np.testing.assert_allclose(gains(form, traces, numbers).at(theta_of(mechanism)), by_episode)
    np.testing.assert_allclose(gains(form, traces, lambda play: numbers[..., 0]).at(theta_of(mechanism)), by_episode)


def test_negative_numbers_leave_choices_out():
    mechanism, traces = random_table((2, 2)), random_traces((2, 2), [10], seed=3)
    late = np.where(np.arange(10) < 4, -1, 0)[None]
    alone = Traces(traces.actions[:, 4:], action_labels=traces.action_labels)
    found = gains(affine_form(mechanism, traces), traces, late).at(theta_of(mechanism))
    np.testing.assert_allclose(found, gains(affine_form(mechanism, alone), alone).at(theta_of(mechanism)))


def test_episode_weights_are_repeated_episodes():
    mechanism, traces = random_table((2, 3)), random_traces((2, 3), [5, 6, 4], seed=4)
    again = traces[[0, 0, 2]]
    found = gains(affine_form(mechanism, traces), traces, episode_weights=[2, 0, 1]).at(theta_of(mechanism))
    np.testing.assert_allclose(found, gains(affine_form(mechanism, again), again).at(theta_of(mechanism)))


def test_exploration_is_taken_out_without_bias():
    """Always action 0, the better by 1 against anything, but for exploration: no regret, in 4 standard errors.

    The gain of a round is 1 in exploited ones and -(share / 2) / (1 - share) on average in what is estimated of them,
    its deviation at most 1 / (1 - share).
    """
    rng, rounds, share = np.random.default_rng(5), 20_000, 0.4
    own = np.where(rng.random(rounds) < share, rng.integers(2, size=rounds), 0)
    actions = np.stack([own, rng.integers(2, size=rounds)], -1)[None]
    table = np.zeros((2, 2, 2))
    table[0, :, 0] = 1
    mechanism, traces = TabularMechanism.from_payoffs(table), Traces(actions)
    form = affine_form(mechanism, traces)
    error = 1 / (1 - share) / np.sqrt(rounds)
    assert abs(gains(form, traces, exploration=share).at(theta_of(mechanism))[0]) < 4 * error
    assert gains(form, traces).at(theta_of(mechanism))[0] == pytest.approx(share / 2, abs=4 * error)


def test_given_moves_are_not_judged():
    mechanism, traces = random_table((2, 2)), random_traces((2, 2), [6, 6], seed=6)
    scripted = Traces(traces.actions, action_labels=traces.action_labels, given=["agent_1"])
    found = gains(affine_form(mechanism, scripted), scripted).at(theta_of(mechanism))
    assert found[0] == pytest.approx(slow_regret(mechanism, traces, 0))
    assert np.isnan(found[1])


class Product(Mechanism):
    """Not affine: the product of two unknown numbers."""

    def __init__(self):
        super().__init__([2, 2])
        self.first = torch.nn.Parameter(torch.ones(2))

    def forward(self, actions):
        return self.first[actions] * self.first[0]


@pytest.mark.parametrize("mechanism", [Product(), PublicGoodsMechanism(3, 2), AuctionMechanism(2, 3)])
def test_payoffs_that_are_not_affine_are_refused(mechanism):
    traces = random_traces(mechanism.action_counts, [5])
    with pytest.raises(ValueError, match="affine in the unknown parameters"):
        affine_form(mechanism, traces)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"against": "extrenal"}, "external, internal"),
        ({"against": np.zeros((3, 3))}, "whole numbers"),
        ({"against": np.full((2, 8), -1)}, "no choice can be judged"),
        ({"exploration": 1.0}, "below 1"),
    ],
)
def test_wrong_options_are_named(options, message):
    traces = random_traces((2, 2), [8, 8])
    with pytest.raises(ValueError, match=message):
        gains(affine_form(TabularMechanism([2, 2]), traces), traces, **options)
