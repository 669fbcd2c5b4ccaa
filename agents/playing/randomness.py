"""Where a rollout's randomness comes from: the seed and the episode's number, nothing else.

So episode 7 is the same whether 8 or 800 are played, batched or stepped.
"""

from __future__ import annotations

import numpy as np


def decisions_of(seed: int, episode: int) -> np.random.Generator:
    """The generator of an episode's decisions.

    Decisions use it up round by round, within a round agent by agent in the env's order, a fixed number of uniforms
    each (the most that any agent needs), whether or not the agent is still playing.
    """
    return np.random.default_rng((seed, episode, 0))


def env_seed_of(seed: int, episode: int) -> int:
    """The seed of the env's `reset` in an episode, 31 bits: some envs take no more."""
    return int(np.random.SeedSequence((seed, episode, 1)).generate_state(1)[0] >> 1)


def model_seed_of(seed: int, episode: int, place: int) -> int:
    """The seed of a model that begins in an episode, its first agent in this place; 31 bits."""
    return int(np.random.SeedSequence((seed, episode, 2, place)).generate_state(1)[0] >> 1)
