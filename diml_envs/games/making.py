"""What the modules of the registered games have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypedDict

import pettingzoo
from pettingzoo.utils.conversions import parallel_to_aec

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.mechanisms.base import Mechanism


class EnvOptions(TypedDict, total=False):
    """What every game's constructor takes besides its mechanism; see `RepeatedGameEnv`."""

    max_cycles: int
    feedback: str
    observation: str
    payoff_noise: float
    render_mode: str | None


def make_game(game: str, mechanism: Mechanism, kwargs: dict[str, Any], options: EnvOptions) -> RepeatedGameEnv:
    """The env of a registered game. kwargs: what made the mechanism, for the env's description."""
    env = RepeatedGameEnv(mechanism, description={"env": f"diml/{game}_v0", "kwargs": kwargs}, **options)
    env.metadata = {**env.metadata, "name": f"{game}_v0"}
    return env


def aec_constructor(parallel_env: Callable[..., RepeatedGameEnv]) -> Callable[..., pettingzoo.AECEnv]:
    """The same game for PettingZoo's AEC API, order of calls enforced."""

    @functools.wraps(parallel_env, assigned=("__module__", "__doc__"))
    def env(*args: Any, **kwargs: Any) -> pettingzoo.AECEnv:
        return parallel_to_aec(parallel_env(*args, **kwargs))

    return env
