"""The payoffs under which play earned most, against counting and against all others of the same size."""

import numpy as np
import pytest
import torch
from slow_definitions import random_traces

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, Mechanism
from diml_inverse.bounds import NothingToJudge, best_earning


def centred_payoffs(game, traces):
    """[E, T, N, A]."""
    with torch.no_grad():
        payoffs = game.counterfactual_payoffs(torch.tensor(traces.actions)).double().numpy()
    return payoffs - np.nanmean(payoffs, -1, keepdims=True)


def earned_above_chance(game, traces):
    """For payoffs whose squares sum to 1 over the play."""
    centred = centred_payoffs(game, traces)
    chosen = np.take_along_axis(centred, traces.actions[..., None], -1)
    return chosen.sum() / np.sqrt(np.nansum(centred**2))


def test_free_payoffs_are_how_often_an_action_was_chosen():
    traces = random_traces((2, 3), [15, 18], seed=1)
    found, own, other = best_earning(traces), traces.actions[..., 0].ravel(), traces.actions[..., 1].ravel()
    shares = [np.array([np.mean(own[other == b] == a) - 1 / 2 for a in (0, 1)]) for b in range(3)]
    shares += [np.array([np.mean(other[own == a] == b) - 1 / 3 for b in range(3)]) for a in (0, 1)]
    unit = max(np.ptp(one) for one in shares)
    table = found.table.numpy()
    for b in range(3):
        np.testing.assert_allclose(table[:, b, 0] - table[:, b, 0].mean(), shares[b] / unit, atol=1e-8)
    for a in (0, 1):
        np.testing.assert_allclose(table[a, :, 1] - table[a, :, 1].mean(), shares[3 + a] / unit, atol=1e-8)


@pytest.mark.parametrize("form", [None, CongestionMechanism(3, 3)])
def test_no_other_payoffs_of_this_size_earned_more(form):
    traces = random_traces((3, 3, 3), [35, 35], seed=2)
    best = earned_above_chance(best_earning(traces, form), traces)
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = best_earning(traces, form)
        for values in other.parameters():
            values += torch.tensor(0.3 * rng.normal(size=values.shape))
        assert earned_above_chance(other, traces) <= best + 1e-9


def test_the_largest_difference_is_one():
    traces = random_traces((3, 3, 3), [35, 35], seed=2)
    for form in (None, CongestionMechanism(3, 3)):
        centred = centred_payoffs(best_earning(traces, form), traces)
        assert np.ptp(centred, axis=-1).max() == pytest.approx(1)


class Offer(Mechanism):
    """Action 0 is worth 2, action 1 nothing, action 2 an unknown number."""

    def __init__(self):
        super().__init__([3])
        self.third = torch.nn.Parameter(torch.zeros(1))

    def forward(self, actions):
        return torch.cat([torch.tensor([2.0, 0.0]), self.third])[actions]


def chosen_so_often(*counts):
    return Traces(np.repeat([0, 1, 2], counts)[None, :, None])


def test_known_payoffs_set_the_unit():
    """Chosen .5, .2 and .3: a difference of 2 is .3 of a choice, so .1 of a choice is 2 / 3."""
    found = best_earning(chosen_so_often(10, 4, 6), Offer())
    assert found.third.item() == pytest.approx(2 / 3)


def test_known_payoffs_that_earned_nothing_are_refused():
    with pytest.raises(ValueError, match="earned no more than chance"):
        best_earning(chosen_so_often(4, 10, 6), Offer())


def test_nothing_to_judge_is_said():
    with pytest.raises(NothingToJudge, match="no choice can be judged"):
        best_earning(Traces(np.zeros((1, 4, 2), int), action_labels=[[0, 1]] * 2, given=["agent_0", "agent_1"]))
