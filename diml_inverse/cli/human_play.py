"""The option that says where recorded human play is."""

from __future__ import annotations

from pathlib import Path

import click

human_play_option = click.option(
    "--human-play",
    envvar="DIML_HUMAN_PLAY",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of human plays (inspection_game/, repeated_pd/, each with plays.csv and truth.json), which are "
    "no part of this program; without it those tasks are skipped.  [variable: DIML_HUMAN_PLAY]",
)
