"""`diml inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from diml_inverse.cli.options import Columns, column_options
from diml_inverse.cli.output import check_is_file


@click.command()
@click.argument("plays", type=click.Path(path_type=Path))
@click.option("--payoff-column", help="Column of recorded payoffs: do agents seek or avoid them?")
@click.option("--json", is_flag=True, help="Print an object with read, findings, given and exit_code.")
@column_options
@click.pass_context
def command(ctx: click.Context, plays: Path, payoff_column: str | None, json: bool, columns: Columns) -> None:
    """Look at the play in PLAYS, a .nc, .csv or .parquet file, before a fit; nothing is changed.

    Prints what was read (episodes, rounds, agents, how often each took which action, what is missing) and then the
    findings in order of weight, a line each: what is the matter, what to do about it, and the option of `diml fit` that
    does it. `diml fit` takes the same look first.

    Exit codes: 0, nothing to decide; 1, something to decide before a fit; 2, no fit makes sense, or the file cannot be
    read.

    \b
    Examples:
      diml inspect plays.csv
      diml inspect plays.csv --payoff-column points --json
    """
    try:
        check_is_file(plays)
    except click.ClickException as error:
        error.show()
        raise SystemExit(2) from error  # 1 would say that there is something to decide
    from diml_inverse.cli.plays import tell  # late: torch takes seconds to load

    ctx.exit(tell(plays, columns, payoff_column, json))
