"""The registered games, as the command line names them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

import pettingzoo

from diml_envs.games import making, registration
from diml_envs.games.env import RepeatedGameEnv

GAMES = {f"diml/{game}_v0": f"diml_envs.{game}_v0" for game in registration.GAMES}


def make(env_id: str, settings: Mapping[str, Any]) -> RepeatedGameEnv:
    """The registered game with these keyword arguments."""
    env = pettingzoo.make("parallel", env_id, **settings)
    assert isinstance(env, RepeatedGameEnv)
    return env


def accepted_settings(env_id: str) -> dict[str, Any]:
    """Names and type hints of the game's keyword arguments."""
    constructor = importlib.import_module(GAMES[env_id]).parallel_env
    named = set(inspect.signature(constructor).parameters) - {"options"}
    own = {name: hint for name, hint in get_type_hints(constructor).items() if name in named}
    options = get_type_hints(making.EnvOptions)
    return own | {name: hint for name, hint in options.items() if name != "render_mode"}
