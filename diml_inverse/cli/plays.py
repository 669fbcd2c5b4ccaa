"""Recorded play from a file: traces, the columns that only the command line looks at, and what a look at it finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd

from diml_envs.traces import Label, Traces
from diml_envs.traces.delimited import dialect_of
from diml_inverse.cli.commands.changes import option_of
from diml_inverse.cli.options import Columns
from diml_inverse.cli.output import check_is_file, note
from diml_inverse.inspection import Inspection, inspect
from diml_inverse.inspection.scripts import repeated_moves
from diml_inverse.plugins import nearest


def read_plays(path: Path, columns: Columns) -> Traces:
    """Traces from a file by its ending.

    Raises:
        click.ClickException: no such file, or not readable as what its ending says, named.
    """
    check_is_file(path)
    if path.suffix.lower() == ".nc":
        for change in columns.changes:
            raise click.ClickException(f"{path}: {option_of(change)} is for CSV and Parquet files, which say no more")
        traces = Traces.load(path)
        return traces.replace(given=columns.given) if columns.given else traces
    try:
        return Traces.load(path, **columns.reading())
    except ValueError as error:
        why = inspect(path, **columns.reading()).findings[0]
        if why.kind == "unreadable":
            raise
        raise click.ClickException(f"{path}: {why.message}. {why.remedy} ({why.option})") from error


def read_column(path: Path, name: str, columns: Columns, option: str) -> pd.DataFrame:
    """The label columns as text, and the column `name` as it is.

    Raises:
        click.ClickException: not a table, or no such column.
    """
    # Nullable types, so that an empty cell does not make floats of whole numbers; text such as "NA" stays text.
    if path.suffix.lower() == ".csv":
        dialect = dialect_of(path, [*columns.labels(), name])
        frame = pd.read_csv(
            path,
            sep=dialect.delimiter,
            encoding=dialect.encoding,
            decimal=dialect.decimal,
            dtype={} if columns.agent is None else {columns.agent: "string"},
            dtype_backend="numpy_nullable",
            keep_default_na=False,
            na_values=[""],
        )
    elif path.suffix.lower() == ".parquet":
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    else:
        raise click.ClickException(f"{option} needs a .csv or .parquet file; got {path}")
    if name not in frame:
        raise click.ClickException(f"{path} has no column {name!r}; {nearest(name, frame.columns)}")
    frame = columns.mended(frame)
    labels = [column for column in columns.labels() if column != name and column in frame]
    return frame[[*labels, name]].astype(dict.fromkeys(labels, "string"))


def groups_of(path: Path, name: str, columns: Columns, traces: Traces) -> dict[str, Traces]:
    """The episodes of each value of a column, in the order of the values.

    Raises:
        click.ClickException: the column changes, or is empty, within an episode.
    """
    frame = read_column(path, name, columns, "--group-column")
    values = frame.groupby(source_labels(frame, columns))[name]
    changing = values.nunique(dropna=False)
    if (changing > 1).any():
        raise click.ClickException(f"column {name!r} changes within episode {changing.idxmax()!r}")
    value_of = values.first()
    if value_of.isna().any():
        raise click.ClickException(f"column {name!r} is empty in episode {value_of.isna().idxmax()!r}")
    of_episode = [value_of[str(label)] for label in sources_of(traces, columns)]
    return {
        str(value): traces[[i for i, found in enumerate(of_episode) if found == value]]
        for value in sorted(set(of_episode))
    }


def source_labels(frame: pd.DataFrame, columns: Columns) -> pd.Series[str]:
    """Of each row, what `sources_of` calls the episodes that come from it, as text."""
    label = frame[columns.episode].astype("string")
    if columns.other is not None and columns.match is None:  # each person's rows are an episode
        label = label + "/" + frame[columns.person or ""].astype("string")
    return label


def sources_of(traces: Traces, columns: Columns) -> tuple[Label, ...]:
    """Of each episode its label or, where matches make the episodes, its session's: what the file's column says."""
    if columns.match is None or traces.sessions is None:
        return traces.episodes
    return tuple(traces.session_labels[session] for session in traces.sessions)


def check_numbers(frame: pd.DataFrame, name: str) -> None:
    """Raise a click error unless the column holds finite numbers (empty cells allowed)."""
    if not pd.api.types.is_numeric_dtype(frame[name]):
        raise click.ClickException(f"column {name!r} must hold numbers; its type is {frame[name].dtype}")
    if np.isinf(frame[name].to_numpy(dtype=float, na_value=np.nan)).any():
        raise click.ClickException(f"column {name!r} must hold finite numbers; some are infinite")


def look(plays: Path, columns: Columns, payoff_column: str | None, traces: Traces | None = None) -> Inspection:
    """The inspection of a file; traces: what was read of it, if it was."""
    if plays.suffix.lower() == ".nc":
        return inspect(plays if traces is None else traces)
    return inspect(plays, payoff_column, **columns.reading())


def look_first(plays: Path, columns: Columns, payoff_column: str | None, traces: Traces, mechanism: str) -> Traces:
    """Tell the person at the terminal what a look at the play finds. The play, its scripts taken as given.

    Raises:
        click.ClickException: a fit makes no sense, and its form was not asked for by name.
    """
    found = look(plays, columns, payoff_column, traces)
    scripts = {f"--given {agent}" for agent in found.given}
    for finding in found.findings:
        if finding.severity == "unusable" and (mechanism == "auto" or finding.kind == "single_rounds"):
            option = f" ({finding.option})" if finding.option else ""
            raise click.ClickException(f"{plays}: {finding.message}. {finding.remedy}{option}")
        if finding.option not in scripts:
            note(str(finding))
    return scripts_given(traces, found.given)


def scripts_given(traces: Traces, scripts: Sequence[str] | None = None) -> Traces:
    """The play with agents who make the same moves in all its episodes taken as given, which is told.

    scripts: their names, where they are known.
    """
    found = repeated_moves(traces) if scripts is None else scripts
    new = [agent for agent in found if agent not in traces.given]
    if not new:
        return traces
    note(
        f"{', '.join(new)}: the same moves in all episodes, whatever the others do; taken as given, so that nothing is "
        "fitted to them, and the verdict leaves them out"
    )
    return traces.replace(given=[*traces.given, *new])


def tell(plays: Path, columns: Columns, payoff_column: str | None, json: bool) -> int:
    """Print the inspection of a file; the exit code."""
    found = look(plays, columns, payoff_column)
    click.echo(found.to_json() if json else str(found))
    return found.exit_code
