"""`diml envs`."""

from __future__ import annotations

import csv
import sys

import click

from diml_inverse.cli.games import GAMES, make, sentence


@click.command()
def command() -> None:
    """List the registered games with their default sizes, as CSV.

    \b
    Example:
      diml envs
    """
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["env_id", "num_agents", "num_actions", "max_cycles", "about"])
    for env_id in GAMES:
        env = make(env_id, {})
        rows.writerow([env_id, len(env.possible_agents), max(env.action_counts), env.max_cycles, sentence(env_id)])
