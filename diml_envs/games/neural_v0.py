"""Payoffs without structure: a random network over all agents' actions."""

from __future__ import annotations

from typing import Unpack

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.making import EnvOptions, aec_constructor, make_game
from diml_envs.games.seat import seat_constructor
from diml_envs.mechanisms.neural import NeuralMechanism


def parallel_env(
    num_agents: int = 3, num_actions: int = 6, mechanism_seed: int = 0, **options: Unpack[EnvOptions]
) -> RepeatedGameEnv:
    """A random network pays; the paper's first experiment by default.

    Args:
        num_agents: N, 2 or more.
        num_actions: number of actions of each agent.
        mechanism_seed: draws the hidden payoffs; see `NeuralMechanism.random`.
        **options: settings of `RepeatedGameEnv`: max_cycles (default 60), feedback, observation,
            payoff_noise, render_mode.
    """
    mechanism = NeuralMechanism.random(num_agents, num_actions, seed=mechanism_seed)
    kwargs = {"num_agents": num_agents, "num_actions": num_actions, "mechanism_seed": mechanism_seed}
    return make_game("neural", mechanism, kwargs, options)


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
