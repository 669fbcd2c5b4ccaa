"""`diml rollout`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse import plugins
from diml_inverse.cli.output import check_new_file
from diml_inverse.cli.settings import check_name

LEARNERS = {
    "logit-q": "LogitQ",
    "q-learning": "QLearning",
    "sarsa": "SARSA",
    "expected-sarsa": "ExpectedSARSA",
    "epsilon-greedy": "EpsilonGreedy",
    "softmax": "Softmax",
    "ucb1": "UCB1",
    "exp3": "EXP3",
    "thompson-sampling": "ThompsonSampling",
    "gradient-bandit": "GradientBandit",
    "hedge": "Hedge",
    "ewa": "EWA",
    "fictitious-play": "FictitiousPlay",
    "regret-matching": "RegretMatching",
    "uniform": "Uniform",
}
ENDINGS = (".nc", ".csv", ".parquet")


@click.command()
@click.argument("env_id")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help=f"File: {', '.join(ENDINGS)}.")
@click.option("--episodes", type=click.IntRange(1), default=60, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the play.")
@click.option("--set", "env_pairs", multiple=True, metavar="NAME=VALUE", help="A setting of the game; may be repeated.")
@click.option(
    "--learner",
    default="logit-q",
    show_default=True,
    help=f"Who plays: {', '.join(LEARNERS)}, an installed plug-in, or FILE.py:NAME.",
)
@click.option(
    "--learner-set",
    "learner_pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the learner; may be repeated.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if there is one.")
def command(env_id: str, learner: str, output: Path, overwrite: bool, **asked: Any) -> None:
    """Let learning agents play the game ENV_ID (see `diml envs`) and record their actions.

    The file holds the agents' actions, and which game, learners and seed they come from. It never holds what was
    earned.

    \b
    Examples:
      diml rollout diml/congestion_v0 --episodes 60 --seed 0 -o plays.nc
      diml rollout diml/neural_v0 --set num_agents=4 --set mechanism_seed=3 \\
          --learner hedge --learner-set precision=.5 -o plays.csv
    """
    from diml_envs.games.registration import GAMES  # late, as below

    check_name(env_id, [f"diml/{game}_v0" for game in GAMES], "game")
    recipe = plugins.find(learner, plugins.LEARNERS, LEARNERS)
    if output.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"the name of the output must end in {', '.join(ENDINGS)}; got {str(output)!r}")
    check_new_file(output, overwrite)
    from diml_inverse.cli.playing import play  # late: torch takes seconds to load

    play(env_id, recipe, learner, output=output, **asked)
