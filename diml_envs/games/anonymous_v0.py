"""A crowd: only the own action and the shares of the others' actions matter."""

from __future__ import annotations

from typing import Unpack

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.making import EnvOptions, aec_constructor, make_game
from diml_envs.games.seat import seat_constructor
from diml_envs.mechanisms.anonymous import AnonymousMechanism


def parallel_env(
    num_agents: int = 40, num_actions: int = 10, mechanism_seed: int = 0, **options: Unpack[EnvOptions]
) -> RepeatedGameEnv:
    """A random network of own action and the others' shares; the smallest of the paper's large games by default.

    Args:
        num_agents: N, 2 or more.
        num_actions: number of actions of each agent.
        mechanism_seed: draws the hidden payoffs; see `AnonymousMechanism.random`.
        **options: settings of `RepeatedGameEnv`: max_cycles (default 30), feedback, observation (default "counts"),
            payoff_noise, render_mode.
    """
    mechanism = AnonymousMechanism.random(num_agents, num_actions, seed=mechanism_seed)
    kwargs = {"num_agents": num_agents, "num_actions": num_actions, "mechanism_seed": mechanism_seed}
    return make_game("anonymous", mechanism, kwargs, {"max_cycles": 30, "observation": "counts", **options})


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
