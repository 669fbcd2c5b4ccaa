"""One episode after the other through PettingZoo's parallel API: any env, anything that can act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from tqdm import tqdm

from agents.plays import Plays
from agents.randomness import decisions_of, env_seed_of
from diml_envs.mechanisms.base import MISSING
from diml_envs.players import Player, make_player

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
    players = {
        agent: make_player(learner, str(agent), count)
        for (agent, learner), count in zip(learners.items(), action_counts, strict=True)
    }
    episodes = []
    for number in tqdm(range(num_episodes), disable=not progress, desc="episodes"):
        if not across_episodes:
            for player in players.values():
                player.start()
        episodes.append(_play_episode(env, players, max(action_counts), seed, number))
    plays = _stacked(episodes, action_counts)
    return plays.joined() if across_episodes else plays


def _play_episode(
    env: ParallelEnv[Any, Any, Any], players: Mapping[Any, Player], width: int, seed: int, number: int
) -> Episode:
    decisions = decisions_of(seed, number)
    num_uniforms = max(player.num_uniforms for player in players.values())
    observations, _ = env.reset(seed=env_seed_of(seed, number))
    episode = Episode([], [], [])
    while env.agents:
        uniforms = decisions.random((len(players), num_uniforms))
        playing = {agent: place for place, agent in enumerate(players) if agent in env.agents}
        actions = np.full(len(players), MISSING)
        payoffs, choice_probs = np.full(len(players), np.nan), np.full((len(players), width), np.nan)
        for agent, place in playing.items():
            action, probs = players[agent].decide(observations[agent], uniforms[place])
            actions[place] = action
            choice_probs[place, : np.size(probs) if np.ndim(probs) else width] = probs
        chosen = {agent: int(actions[place]) for agent, place in playing.items()}
        next_observations, rewards, _, _, infos = env.step(chosen)
        for agent, place in playing.items():
            payoffs[place] = rewards[agent]
            players[agent].hear(
                observations[agent], chosen[agent], payoffs[place], next_observations[agent], infos[agent]
            )
        observations = next_observations
        episode.actions.append(actions)
        episode.payoffs.append(payoffs)
        episode.choice_probs.append(choice_probs)
    return episode


def _stacked(episodes: list[Episode], action_counts: list[int]) -> Plays:
    lengths = np.array([len(episode.actions) for episode in episodes])
    plays = Plays.blank(len(episodes), lengths.max(), action_counts)
    for e, episode in enumerate(episodes):
        plays.actions[e, : lengths[e]] = episode.actions
        plays.payoffs[e, : lengths[e]] = episode.payoffs
        plays.choice_probs[e, : lengths[e]] = episode.choice_probs
    plays.lengths[:] = lengths
    return plays
