"""Choice frequencies: counts, by plain loops, and that they are the logit model they are said to be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from slow_definitions import random_traces
from statsmodels.discrete.discrete_model import Logit

from diml_envs import Traces
from diml_inverse import Estimator, Predictor, metrics
from diml_inverse.baselines import ChoiceFrequencies
from diml_inverse.baselines.frequencies import PRIOR_CHOICES


def slow_probability(traces: Traces, test: Traces, memory: int, episode: int, round_: int, agent: int) -> list[float]:
    def before(play: Traces, episode: int, round_: int) -> tuple[tuple[int, ...], ...]:
        rounds = range(round_ - memory, round_)
        nothing = (-1,) * play.num_agents
        return tuple(tuple(play.actions[episode, t].tolist()) if t >= 0 else nothing for t in rounds)

    seen: Counter[int] = Counter()
    for e in range(len(traces)):
        for t in range(1, traces.lengths[e]):
            if before(traces, e, t) == before(test, episode, round_):
                seen[int(traces.actions[e, t, agent])] += 1
    seen.pop(-1, None)
    weights = [seen[action] + PRIOR_CHOICES for action in range(traces.action_counts[agent])]
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize("memory", [0, 1, 2])
def test_equals_counting_by_loops(memory: int) -> None:
    train, test = random_traces((2, 3), [9, 4, 7, 1], missing=0.1), random_traces((2, 3), [5, 3], seed=1)
    found = ChoiceFrequencies(memory).fit(train)
    probs = found.choice_probs(test)
    for episode in range(2):
        for round_ in range(test.lengths[episode]):
            for agent, count in enumerate((2, 3)):
                expected = slow_probability(train, test, memory, episode, round_, agent)
                assert probs[episode, round_, agent, :count] == pytest.approx(expected)
    assert (probs[:, :, 0, 2] == 0).all()
    assert isinstance(ChoiceFrequencies(), Estimator)
    assert isinstance(found, Predictor)
    assert found.log_likelihood(test) == pytest.approx(metrics.log_likelihood_by_episode(probs, test).value)


def test_is_the_saturated_logit_fit() -> None:
    """Maximum likelihood with a dummy for each profile; the prior half choice moves it by 1 in 500 choices at most."""
    traces = random_traces((2, 2), [400] * 5)
    after = traces.actions[:, :-1, 0] * 2 + traces.actions[:, :-1, 1]
    dummies = np.eye(4)[after.ravel()]
    fit = Logit(traces.actions[:, 1:, 0].ravel(), dummies).fit(disp=0)
    found = ChoiceFrequencies(1).fit(traces)
    predicted = found.choice_probs(traces)[:, 1:, 0, 1].ravel()
    assert predicted == pytest.approx(fit.predict(), abs=2e-3)


def test_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        ChoiceFrequencies(-1)
    with pytest.raises(ValueError, match="use BehaviouralCloning"):
        ChoiceFrequencies(3).fit(random_traces((9, 9, 9), [5]))
    with pytest.raises(ValueError, match="action counts"):
        ChoiceFrequencies().fit(random_traces((2, 2), [5])).choice_probs(random_traces((3, 2), [5]))
