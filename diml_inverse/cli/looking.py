"""The work of `diml inspect`, and the look that `diml fit` takes first."""

from __future__ import annotations

from pathlib import Path

import click

from diml_envs.traces import Traces
from diml_inverse.cli.options import Columns
from diml_inverse.cli.output import note
from diml_inverse.inspection import Inspection, inspect


def look(plays: Path, columns: Columns, payoff_column: str | None, traces: Traces | None = None) -> Inspection:
    """The inspection of a file; traces: what was read of it, if it was."""
    if plays.suffix.lower() == ".nc":
        return inspect(plays if traces is None else traces)
    return inspect(plays, payoff_column, **columns.reading())


def look_first(plays: Path, columns: Columns, payoff_column: str | None, traces: Traces, mechanism: str) -> None:
    """Tell the person at the terminal what a look at the play finds.

    Raises:
        click.ClickException: a fit makes no sense, and its form was not asked for by name.
    """
    for finding in look(plays, columns, payoff_column, traces).findings:
        if finding.severity == "unusable" and (mechanism == "auto" or finding.kind == "single_rounds"):
            option = f" ({finding.option})" if finding.option else ""
            raise click.ClickException(f"{plays}: {finding.message}. {finding.remedy}{option}")
        note(str(finding))


def tell(plays: Path, columns: Columns, payoff_column: str | None, json: bool) -> int:
    """Print the inspection of a file; the exit code."""
    found = look(plays, columns, payoff_column)
    click.echo(found.to_json() if json else str(found))
    return found.exit_code
