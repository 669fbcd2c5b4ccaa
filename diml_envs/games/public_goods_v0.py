"""Public goods with a subsidy: what one gives, all enjoy."""

from __future__ import annotations

from typing import Unpack

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.making import EnvOptions, aec_constructor, make_game
from diml_envs.games.seat import seat_constructor
from diml_envs.mechanisms.public_goods import PublicGoodsMechanism


def parallel_env(
    num_agents: int = 3, num_actions: int = 7, mechanism_seed: int = 0, **options: Unpack[EnvOptions]
) -> RepeatedGameEnv:
    """Actions are levels of contribution; the paper's third experiment by default.

    Args:
        num_agents: N, 2 or more.
        num_actions: levels from 0 to 1, evenly spaced.
        mechanism_seed: draws the hidden payoffs; see `PublicGoodsMechanism.random`.
        **options: settings of `RepeatedGameEnv`: max_cycles (default 60), feedback, observation,
            payoff_noise, render_mode.
    """
    mechanism = PublicGoodsMechanism.random(num_agents, num_actions, seed=mechanism_seed)
    kwargs = {"num_agents": num_agents, "num_actions": num_actions, "mechanism_seed": mechanism_seed}
    return make_game("public_goods", mechanism, kwargs, options)


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
