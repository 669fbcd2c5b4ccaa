"""The report's part on learners of every kind: learner x surrogate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from diml_inverse.benchmark.reports.tables import cell, markdown, shortfall
from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.tasks.learners import LEARNERS

TABLES = {
    "Payoff-difference error after the best rescaling, over that of knowing nothing": "payoff_difference_mse_rescaled",
    "Correlation of recovered and true payoff differences": "payoff_difference_correlation",
}


def learners_section(records: Sequence[Record], table: pd.DataFrame) -> str:
    """Tables with a row for each learner and a column for each surrogate; empty if no such task was run."""
    table = table[table["task"].isin(LEARNERS)]
    if table.empty:
        return ""
    parts = [
        "## Learner x surrogate\n\nNothing is known of how the agents learn. `auto` chooses the surrogate by held-out "
        "likelihood within the training episodes; the others assume one. Scale is not identified, so errors are those "
        "that the best multiple of the payoffs leaves."
    ]
    parts += [f"### {title}\n\n{_crossed(table, metric)}" for title, metric in TABLES.items()]
    lost = _crossed(shortfall(table), "shortfall")
    parts.append(f"### Test log-likelihood less that of the truth (nats per decision)\n\n{lost}")
    parts.append("### What `auto` chose\n\n" + _choices(records))
    return "\n\n".join(parts)


def _crossed(table: pd.DataFrame, metric: str) -> str:
    part = table[table["metric"] == metric]
    tasks = [task for task in LEARNERS if task in set(part["task"])]
    names = [name for name in ESTIMATORS if name in set(part["estimator"])]
    return markdown(["task", *names], [[task, *[cell(part, task, name, 2) for name in names]] for task in tasks])


def _choices(records: Sequence[Record]) -> str:
    header = ["task", "seed", "surrogate", "held-out log-likelihood", "next best", "less by", "parameters", "at an end"]
    chosen = [record for record in records if record.task in LEARNERS and "learners" in record.info]
    return markdown(header, [list(_choice(record)) for record in chosen])


def _choice(record: Record) -> Iterator[str]:
    compared = [row for row in record.info["learners"] if not row.get("failed")]
    rows = sorted(compared, key=lambda row: (not row["chosen"], -row.get("trial", 1), -row["held_out_log_likelihood"]))
    best, value = rows[0], rows[0]["held_out_log_likelihood"]
    yield from (record.task, str(record.seed), best["member"], f"{value:.4f}")
    if len(rows) > 1:
        other = rows[1]
        yield other["member"]
        error = other["standard_error"]  # none where it was dropped before the last trial
        yield f"{value - other['held_out_log_likelihood']:.4f}" + ("" if error is None else f" ± {error:.4f}")
    else:
        yield from ("-", "-")
    values = record.info["learner_parameters"]
    yield ", ".join(f"{name} {_number(values[name])}" for name in values.get("fit", [])) or "-"
    yield ", ".join(record.info.get("at_edge", [])) or "-"


def _number(value: float | list[float]) -> str:
    return " ".join(f"{x:.3g}" for x in value) if isinstance(value, list) else f"{value:.3g}"
