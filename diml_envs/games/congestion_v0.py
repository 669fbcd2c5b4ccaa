"""Congestion with tolls: the more choose a resource, the less it pays."""

from __future__ import annotations

from typing import Unpack

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.making import EnvOptions, aec_constructor, make_game
from diml_envs.games.seat import seat_constructor
from diml_envs.mechanisms.congestion import CongestionMechanism


def parallel_env(
    num_agents: int = 4, num_actions: int = 5, mechanism_seed: int = 0, **options: Unpack[EnvOptions]
) -> RepeatedGameEnv:
    """Each action is a resource with its own cost of load and toll; the paper's second experiment by default.

    Args:
        num_agents: N, 2 or more.
        num_actions: the resources.
        mechanism_seed: draws the hidden payoffs; see `CongestionMechanism.random`.
        **options: settings of `RepeatedGameEnv`: max_cycles (default 60), feedback, observation,
            payoff_noise, render_mode.
    """
    mechanism = CongestionMechanism.random(num_agents, num_actions, seed=mechanism_seed)
    kwargs = {"num_agents": num_agents, "num_actions": num_actions, "mechanism_seed": mechanism_seed}
    return make_game("congestion", mechanism, kwargs, options)


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
