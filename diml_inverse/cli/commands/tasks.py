"""`diml tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diml_inverse.cli.options import human_play_option


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--export",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the task as files: seen/ is for the method, truth/ is not.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of what is exported.")
@human_play_option
def command(**asked: Any) -> None:
    """List the benchmark's tasks, or those of NAMES, as CSV; NAMES may be patterns, or suites.

    Columns: task, the suites that have it, agents, actions, whether estimators are told how the agents learn (known or
    unknown), the metric it is judged by first, and a sentence.

    --export writes one task as files, for a method that is not written in Python. `diml score` judges its answers.

    \b
    Examples:
      diml tasks core
      diml tasks congestion-small-v0 --export congestion/ --seed 0
    """
    if asked["export"] is not None and len(asked["names"]) != 1:
        raise click.UsageError("--export takes the name of one task")
    from diml_inverse.cli.listing import list_tasks  # late: torch takes seconds to load

    list_tasks(**asked)
