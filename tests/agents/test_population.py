"""Sessions of persons who are matched into groups: who meets whom, what they take along, and what is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

import agents
import diml_envs
from agents import SARSA, ExpectedSARSA, Feedback, Inertia, LogitQ, QLearning
from diml_envs import PopulationEnv, RepeatedGameEnv
from diml_envs.mechanisms import TabularMechanism

UNEQUAL = TabularMechanism.from_payoffs(np.random.default_rng(0).normal(size=(2, 3, 2)))
SQUARE = TabularMechanism.from_payoffs(np.random.default_rng(1).normal(size=(2, 2, 2)))
THREE = TabularMechanism.from_payoffs(np.random.default_rng(2).normal(size=(2, 2, 3, 3)))

SESSIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "partners": (UNEQUAL, {"num_persons": 6, "matching": "partners"}),
    "strangers": (UNEQUAL, {"num_persons": 6, "matching": "strangers"}),
    "strangers, random matches": (UNEQUAL, {"num_persons": 8, "matching": "strangers", "continuation": 0.75}),
    "given number": (THREE, {"num_persons": 9, "matching": "strangers", "match_rounds": 3, "num_matches": 2}),
    "perfect": (UNEQUAL, {"num_persons": 10, "matching": "perfect_strangers", "num_matches": 5}),
    "one population": (SQUARE, {"num_persons": 6, "matching": "strangers", "match_rounds": 2, "one_population": True}),
    "array": (UNEQUAL, {"matching": [[[0, 1], [2, 3]], [[0, 3], [2, 1]]], "match_rounds": 4}),
}
LEARNERS = [
    LogitQ(),
    QLearning(0.3, 0.8, state="last_profile", exploration=agents.Linear(0.9, 8)),
    SARSA(0.3, 0.8, state="others_last", precision=2.0),
    ExpectedSARSA(0.3, 0.8, state="own_last", precision=2.0, end="unseen"),
    Inertia(QLearning(uses_observation=True, discount=0.5), 0.3),
]


def played(name: str, learner: Any, batched: bool | None = None, **options: Any) -> agents.Rollout:
    mechanism, session = SESSIONS[name]
    env = RepeatedGameEnv(mechanism, max_cycles=12, payoff_noise=0.2)
    return agents.rollout(env, learner, 2, seed=4, batched=batched, **(session | options))


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
@pytest.mark.parametrize("name", SESSIONS)
def test_batched_and_stepped_play_are_identical(name: str, learner: Any) -> None:
    one, two = played(name, learner, batched=True), played(name, learner, batched=False)
    assert one.traces == two.traces
    np.testing.assert_array_equal(one.payoffs, two.payoffs)
    np.testing.assert_array_equal(one.choice_probs, two.choice_probs)


@pytest.mark.parametrize("name", SESSIONS)
def test_everybody_sits_in_one_seat_a_round_and_memory_follows_the_person(name: str) -> None:
    """Against the definition: each person's learner, alone, told round by round what the traces and payoffs say."""
    learner = QLearning(0.3, 0.8, state="last_profile", precision=2.0)
    rollout = played(name, learner)
    traces = rollout.traces
    assert traces.persons is not None
    assert traces.sessions is not None
    for person in range(len(traces.person_labels)):
        seats = np.argwhere(traces.persons == person)
        in_turn = sorted(seats.tolist(), key=lambda at: traces.begins[at[0]])
        state, clock = None, None
        for episode, seat in in_turn:
            assert clock is None or traces.begins[episode] == clock  # from match to match without a round in between
            state = learner.start((), traces.action_counts[seat]) if state is None else state
            for t in range(traces.lengths[episode]):
                expected = learner.choice_probs(state, None)
                found = rollout.choice_probs[episode, t, seat, : traces.action_counts[seat]]
                np.testing.assert_allclose(found, expected, atol=1e-12)
                profile = traces.actions[episode, t]
                told = Feedback(
                    profile[seat],
                    rollout.payoffs[episode, t, seat],
                    None,
                    None,
                    None,
                    np.delete(profile, seat),
                    np.array(t == traces.lengths[episode] - 1),
                )
                state = learner.update(state, told)
            clock = traces.begins[episode] + traces.lengths[episode]


@pytest.mark.parametrize("name", SESSIONS)
def test_payoffs_are_the_mechanisms(name: str) -> None:
    mechanism, session = SESSIONS[name]
    rollout = agents.rollout(RepeatedGameEnv(mechanism, max_cycles=12), LogitQ(), 2, seed=1, **session)
    payoffs = RepeatedGameEnv(mechanism).payoff_lookup
    traces = rollout.traces
    for episode in range(len(traces)):
        actions = traces.actions[episode, : traces.lengths[episode]]
        all_payoffs = payoffs(actions)
        own = np.take_along_axis(all_payoffs, actions[..., None], -1)[..., 0]
        np.testing.assert_allclose(rollout.payoffs[episode, : traces.lengths[episode]], own)


def test_what_is_recorded() -> None:
    traces = played("given number", LogitQ()).traces
    assert traces.agents == ("agent_0", "agent_1", "agent_2")
    assert len(traces) == 2 * 2 * 3  # sessions, matches, groups
    assert set(traces.lengths) == {3}
    assert traces.begins.tolist() == [0, 0, 0, 3, 3, 3] * 2
    assert traces.clusters.tolist() == [0] * 6 + [1] * 6
    assert traces.person_labels[0] == "session_0/person_0"
    assert traces.metadata["env_kwargs"]["session"]["matching"] == "strangers"
    assert played("partners", LogitQ()).traces.lengths.tolist() == [12] * 6


def test_seats_are_kept_but_in_one_population() -> None:
    kept = played("strangers", LogitQ()).traces.persons % 6 % 2  # type: ignore[operator]
    np.testing.assert_array_equal(kept, np.broadcast_to([0, 1], kept.shape))
    mixed = played("one population", LogitQ()).traces.persons % 6 % 2  # type: ignore[operator]
    assert len(np.unique(mixed[:, 0])) == 2


def test_perfect_strangers_never_meet_twice() -> None:
    traces = played("perfect", LogitQ(), num_persons=14, num_matches=7).traces
    pairs = [tuple(sorted(pair)) for pair in traces.persons.tolist()]  # type: ignore[union-attr]
    assert len(pairs) == len(set(pairs)) == 2 * 7 * 7
    with pytest.raises(ValueError, match="never meet twice in up to 5 matches; got num_matches=6"):
        played("perfect", LogitQ(), num_matches=6)


def test_strangers_meet_everybody_alike() -> None:
    """Null: every partner of person 0 has probability 1/5; standard error .0103 of a share at 1500 rounds."""
    env = RepeatedGameEnv(UNEQUAL, max_cycles=1500)
    persons = agents.rollout(env, agents.Uniform(), 1, seed=3, matching="strangers", num_persons=10).traces.persons
    assert persons is not None
    partners = persons[persons[:, 0] == 0, 1]
    shares = np.bincount(partners, minlength=10)[1::2] / 1500
    assert np.abs(shares - 0.2).max() < 4 * 0.0103


def test_matches_go_on_as_often_as_they_should() -> None:
    """Null: lengths are geometric with mean 4 and standard deviation sqrt(.75) / .25 = 3.46; some 1,500 matches."""
    env = RepeatedGameEnv(SQUARE, max_cycles=6000)
    options: dict[str, Any] = {"matching": "partners", "continuation": 0.75}
    lengths = agents.rollout(env, agents.Uniform(), 1, seed=3, **options).traces.lengths
    assert abs(lengths.mean() - 4) < 4 * 3.46 / np.sqrt(len(lengths))
    assert abs((lengths == 1).mean() - 0.25) < 4 * np.sqrt(0.1875 / len(lengths))


def test_who_sits_out_does_nothing_and_learns_nothing() -> None:
    env = RepeatedGameEnv(SQUARE, max_cycles=6)
    rounds: dict[str, Any] = {"matching": [[[0, 1]], [[2, 1]], [[0, 1]]], "match_rounds": 2}
    rollout = agents.rollout(env, LogitQ(), 1, seed=0, **rounds)
    assert rollout.traces.persons.tolist() == [[0, 1], [2, 1], [0, 1]]  # type: ignore[union-attr]
    assert np.isfinite(rollout.payoffs).all()
    state = LogitQ().start((), 2)
    for episode in (0, 2):
        for t in range(2):
            np.testing.assert_allclose(rollout.choice_probs[episode, t, 0], LogitQ().choice_probs(state, None))
            told = env.payoff_lookup(rollout.traces.actions[episode, t])[0]
            state = LogitQ().update(state, Feedback(np.array(0), np.array(0.0), told, None, None))
    with pytest.raises(ValueError, match="batched=True is not possible: somebody sits out"):
        agents.rollout(env, LogitQ(), 1, seed=0, batched=True, **rounds)


def test_learners_by_person_or_by_seat_and_policies() -> None:
    by_seat = {"agent_0": LogitQ(), "agent_1": QLearning()}
    by_person = {f"person_{i}": by_seat[f"agent_{i % 2}"] for i in range(6)}
    assert (
        played("strangers", by_seat).traces.actions.tolist() == played("strangers", by_person).traces.actions.tolist()
    )
    assert set(played("strangers", lambda seen: 1).traces.actions.ravel()) == {1}
    with pytest.raises(ValueError, match="name learners by person, not by seat"):
        played("one population", by_seat)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matching": "stranger"}, "matching must be one of 'partners', 'strangers', 'perfect_strangers' or an array"),
        ({"num_persons": 5}, "num_persons must be a multiple of the 2 seats; got 5"),
        ({"continuation": 1.0}, r"continuation must be in \[0, 1\); got 1.0"),
        ({"match_rounds": 0}, "match_rounds must be 1 or more; got 0"),
        ({"num_matches": -1}, "num_matches must be 1 or more"),
        ({"one_population": True}, r"seats must be alike, but have \(2, 3\) actions"),
        ({"matching": [[[0, 1, 2]]]}, r"persons \[matches, groups, 2\]; got int64 \(1, 1, 3\)"),
        ({"matching": [[[0, 1], [1, 2]]]}, "match 0 of the matching: person 1 sits in two seats"),
        ({"matching": [[[0, 9]]]}, r"must name persons 0..5; got 0..9"),
        ({"matching": [[[0, 1]], [[1, 0]]]}, "person 0 changes seats; with one_population=True"),
        ({"learn": "across_episodes"}, "persons learn across the matches of a session"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        played("strangers", LogitQ(), **options)


def test_matching_is_for_games() -> None:
    env = diml_envs.matrix_v0.parallel_env()
    with pytest.raises(ValueError, match="say who meets whom"):
        agents.rollout(env, LogitQ(), 1, num_persons=4)
    with pytest.raises(ValueError, match="matching is for a RepeatedGameEnv"):
        agents.rollout(diml_envs.population_v0.parallel_env(), LogitQ(), 1, matching="strangers")


@pytest.mark.parametrize("name", SESSIONS)
def test_conforms_to_pettingzoo_and_is_reproducible(name: str) -> None:
    mechanism, session = SESSIONS[name]
    env = PopulationEnv(mechanism, max_cycles=12, payoff_noise=0.3, **session)
    parallel_api_test(env, num_cycles=20)

    def record(seed: int) -> list[Any]:
        seen, infos = env.reset(seed=seed)
        result: list[Any] = [infos]
        while env.agents:
            seen, rewards, *_, infos = env.step(dict.fromkeys(env.agents, 1))
            result += [rewards, {one: values.tolist() for one, values in seen.items()}, str(infos)]
        return result

    assert record(1) == record(1) != record(2)


def test_a_registered_population_is_a_population() -> None:
    env = diml_envs.population_v0.parallel_env("chicken", num_persons=4, max_cycles=5)
    traces = agents.rollout(env, LogitQ(), 3).traces
    assert len(traces.person_labels) == 12
    assert traces.metadata["env"] == "diml/population_v0"
