"""Learners with a state who look ahead, against their definition in plain Python."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from histories import greedy, softmax

import agents
import diml_envs
from agents import SARSA, ExpectedSARSA, Exponential, Feedback, Inertia, Linear, LogitQ, QLearning

NUM_ACTIONS = 3
STATES = {"last_profile": lambda a, o: (a, *o), "own_last": lambda a, o: a, "others_last": lambda a, o: o}


def matches(seed: int, num_rounds: int = 40) -> list[tuple[int, tuple[int, ...], float, bool]]:
    """Rounds of one person against two others: own action, theirs, payoff, whether it ends a match."""
    draw = np.random.default_rng(seed)
    return [
        (
            int(draw.integers(NUM_ACTIONS)),
            tuple(draw.integers(2, size=2).tolist()),
            float(draw.normal()),
            bool(draw.random() < 0.2),
        )
        for _ in range(num_rounds)
    ]


def plain_probs(kind: str, learner: Any, rounds: Any) -> list[list[float]]:
    """Choice probabilities before each round and after the last: the recursion of the docstring, a round at a time."""
    first = learner.first_attractions

    def fresh(state: Any) -> list[float]:
        value = first.get(state, 0.0) if isinstance(first, dict) else first
        return list(np.broadcast_to(value, NUM_ACTIONS).astype(float))

    table: dict[Any, list[float]] = {}

    def q(state: Any) -> list[float]:
        return table.setdefault(state, fresh(state))

    def probs(state: Any, time: int) -> list[float]:
        explored = learner.exploration(time) if callable(learner.exploration) else learner.exploration
        if learner.precision is None:
            return greedy(q(state), explored)
        soft = softmax([learner.precision * value for value in q(state)])
        return [(1 - explored) * p + explored / NUM_ACTIONS for p in soft]

    state, waiting, result = "start", None, []
    for time, (own, others, payoff, last) in enumerate(rounds):
        result.append(probs(state, time))
        if waiting:  # SARSA: the round before, of which the next choice is now known
            before, action, earned = waiting
            q(before)[action] += learner.learning_rate * (earned + learner.discount * q(state)[own] - q(before)[action])
        waiting = None
        after = "start" if learner.state is None else STATES[learner.state](own, others)
        if last and learner.end == "seen":
            q(state)[own] += learner.learning_rate * (payoff - q(state)[own])
        elif kind == "chosen":
            waiting = state, own, payoff
        else:
            weights = probs(after, time + 1)
            value = max(q(after)) if kind == "max" else sum(w * v for w, v in zip(weights, q(after), strict=True))
            q(state)[own] += learner.learning_rate * (payoff + learner.discount * value - q(state)[own])
        state = "start" if last else after
    return [*result, probs(state, len(rounds))]


def told(own: int, others: tuple[int, ...], payoff: float, last: bool) -> Feedback:
    return Feedback(np.array(own), np.array(payoff), None, None, None, np.array(others), np.array(last))


def own_probs(learner: Any, rounds: Any) -> list[Any]:
    state, result = learner.start((), NUM_ACTIONS), []
    for one in rounds:
        result.append(learner.choice_probs(state, None))
        state = learner.update(state, told(*one))
    return [*result, learner.choice_probs(state, None)]


KINDS = {"max": QLearning, "mean": ExpectedSARSA, "chosen": SARSA}
CHOICES: list[dict[str, Any]] = [
    {"precision": 2.0, "exploration": 0.05},
    {"exploration": Linear(0.8, 25)},
    {"exploration": Exponential(0.5, 0.1, 0.05), "first_attractions": [0.5, 0.0, 1.0]},
    {"precision": 1.5, "first_attractions": {"start": [1.0, 0.0, 0.0], (0, 1, 1): 0.5, 2: [0, 1, 2], (0, 1): -1.0}},
]


@pytest.mark.parametrize("end", ["seen", "unseen"])
@pytest.mark.parametrize("state", [None, *STATES])
@pytest.mark.parametrize("kind", KINDS)
def test_the_recursion_of_the_docstring(kind: str, state: str | None, end: Any) -> None:
    for seed, choice in enumerate(CHOICES):
        learner = KINDS[kind](learning_rate=0.3, discount=0.8, state=state, end=end, **choice)
        rounds = matches(seed)
        np.testing.assert_allclose(own_probs(learner, rounds), plain_probs(kind, learner, rounds), atol=1e-12)


def met_a_one(own: int, others: tuple[int, ...]) -> bool:
    return 1 in others


def test_a_state_of_ones_own_and_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of what was done is a state, and learners side by side do not touch."""
    learner = QLearning(0.3, 0.8, state=met_a_one, precision=2.0)
    several = [matches(seed) for seed in range(4)]
    state = learner.start((2, 2), NUM_ACTIONS)
    for at_once in zip(*several, strict=True):
        own, others, payoff, last = (
            np.reshape(part, (2, 2, *np.shape(part)[1:])) for part in zip(*at_once, strict=True)
        )
        state = learner.update(state, Feedback(own, payoff, None, None, None, others, last))
    alone = [own_probs(learner, rounds)[-1] for rounds in several]
    np.testing.assert_array_equal(learner.choice_probs(state, None), np.reshape(alone, (2, 2, NUM_ACTIONS)))
    monkeypatch.setitem(STATES, met_a_one, met_a_one)  # type: ignore[arg-type, misc]
    np.testing.assert_allclose(alone[0], plain_probs("max", learner, several[0])[-1], atol=1e-12)


def test_schedules() -> None:
    times = np.arange(6.0)
    np.testing.assert_allclose(Linear(0.5, 4)(times), [0.5, 0.375, 0.25, 0.125, 0, 0])
    np.testing.assert_allclose(Exponential(1.0, 0.5, 0.1)(times), [0.1 + 0.9 * math.exp(-0.5 * t) for t in range(6)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QLearning(state="last"), "QLearning: state must be one of 'last_profile', 'own_last', 'others_last'"),
        (lambda: SARSA(state="own_last", uses_observation=True), "SARSA: a state is made of actions"),
        (lambda: ExpectedSARSA(end="sen"), "end must be 'seen' or 'unseen'"),  # type: ignore[arg-type]
        (lambda: QLearning(exploration=1.5), r"exploration must be in \[0, 1\)"),
        (lambda: QLearning(precision=-1.0), "precision must be 0 or more"),
        (lambda: Linear(1.5), r"start must be in \[0, 1\]"),
        (lambda: Linear(0.5, 0), "rounds above 0"),
        (lambda: Exponential(rate=-1), "rate 0 or more"),
        (lambda: Inertia(LogitQ(), 1.0), r"inertia must be in \[0, 1\)"),
    ],
)
def test_what_is_wrong_is_said(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_inertia_needs_a_learner() -> None:
    with pytest.raises(TypeError, match=r"must be an agents\.Learner"):
        Inertia("logit")


@pytest.mark.parametrize(
    "learner",
    [
        QLearning(0.2, 0.9, state="last_profile"),
        SARSA(0.2, 0.9, state="others_last", precision=3.0),
        ExpectedSARSA(0.2, 0.9, state="own_last", precision=3.0, exploration=Linear(0.5, 9)),
        Inertia(LogitQ(), 0.4),
        Inertia(agents.ThompsonSampling(), 0.4),
        Inertia(SARSA(0.2, 0.9, state="last_profile"), 0.2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("learn", ["per_episode", "across_episodes"])
def test_batched_and_stepped_play_are_identical(learner: Any, learn: str) -> None:
    env = diml_envs.congestion_v0.parallel_env(num_agents=3, num_actions=3, max_cycles=12, payoff_noise=0.2)
    played = [agents.rollout(env, learner, 5, seed=3, learn=learn, batched=batched) for batched in (True, False)]
    assert played[0].traces == played[1].traces
    np.testing.assert_array_equal(played[0].choice_probs, played[1].choice_probs)


def test_inertia_by_hand() -> None:
    """With probability .4 the last action is kept; not in the first round, nor in that after a match's last."""
    inner = LogitQ(feedback="own", exploration=0.0)
    learner, rounds = Inertia(inner, 0.4), matches(1)
    plain, mixed, previous = own_probs(inner, rounds), own_probs(learner, rounds), None
    for probs, found, one in itertools.zip_longest(plain, mixed, rounds):
        kept = np.eye(NUM_ACTIONS)[previous] if previous is not None else probs
        np.testing.assert_allclose(found, 0.6 * probs + 0.4 * kept, atol=1e-12)
        previous = None if one is None or one[3] else one[0]


def test_inertia_keeps_as_often_as_it_says() -> None:
    """Null: the share of repeats of uniform choices is .5 + .5 / 4; standard error .0035 at 20,000 decisions."""
    env = diml_envs.congestion_v0.parallel_env(num_agents=2, num_actions=4, max_cycles=101)
    actions = agents.rollout(env, Inertia(agents.Uniform(), 0.5), 100, seed=1).traces.actions
    assert abs((actions[:, 1:] == actions[:, :-1]).mean() - 0.625) < 4 * 0.0035


def test_ties_are_broken_evenly_at_the_start() -> None:
    counts: defaultdict[int, int] = defaultdict(int)
    env = diml_envs.matrix_v0.parallel_env(max_cycles=1)
    played = agents.rollout(env, QLearning(exploration=0.0, state="last_profile"), 400, seed=2).traces.actions
    for action in played.ravel().tolist():
        counts[action] += 1
    assert abs(counts[0] - 400) < 4 * math.sqrt(800 / 4)


def test_opponents_in_a_seat_see_the_others() -> None:
    import gymnasium

    env = gymnasium.make(
        "diml/Matrix-v0", opponents=QLearning(0.5, 0.5, state="last_profile"), disable_env_checker=True
    )
    env.reset(seed=0)
    for action in (0, 1, 0, 1):
        env.step(action)
    table = env.unwrapped._players["agent_1"].state  # type: ignore[attr-defined]
    assert {state[1] for state in table.rows if state != "start"} == {0, 1}
