"""The payoffs that play earned most by as an estimate."""

import pytest
import torch
from slow_definitions import random_traces

from diml_envs.mechanisms import OwnLoadTableMechanism
from diml_inverse import check_estimator
from diml_inverse.benchmark.tasks.strangers import STRANGERS
from diml_inverse.bounds import best_earning
from diml_inverse.estimators.least_regret import LeastRegret


def test_it_keeps_the_contract_of_estimators():
    check_estimator(LeastRegret())


def test_its_payoffs_are_those_that_play_earned_most_by():
    traces = random_traces((2, 2), [20, 20], seed=3)
    estimate = LeastRegret().fit(traces)
    assert torch.equal(estimate.mechanism.table, best_earning(traces).table)
    assert estimate.history["log_likelihood"].max() == pytest.approx(estimate.log_likelihood(traces))


def test_a_form_is_kept():
    traces = random_traces((2, 2), [20, 20], seed=3)
    assert isinstance(LeastRegret(OwnLoadTableMechanism(2, 2)).fit(traces).mechanism, OwnLoadTableMechanism)


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_play_and_nothing_is_told_of_them(name):
    play = STRANGERS[name].play(0)
    assert play.train.action_counts == (3, 3)
    assert play.dynamics is None
    assert "learners" not in play.train.metadata
