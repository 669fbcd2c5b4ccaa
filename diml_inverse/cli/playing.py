"""The work of `diml rollout`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import click

import agents
from diml_inverse import plugins
from diml_inverse.cli.games import accepted_settings, make
from diml_inverse.cli.output import note
from diml_inverse.cli.settings import parse_settings


def play(
    env_id: str,
    recipe: Callable[..., Any] | str,
    learner: str,
    output: Path,
    episodes: int,
    seed: int,
    env_pairs: tuple[str, ...],
    learner_pairs: tuple[str, ...],
) -> None:
    """Let learners play a registered game and keep what they did.

    Args:
        env_id: of the game.
        recipe: what makes a learner; a text is the name of one of `agents`.
        learner: its name, for messages.
        output, episodes, seed, env_pairs, learner_pairs: of the command.
    """
    factory = getattr(agents, recipe) if isinstance(recipe, str) else recipe
    env = make(env_id, parse_settings(env_pairs, accepted_settings(env_id), "--set"))
    player_settings = parse_settings(learner_pairs, _accepted(factory), "--learner-set")
    player = plugins.build(factory, player_settings, learner, plugins.LEARNERS)
    try:
        played = agents.rollout(env, player, num_episodes=episodes, seed=seed, progress=True)
    except TypeError as error:  # a plug-in that is no player
        raise click.ClickException(f"learner {learner!r}: {error}") from error
    output.parent.mkdir(parents=True, exist_ok=True)
    played.traces.save(output)
    note(f"{output}: {episodes} episodes of {env.max_cycles} rounds by {len(env.possible_agents)} agents")


def _accepted(recipe: Callable[..., Any]) -> dict[str, Any]:
    """Names of a learner's settings, and their type hints where it has some."""
    hints = get_type_hints(recipe)
    return {name: hints.get(name, Any) for name in inspect.signature(recipe).parameters}
