"""The conformance check of estimators: the built-in ones pass, each kind of broken one is told what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from diml_envs import Traces
from diml_envs.mechanisms import CongestionMechanism, NeuralMechanism
from diml_inverse import DIML, Estimator, LogitDynamics, StructuredMLE, TabularMLE, check_estimator, metrics
from diml_inverse.baselines import BehaviouralCloning, EquilibriumInversion, WrongLearner

DYNAMICS = LogitDynamics()

GOOD: dict[str, Estimator] = {
    "tabular": TabularMLE(DYNAMICS),
    "structured": StructuredMLE(CongestionMechanism(2, 3), DYNAMICS),
    "neural": DIML(NeuralMechanism(2, 3), DYNAMICS, max_epochs=3, members=2),
    "auto": DIML("auto", DYNAMICS),
    "cloning": BehaviouralCloning(max_epochs=3),
    "equilibrium": EquilibriumInversion(),
    "wrong learner": WrongLearner(TabularMLE(DYNAMICS)),
}


@pytest.mark.parametrize("name", GOOD)
def test_built_in_estimators_pass(name: str) -> None:
    check_estimator(GOOD[name])


def uniform(traces: Traces) -> np.ndarray:
    counts = np.array(traces.action_counts)[:, None]
    row = (np.arange(counts.max()) < counts) / counts
    return np.broadcast_to(row, (*traces.actions.shape, counts.max())).copy()


@dataclass
class Predicts:
    """A prediction by a plain function."""

    rule: Callable[[Traces], Any] = uniform
    offset: float = 0.0

    def choice_probs(self, traces: Traces) -> Any:
        return self.rule(traces)

    def log_likelihood(self, traces: Traces) -> float:
        return metrics.log_likelihood_by_episode(self.rule(traces), traces).value + self.offset


@dataclass
class Returns:
    """An estimator that returns what a function of the traces makes."""

    made: Callable[[Traces], Any]

    def fit(self, traces: Traces) -> Any:
        return self.made(traces)


def changed(change: Callable[[np.ndarray, Traces], Any]) -> Returns:
    """Predictions that start from uniform ones."""
    return Returns(lambda _: Predicts(lambda traces: change(uniform(traces), traces)))


def shared_over_play(probs: np.ndarray, traces: Traces) -> np.ndarray:
    """How often the agent chooses each action in all of the play that is to be predicted."""
    shares = np.stack([(traces.actions == a).mean((0, 1)) for a in range(probs.shape[-1])], -1)
    return np.broadcast_to(shares, probs.shape)


def of_own_round(probs: np.ndarray, traces: Traces) -> np.ndarray:
    chosen = np.eye(probs.shape[-1])[traces.actions.clip(0)]
    return 0.5 * probs + 0.5 * chosen


def of_episodes_mean(probs: np.ndarray, traces: Traces) -> np.ndarray:
    """Uses rounds before alone, but of all episodes."""
    share = (traces.actions[:, :1, :1] == 0).mean()
    tilted = probs.copy()
    tilted[:, 1:, :, 0] += 0.1 * share
    return tilted / tilted.sum(-1, keepdims=True)


def needs_all_observed(traces: Traces) -> Predicts:
    if not traces.observed.all():
        raise ValueError("needs complete play: drop episodes with unobserved actions")
    return Predicts()


def fails_on_gaps(traces: Traces) -> Predicts:
    if (traces.actions < 0).any():
        raise IndexError("index -1 is out of bounds")
    return Predicts()


def spoils(traces: Traces) -> Predicts:
    traces.metadata["seen"] = True
    return Predicts()


def silent(traces: Traces) -> Predicts:
    if (traces.actions < 0).any():
        raise ValueError
    return Predicts()


def drawn(seed: int | None) -> Callable[[Traces], Predicts]:
    def made(_: Traces) -> Predicts:
        lean = np.random.default_rng(seed).uniform(0, 0.3)
        return Predicts(lambda traces: (1 - lean) * uniform(traces) + lean * np.eye(uniform(traces).shape[-1])[0])

    return made


def other_agents(traces: Traces) -> Any:
    return replace(TabularMLE(DYNAMICS).fit(traces), agents=("x", "y"))


BAD: dict[str, tuple[Any, str]] = {
    "no fit": (object(), r"object has no fit\(traces\)"),
    "returns nothing": (Returns(lambda _: None), "returns a NoneType: it must have choice_probs"),
    "spoils traces": (Returns(spoils), "fit changes the traces"),
    "names other agents": (Returns(other_agents), r"names agents \('x', 'y'\)"),
    "one round short": (changed(lambda probs, _: probs[:, 1:]), r"shape \(3, 19, 2, 3\), not \[E, T, N, A\]"),
    "logs": (changed(lambda probs, _: np.log(probs)), "episode 9, round 0, agent 'agent_0': negative, or do not sum"),
    "NaN": (changed(lambda probs, _: probs * np.nan), "episode 9, round 0, agent 'agent_0': NaN"),
    "sums to more": (changed(lambda probs, _: probs * 1.1), "do not sum to one"),
    "sees the choice": (changed(of_own_round), "choices from round 0 on change what is predicted for round 0"),
    "sees the future": (changed(shared_over_play), "a prediction may use earlier rounds only"),
    "sees other episodes": (changed(of_episodes_mean), "predicted differently beside other episodes than alone"),
    "draws afresh": (Returns(drawn(None)), "two fits to the same traces differ"),
    "predicts at random": (
        changed(lambda probs, _: np.random.default_rng().dirichlet(np.ones(probs.shape[-1]), probs.shape[:-1])),
        "differ when asked twice",
    ),
    "another likelihood": (Returns(lambda _: Predicts(offset=0.1)), "log_likelihood is -0.99"),
    "cannot bear gaps": (Returns(fails_on_gaps), "with unobserved actions it fails .IndexError: index -1"),
    "refuses in silence": (Returns(silent), "with unobserved actions it raises a ValueError without a word"),
    "actions that are not there": (
        Returns(lambda _: Predicts(lambda traces: np.full_like(uniform(traces), 1 / max(traces.action_counts)))),
        r"above 0 for actions that an agent does not have \(with agents with different numbers",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(name: str) -> None:
    estimator, message = BAD[name]
    with pytest.raises(AssertionError, match=message):
        check_estimator(estimator)


@pytest.mark.parametrize("made", [lambda _: Predicts(), drawn(0), needs_all_observed])
def test_plain_predictors_pass(made: Callable[[Traces], Predicts]) -> None:
    check_estimator(Returns(made))


def test_play_of_the_users_own_game() -> None:
    three = Traces(np.random.default_rng(0).integers(2, size=(6, 8, 3)))
    check_estimator(StructuredMLE(CongestionMechanism(3, 2), DYNAMICS), three)
    with pytest.raises(ValueError, match="the mechanism has 3 agents, the traces 2"):
        check_estimator(StructuredMLE(CongestionMechanism(3, 2), DYNAMICS))
    with pytest.raises(ValueError, match="at least 4 complete episodes"):
        check_estimator(TabularMLE(DYNAMICS), three[:3])
