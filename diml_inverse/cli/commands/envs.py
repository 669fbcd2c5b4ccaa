"""`diml envs`."""

from __future__ import annotations

import csv
import sys

import click

from diml_envs.games.registration import GAMES


@click.command()
def command() -> None:
    """List the registered games with their default sizes, as CSV.

    \b
    Example:
      diml envs
    """
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["env_id", "num_agents", "num_actions", "max_cycles", "about"])
    for name, game in GAMES.items():
        rows.writerow([f"diml/{name}_v0", *game])
