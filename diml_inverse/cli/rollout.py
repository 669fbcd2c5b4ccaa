"""`diml rollout`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import click

import agents
from diml_inverse import plugins
from diml_inverse.cli.games import GAMES, accepted_settings, make
from diml_inverse.cli.output import check_new_file, note
from diml_inverse.cli.settings import check_name, parse_settings

LEARNERS: dict[str, type[agents.Learner[Any]]] = {
    "logit-q": agents.LogitQ,
    "q-learning": agents.QLearning,
    "epsilon-greedy": agents.EpsilonGreedy,
    "softmax": agents.Softmax,
    "ucb1": agents.UCB1,
    "exp3": agents.EXP3,
    "thompson-sampling": agents.ThompsonSampling,
    "gradient-bandit": agents.GradientBandit,
    "hedge": agents.Hedge,
    "ewa": agents.EWA,
    "fictitious-play": agents.FictitiousPlay,
    "regret-matching": agents.RegretMatching,
    "uniform": agents.Uniform,
}
ENDINGS = (".nc", ".csv", ".parquet")


@click.command()
@click.argument("env_id")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help=f"File: {', '.join(ENDINGS)}.")
@click.option("--episodes", type=click.IntRange(1), default=60, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the play.")
@click.option("--set", "env_pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the game; may be repeated.")
@click.option(
    "--learner",
    default="logit-q",
    show_default=True,
    help=f"Who plays: {', '.join(LEARNERS)}, an installed plug-in, or FILE.py:NAME.",
)
@click.option("--learner-set", "learner_pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the learner.")
@click.option("--overwrite", is_flag=True, help="Replace the file if there is one.")
def command(
    env_id: str,
    output: Path,
    episodes: int,
    seed: int,
    env_pairs: tuple[str, ...],
    learner: str,
    learner_pairs: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Let learning agents play the game ENV_ID (see `diml envs`) and record their actions.

    The file holds what was done, by whom, in what and with which seed; never what was earned.

    \b
    Examples:
      diml rollout diml/congestion_v0 --episodes 60 --seed 0 -o plays.nc
      diml rollout diml/neural_v0 --set num_agents=4 --set mechanism_seed=3 \\
          --learner hedge --learner-set precision=.5 -o plays.csv
    """
    check_name(env_id, GAMES, "game")
    recipe = plugins.find(learner, plugins.LEARNERS, LEARNERS)
    if output.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"the name of the output must end in {', '.join(ENDINGS)}; got {str(output)!r}")
    check_new_file(output, overwrite)
    env = make(env_id, parse_settings(env_pairs, accepted_settings(env_id), "--set"))
    player_settings = parse_settings(learner_pairs, _accepted(recipe), "--learner-set")
    player = plugins.build(recipe, player_settings, learner, plugins.LEARNERS)
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
