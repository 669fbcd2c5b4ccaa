"""The games under their ids, for `pettingzoo.make` and `gymnasium.make`, and what their modules have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypedDict

import gymnasium
import pettingzoo
from pettingzoo.utils.conversions import parallel_to_aec

from diml_envs.games.env import RepeatedGameEnv
from diml_envs.mechanisms.base import Mechanism

GAMES = ("neural", "congestion", "public_goods", "anonymous", "auction", "matrix")


class EnvOptions(TypedDict, total=False):
    """What every game's constructor takes besides its mechanism; see `RepeatedGameEnv`."""

    max_cycles: int
    feedback: str
    observation: str
    payoff_noise: float
    render_mode: str | None


def register_games() -> None:
    """Register `diml/<game>_v0` with PettingZoo (parallel and aec) and `diml/<Game>-v0` with Gymnasium."""
    for game in GAMES:
        module = f"diml_envs.games.{game}_v0"
        pettingzoo.register("parallel", f"diml/{game}_v0", entry_point=f"{module}:parallel_env")
        pettingzoo.register("aec", f"diml/{game}_v0", entry_point=f"{module}:env")
        name = game.title().replace("_", "")
        gymnasium.register(f"diml/{name}-v0", entry_point=f"{module}:seat_env")


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
