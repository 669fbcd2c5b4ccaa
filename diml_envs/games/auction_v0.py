"""A position auction: qualities, a reserve price and a rebate that bidders are not told."""

from __future__ import annotations

from typing import Unpack

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.games.making import EnvOptions, aec_constructor, make_game
from diml_envs.games.seat import seat_constructor
from diml_envs.mechanisms.auction import AuctionMechanism


def parallel_env(
    num_agents: int = 3, num_actions: int = 6, mechanism_seed: int = 0, **options: Unpack[EnvOptions]
) -> RepeatedGameEnv:
    """Actions are bids for advertising positions under a generalised second price.

    Args:
        num_agents: N, 2 or more.
        num_actions: bids, evenly spaced.
        mechanism_seed: draws the hidden payoffs; see `AuctionMechanism.random`.
        **options: settings of `RepeatedGameEnv`: max_cycles (default 60), feedback, observation,
            payoff_noise, render_mode.
    """
    mechanism = AuctionMechanism.random(num_agents, num_actions, seed=mechanism_seed)
    kwargs = {"num_agents": num_agents, "num_actions": num_actions, "mechanism_seed": mechanism_seed}
    return make_game("auction", mechanism, kwargs, options)


env = aec_constructor(parallel_env)
seat_env = seat_constructor(parallel_env)
