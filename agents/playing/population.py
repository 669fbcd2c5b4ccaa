"""Sessions of many persons who are matched into groups: played, and cut into the matches that an observer records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from agents.playing.batched import Group, groups_of_learners
from agents.playing.plays import Plays
from agents.playing.randomness import decisions_of, env_seed_of
from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.matching import Schedule, others_of
from diml_envs.games.population import PopulationEnv
from diml_envs.mechanisms.base import MISSING


class Sessions(NamedTuple):
    """What happened, by matches: arguments of `Traces`, and what stays hidden.

    Attributes:
        fields: actions, lengths, persons, person_labels, sessions, begins of E matches.
        payoffs: float64 [E, T, n].
        choice_probs: float64 [E, T, n, A].
    """

    fields: dict[str, Any]
    payoffs: NDArray[np.float64]
    choice_probs: NDArray[np.float64]


def population_of(
    env: Any,
    num_persons: int | None,
    matching: str | ArrayLike,
    match_rounds: int | None,
    continuation: float | None,
    num_matches: int | None,
    one_population: bool,
) -> PopulationEnv:
    """The env's game among many persons.

    Raises:
        ValueError: an env that is no `RepeatedGameEnv`, or is a population already; or as `PopulationEnv`.
    """
    if not isinstance(env, RepeatedGameEnv) or isinstance(env, PopulationEnv):
        raise ValueError(f"matching is for a RepeatedGameEnv of as many agents as a group has seats; got {env}")
    who = matching if isinstance(matching, str) else np.asarray(matching).tolist()
    described = env.description
    session = {"num_persons": num_persons, "matching": who, "match_rounds": match_rounds, "continuation": continuation}
    kwargs = described["kwargs"] | {"session": session | {"num_matches": num_matches}}
    return PopulationEnv(
        env.mechanism,
        num_persons,
        matching,
        match_rounds,
        continuation,
        num_matches,
        one_population,
        env.max_cycles,
        env.feedback,
        env.observation,
        env.payoff_noise,
        description={"env": described["env"], "kwargs": kwargs},
    )


def by_person(learners: Any, env: Any) -> Any:
    """Learners named by seats, for a population, named by the persons who keep these seats."""
    if not isinstance(env, PopulationEnv) or not isinstance(learners, Mapping) or set(learners) != set(env.seats):
        return learners
    if env.matching.one_population:
        raise ValueError("persons change seats: name learners by person, not by seat")
    return {
        person: learners[env.seats[seat]] for person, seat in zip(env.possible_agents, env.usual_seats(), strict=True)
    }


def obstacle_to_side_by_side(env: PopulationEnv) -> str | None:
    """Why the persons cannot be played side by side, if so."""
    groups = env.matching.who
    out = not isinstance(groups, str) and groups[0].size < env.matching.num_persons
    return "somebody sits out" if out else None


def play_sessions(
    env: PopulationEnv,
    learners: Mapping[str, Any],
    action_counts: list[int],
    num_episodes: int,
    seed: int,
    across_episodes: bool,
    progress: bool,
) -> Plays:
    """All persons of a session side by side, one session after the other; rounds beyond a session's end are padding.

    See `agents.rollout`; persons never learn across sessions.
    """
    groups = groups_of_learners(list(learners.values()), action_counts)
    plays = Plays.blank(num_episodes, env.max_cycles, action_counts)
    for session in tqdm(range(num_episodes), disable=None if progress else True, desc="sessions"):
        for group in groups:
            group.start(1)
        plays.lengths[session] = _play_session(env, groups, plays, session, seed)
    return plays


def _play_session(env: PopulationEnv, groups: list[Group], plays: Plays, session: int, seed: int) -> int:
    """Play and record one session: its number of rounds."""
    world = np.random.default_rng(env_seed_of(seed, session))
    env.schedule = schedule = env.draw_schedule(world)
    num_rounds, num_persons = len(schedule.match), len(env.possible_agents)
    num_uniforms = max(group.num_uniforms for group in groups)
    uniforms = decisions_of(seed, session).random((num_rounds, num_persons, num_uniforms))
    noise = env.draw_noise(world, num_rounds) if env.payoff_noise else None
    ends = schedule.ends()
    seen = env.shown(np.full(schedule.groups.shape[1:], MISSING), 0)
    for t in range(num_rounds):
        actions = np.empty((1, num_persons), np.int64)
        for group in groups:
            chosen, choice_probs = group.decide(seen, uniforms[None, t])
            actions[:, group.places] = chosen
            plays.choice_probs[session, t, group.places, : group.num_actions] = choice_probs[0]
        payoffs, played = env.payoffs_in(actions[0], t), actions[0][schedule.groups[t]]
        payoffs = payoffs if noise is None else payoffs + noise[t]
        own = payoffs[np.arange(num_persons), actions[0]]
        after = np.full(played.shape, MISSING) if ends[t] else played
        seen_next = env.shown(after, min(t + 1, num_rounds - 1))
        others = others_of(played).reshape(num_persons, -1)[env.place(t)]
        for group in groups:
            group.hear(
                actions, own[None], payoffs[None], seen, seen_next, others[None], np.full((1, num_persons), ends[t])
            )
        plays.actions[session, t], plays.payoffs[session, t], seen = actions[0], own, seen_next
    return num_rounds


def in_matches(env: PopulationEnv, plays: Plays, seed: int) -> Sessions:
    """The sessions cut into matches: an episode for each group of each match."""
    parts = [
        _matches_of(env.draw_schedule(np.random.default_rng(env_seed_of(seed, s))), s)
        for s in range(len(plays.lengths))
    ]
    session, begins, lengths, persons = (np.concatenate(column) for column in zip(*parts, strict=True))
    time = begins[:, None] + np.arange(lengths.max())
    inside = np.arange(lengths.max()) < lengths[:, None]
    where = session[:, None, None], np.where(inside, time, 0)[..., None], persons[:, None]

    def cut(values: NDArray[Any], padding: Any) -> NDArray[Any]:
        chosen = values[where]
        return np.where(inside.reshape(*inside.shape, *[1] * (chosen.ndim - 2)), chosen, padding)

    labels = [f"session_{s}/person_{p}" if len(parts) > 1 else f"person_{p}" for s, p in _everybody(session, persons)]
    number = {pair: i for i, pair in enumerate(_everybody(session, persons))}
    of_session = [[number[s, p] for p in group] for s, group in zip(session.tolist(), persons.tolist(), strict=True)]
    fields = {
        "actions": cut(plays.actions, MISSING),
        "lengths": lengths,
        "persons": of_session,
        "person_labels": labels,
        "sessions": session,
        "session_labels": [f"session_{s}" for s in range(len(parts))],
        "begins": begins,
    }
    return Sessions(fields, cut(plays.payoffs, np.nan), cut(plays.choice_probs, np.nan))


def _everybody(session: NDArray[np.int64], persons: NDArray[np.int64]) -> list[tuple[int, int]]:
    pairs = np.stack([np.repeat(session, persons.shape[1]), persons.ravel()], 1)
    return [(int(s), int(p)) for s, p in np.unique(pairs, axis=0)]


def _matches_of(schedule: Schedule, session: int) -> tuple[NDArray[np.int64], ...]:
    """Session, first round and length [E], and persons [E, n] of each group of each match."""
    first = np.flatnonzero(np.diff(schedule.match, prepend=-1))
    lengths = np.diff(np.append(first, len(schedule.match)))
    persons = schedule.groups[first]
    size = persons.shape[1]
    flat = persons.reshape(-1, persons.shape[2])
    return np.full(len(flat), session), np.repeat(first, size), np.repeat(lengths, size), flat
