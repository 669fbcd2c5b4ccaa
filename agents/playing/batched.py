"""All episodes side by side: a Python loop over rounds, everything else vectorised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from agents.playing.plays import Plays
from agents.playing.randomness import decisions_of, env_seed_of
from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.players import Feedback, sees_others
from diml_envs.mechanisms.base import MISSING

FloatArray = NDArray[np.float64]


class Group:
    """Agents that share a learner and a number of actions: one batch, so that no padding reaches the learner.

    Args:
        learner: the one they share.
        num_actions: of each of them.
        places: their places among the env's agents, ascending.
    """

    def __init__(self, learner: Any, num_actions: int, places: list[int]) -> None:
        self.learner, self.num_actions = learner, num_actions
        self.num_uniforms = learner.uniforms_per_decision(num_actions)
        self.size = len(places)
        self.sees_others = sees_others(learner)
        consecutive = places[-1] - places[0] == len(places) - 1
        self.places: Any = slice(places[0], places[-1] + 1) if consecutive else np.array(places)

    def start(self, num_episodes: int) -> None:
        """Forget all play."""
        self.state = self.learner.start((num_episodes, self.size), self.num_actions)

    def decide(self, seen: NDArray[np.float32] | None, uniforms: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Actions [E, n] and their probabilities [E, n, A_i]. uniforms: of all agents, [E, N, k]."""
        return self.learner.decide(self.state, self._own(seen), uniforms[:, self.places, : self.num_uniforms])

    def hear(
        self,
        actions: NDArray[np.int64],
        payoffs: FloatArray,
        counterfactual_payoffs: FloatArray,
        seen: NDArray[np.float32] | None,
        seen_next: NDArray[np.float32] | None,
        others: NDArray[np.int64] | None = None,
        last: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn from the round, given for all agents; others [E, N, n - 1] and last [E, N] are of play in matches."""
        full = self.learner.feedback == "full"
        told = Feedback(
            actions[:, self.places],
            payoffs[:, self.places],
            counterfactual_payoffs[:, self.places, : self.num_actions] if full else None,
            self._own(seen),
            self._own(seen_next),
            self._others(actions, others) if self.sees_others else None,
            None if last is None else last[:, self.places],
        )
        self.state = self.learner.update(self.state, told)

    def _others(self, actions: NDArray[np.int64], others: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """All actions [E, N] but each one's own -> [E, n, N - 1], or those told."""
        if others is not None:
            return others[:, self.places]
        every = np.arange(actions.shape[1])
        return actions[:, [np.delete(every, place) for place in every[self.places]]]

    def _own(self, seen: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        return seen[:, self.places] if seen is not None and self.learner.uses_observation else None


def play_batched(
    env: RepeatedGameEnv,
    learners: Mapping[str, Any],
    action_counts: list[int],
    num_episodes: int,
    seed: int,
    across_episodes: bool,
    progress: bool,
) -> Plays:
    """See `agents.rollout`. What is learned across episodes is played one episode at a time."""
    groups = groups_of_learners(list(learners.values()), action_counts)
    plays = Plays.blank(num_episodes, env.max_cycles, action_counts)
    size = 1 if across_episodes else num_episodes
    with tqdm(total=num_episodes * env.max_cycles, disable=None if progress else True, desc="rounds") as bar:
        for first in range(0, num_episodes, size):
            if first == 0 or not across_episodes:
                for group in groups:
                    group.start(size)
            for _ in _play_rounds(env, groups, plays, range(first, first + size), seed):
                bar.update(size)
    return plays.joined() if across_episodes else plays


def groups_of_learners(learners: list[Any], action_counts: list[int]) -> list[Group]:
    """One for each learner and number of actions."""
    members: dict[tuple[int, int], list[int]] = {}
    for place, (learner, count) in enumerate(zip(learners, action_counts, strict=True)):
        members.setdefault((id(learner), count), []).append(place)
    return [Group(learners[places[0]], count, places) for (_, count), places in members.items()]


def _play_rounds(env: RepeatedGameEnv, groups: list[Group], plays: Plays, episodes: range, seed: int) -> Iterator[int]:
    """Play `episodes` side by side and record them, yielding after each round."""
    num_uniforms = max(group.num_uniforms for group in groups)
    uniforms, noise = _draws(env, episodes, seed, num_uniforms)
    rows = slice(episodes.start, episodes.stop)
    observed = any(group.learner.uses_observation for group in groups)
    num_agents = len(env.action_counts)
    actions = np.full((len(episodes), num_agents), MISSING)
    seen = env.observations(actions) if observed else None
    for t in range(env.max_cycles):
        actions = np.empty((len(episodes), num_agents), np.int64)
        for group in groups:
            chosen, choice_probs = group.decide(seen, uniforms[:, t])
            actions[:, group.places] = chosen
            plays.choice_probs[rows, t, group.places, : group.num_actions] = choice_probs
        payoffs = env.payoff_lookup(actions)
        if noise is not None:
            payoffs = payoffs + noise[:, t]
        own = payoffs.reshape(-1, payoffs.shape[-1])[np.arange(actions.size), actions.ravel()].reshape(actions.shape)
        seen_next = env.observations(actions) if observed else None
        for group in groups:
            group.hear(actions, own, payoffs, seen, seen_next)
        plays.actions[rows, t], plays.payoffs[rows, t], seen = actions, own, seen_next
        yield t


def _draws(env: RepeatedGameEnv, episodes: range, seed: int, num_uniforms: int) -> tuple[FloatArray, FloatArray | None]:
    """Uniforms [E, T, N, k] of all decisions, and the payoff noise [E, T, N, A] if there is any."""
    shape = (env.max_cycles, len(env.action_counts), num_uniforms)
    uniforms = np.stack([decisions_of(seed, episode).random(shape) for episode in episodes])
    if not env.payoff_noise:
        return uniforms, None
    worlds = [np.random.default_rng(env_seed_of(seed, episode)) for episode in episodes]
    return uniforms, np.stack([env.draw_noise(world, env.max_cycles) for world in worlds])
