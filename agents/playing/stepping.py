"""One episode after the other through PettingZoo's parallel API: any env, anything that can act."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from tqdm import tqdm

from agents.playing.parties import Outcome, Party, Single
from agents.playing.plays import Plays
from agents.playing.randomness import decisions_of, env_seed_of
from agents.playing.sb3 import SB3
from diml_envs.mechanisms.base import MISSING

Row = NDArray[np.float64]


class Episode(NamedTuple):
    """Lists over rounds: actions [N], payoffs [N] and choice probabilities [N, A]."""

    actions: list[NDArray[np.int64]]
    payoffs: list[Row]
    choice_probs: list[Row]


def play_stepping(
    env: ParallelEnv[Any, Any, Any],
    learners: Mapping[Any, Any],
    action_counts: list[int],
    num_episodes: int,
    seed: int,
    across_episodes: bool,
    progress: bool,
) -> Plays:
    """See `agents.rollout`. Episodes end when the env has no agents left; agents that leave early are `MISSING`."""
    episodes = []
    with contextlib.ExitStack() as stack:
        parties = _seated(env, learners, action_counts, seed, num_episodes if across_episodes else 1)
        for party in parties:
            stack.enter_context(party)
        for number in tqdm(range(num_episodes), disable=None if progress else True, desc="episodes"):
            if not across_episodes:
                for party in parties:
                    party.start(number)
            episodes.append(_play_episode(env, parties, action_counts, seed, number))
            if not across_episodes or number == num_episodes - 1:
                for party in parties:
                    party.finish()
    plays = _stacked(episodes, action_counts)
    return plays.joined() if across_episodes else plays


def _seated(
    env: ParallelEnv[Any, Any, Any],
    learners: Mapping[Any, Any],
    action_counts: list[int],
    seed: int,
    episodes_per_run: int,
) -> Sequence[Party]:
    """Agents of a model together, where its first agent sits; everybody else alone."""
    recipes = {agent: learner for agent, learner in learners.items() if isinstance(learner, SB3)}
    parties: dict[int, Party] = {}
    if recipes:
        from agents.playing.sb3_party import seat_models  # where stable-baselines3 is needed

        parties.update(seat_models(env, recipes, seed, episodes_per_run))
    for place, (agent, learner) in enumerate(learners.items()):
        if agent not in recipes:
            others = [other for other in learners if other != agent]
            parties[place] = Single(learner, agent, place, action_counts[place], others)
    return [parties[place] for place in sorted(parties)]


def _play_episode(
    env: ParallelEnv[Any, Any, Any], parties: Sequence[Party], action_counts: list[int], seed: int, number: int
) -> Episode:
    decisions = decisions_of(seed, number)
    num_uniforms = max(party.num_uniforms for party in parties)
    places = {agent: place for place, agent in enumerate(env.possible_agents)}
    observations, _ = env.reset(seed=env_seed_of(seed, number))
    episode = Episode([], [], [])
    while env.agents:
        uniforms = decisions.random((len(places), num_uniforms))
        playing = [agent for agent in places if agent in env.agents]
        seen = {agent: observations[agent] for agent in playing}
        decided: dict[Any, Any] = {}
        for party in parties:
            decided.update(party.decide(seen, uniforms))
        chosen = {agent: int(decided[agent][0]) for agent in playing}
        outcome = Outcome(*env.step(chosen))
        for party in parties:
            party.hear(seen, chosen, outcome)
        observations = outcome.observations
        _record(episode, places, max(action_counts), decided, outcome.rewards)
    return episode


def _record(
    episode: Episode, places: Mapping[Any, int], width: int, decided: Mapping[Any, Any], rewards: Mapping[Any, float]
) -> None:
    actions = np.full(len(places), MISSING)
    payoffs, choice_probs = np.full(len(places), np.nan), np.full((len(places), width), np.nan)
    for agent, (action, probs) in decided.items():
        place = places[agent]
        actions[place], payoffs[place] = action, rewards[agent]
        choice_probs[place, : np.size(probs) if np.ndim(probs) else width] = probs
    episode.actions.append(actions)
    episode.payoffs.append(payoffs)
    episode.choice_probs.append(choice_probs)


def _stacked(episodes: list[Episode], action_counts: list[int]) -> Plays:
    lengths = np.array([len(episode.actions) for episode in episodes])
    plays = Plays.blank(len(episodes), lengths.max(), action_counts)
    for e, episode in enumerate(episodes):
        plays.actions[e, : lengths[e]] = episode.actions
        plays.payoffs[e, : lengths[e]] = episode.payoffs
        plays.choice_probs[e, : lengths[e]] = episode.choice_probs
    plays.lengths[:] = lengths
    return plays
