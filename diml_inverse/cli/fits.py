"""The work of `diml fit`: the fits of a file, group by group."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd

from diml_envs.traces import Traces
from diml_inverse.cli.candidates import learners_asked_for
from diml_inverse.cli.ending import ends_early
from diml_inverse.cli.fitting import Fit, fit_plays
from diml_inverse.cli.options import Columns
from diml_inverse.cli.output import new_folder, note
from diml_inverse.cli.plays import groups_of, look_first, read_column, read_plays, scripts_given
from diml_inverse.cli.truth import Truth, truth_from_payoffs, truth_of
from diml_inverse.files import FACTS
from diml_inverse.recovered.course import Course


def fit(
    plays: Path,
    output: Path,
    mechanism: str,
    learners: str,
    seed: int,
    group_column: str | None,
    payoff_column: str | None,
    overwrite: bool,
    no_errors: bool,
    time_limit: float | None,
    columns: Columns,
    **parameters: float | None,
) -> None:
    """Fit the play in a file, or each group of it; keep and print what was found. The arguments are the command's."""
    traces = read_plays(plays, columns)
    if max(traces.action_counts) == 1:
        raise click.ClickException(f"{plays}: no agent ever chose between actions, so there is nothing to recover")
    traces = look_first(plays, columns, payoff_column, traces, mechanism)
    groups = groups_of(plays, group_column, columns, traces) if group_column else {"": traces}
    groups = {group: scripts_given(part) for group, part in groups.items()}
    truths = {group: _truth(plays, payoff_column, columns, part) for group, part in groups.items()}
    known = learners_asked_for(learners, parameters, traces)
    settings = {"plays": str(plays), "group_column": group_column, "payoff_column": payoff_column}
    names = _folder_names(groups) if group_column else None
    course = Course(time_limit or math.inf, progress=True)
    fits: dict[str, Fit] = {}
    for group, part in groups.items():
        if fits and course.over:
            note(f"not fitted ({course.why}): {group_column} {', '.join(list(groups)[len(fits) :])}")
            break
        if group_column:
            note(f"{group_column} {group}: {len(part)} episodes")
        facts = settings | {"group": group or None}
        with ends_early(course):
            found = fit_plays(part, mechanism, known, seed, truths[group], facts)
        # At once: what comes now may take longer than the fit, or be broken off.
        _keep(found, output, group, names, group_column, errors="not computed", pictures=False)
        judged = found.judged()
        why = "not asked for (--no-errors)" if no_errors else course.why if course.over else ""
        fits[group] = _keep(judged, output, group, names, group_column, errors=why)
    _print(fits, output, group_column)
    if course.interrupted:
        raise KeyboardInterrupt


def _truth(plays: Path, payoff_column: str | None, columns: Columns, traces: Traces) -> Truth | None:
    if payoff_column is None:
        return truth_of(traces)
    frame = read_column(plays, payoff_column, columns, "--payoff-column")
    return truth_from_payoffs(frame, payoff_column, columns, traces)


def _keep(
    fit: Fit, output: Path, group: str, names: Mapping[str, str] | None, group_column: str | None, **how: Any
) -> Fit:
    """Write the fit's folder, or that of its group in the folder of all; a former result goes with the first of them.

    What `Fit.save` gives.

    names: of the groups' folders. how: as `Fit.save` takes it.
    """
    if names is None:
        with new_folder(output) as folder:
            return fit.save(folder, **how)
    if group == next(iter(names)) and not how.get("pictures", True):
        with new_folder(output) as folder:
            saved = fit.save(folder / names[group], **how)
            (folder / FACTS).write_text(json.dumps({"group_column": group_column, "groups": names}, indent=2) + "\n")
            return saved
    with new_folder(output / names[group]) as folder:
        return fit.save(folder, **how)


def _folder_names(groups: Iterable[str]) -> dict[str, str]:
    """By group, no two alike, also where the file system takes capitals for small letters."""
    names: dict[str, str] = {}
    for group in groups:
        name, taken = _folder_name(group), {other.lower() for other in names.values()}
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        names[group] = next(new for new in itertools.chain([name], numbered) if new.lower() not in taken)
    return names


def _folder_name(group: str) -> str:
    return re.sub(r"[^\w+=.-]", "_", group).lstrip(".") or "_"


def _print(fits: Mapping[str, Fit], output: Path, group_column: str | None) -> None:
    rows = {group: fit.rows_to_print() for group, fit in fits.items()}
    if group_column is not None:
        for group, part in rows.items():
            part.insert(0, group_column, group)
    click.echo(pd.concat(rows.values()).to_csv(index=False, float_format="%.4g"), nl=False)
    note(f"everything is in {output}")
