"""The centre of the set of payoffs of little regret as an estimate."""

import pytest
from slow_definitions import random_traces

from diml_envs.mechanisms import OwnLoadTableMechanism
from diml_inverse import check_estimator, payoff_bounds
from diml_inverse.benchmark.tasks.strangers import STRANGERS
from diml_inverse.estimators.least_regret import LeastRegret


def test_it_keeps_the_contract_of_estimators():
    check_estimator(LeastRegret())


def test_its_payoffs_are_in_the_set():
    traces = random_traces((2, 2), [20, 20], seed=3)
    estimate = LeastRegret(slack=0.1).fit(traces)
    assert payoff_bounds(traces, "smallest", slack=0.1).contains(estimate.mechanism)
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
