"""The episode bootstrap: determinism, agreement with the sandwich, and what it cannot know."""

from __future__ import annotations

import pytest
import torch

from diml_envs.mechanisms import CongestionMechanism, NeuralMechanism, TabularMechanism
from diml_inverse import DIML, LogitDynamics, StructuredMLE, TabularMLE, simulate
from diml_inverse.inference import bootstrap

KNOWN = LogitDynamics(0.25, 3.0, 0.06)
TRUTH = CongestionMechanism.random(3, 3, seed=0)
TRACES = simulate(TRUTH, KNOWN, 40, 20, seed=0)
ESTIMATOR = StructuredMLE(CongestionMechanism(3, 3), KNOWN)
ACTIONS = TRACES.actions[0, :5]


def test_the_seed_alone_decides() -> None:
    first, again = (bootstrap(ESTIMATOR, TRACES, 4, seed=1, jobs=jobs).standard_errors(ACTIONS) for jobs in (1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    other = bootstrap(ESTIMATOR, TRACES, 4, seed=2).standard_errors(ACTIONS)
    assert not torch.allclose(first, other)


def test_it_agrees_with_the_clustered_covariance() -> None:
    """Both estimate one thing. With 100 replicates a standard error is uncertain by 1 / sqrt(200) = 7 %, with 40
    episodes by some more; the mean over differences may be off by a quarter."""
    found = bootstrap(ESTIMATOR, TRACES, 100, seed=0)
    ratio = found.standard_errors(ACTIONS) / found.estimate.standard_errors(ACTIONS, "clustered")
    assert 0.75 < float(ratio.mean()) < 1.33
    low, high = found.intervals(ACTIONS)
    assert ((low < found.estimate.payoff_differences(ACTIONS)) & (high > low)).double().mean() > 0.9
    net = found.function(lambda mechanism, _: mechanism.toll_rate - mechanism.linear_cost)
    assert net.value.shape == net.standard_error.shape == net.low.shape == (3,)
    assert (net.low < net.high).all()


def test_what_no_resample_moves_is_not_known() -> None:
    play = simulate(TabularMechanism.random(2, 2), KNOWN, 4, 10, seed=0)
    play = type(play)(play.actions * [1, 0], action_labels=play.action_labels)  # the second agent's action 1 unseen
    found = bootstrap(TabularMLE(KNOWN), play, 5)
    assert found.standard_errors([[0, 1]])[0, 0].isinf().all()
    assert found.standard_errors([[0, 0]])[0, 0].isfinite().all()
    assert found.intervals([[0, 1]])[0][0, 0].isneginf().all()


def test_a_network_has_standard_errors_this_way() -> None:
    estimator = DIML(NeuralMechanism(3, 3, hidden=(8,)), KNOWN, max_epochs=3)
    errors = bootstrap(estimator, TRACES, 3).standard_errors(ACTIONS)
    assert errors.shape == (5, 3, 3)
    assert (errors.isfinite() & (errors > 0)).all()


def test_errors_say_what_is_needed() -> None:
    with pytest.raises(ValueError, match="needs two episodes, two replicates"):
        bootstrap(ESTIMATOR, TRACES[:1])
