"""`results.csv`: what all cells measured, in long form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.running.estimators import ESTIMATORS
from diml_inverse.benchmark.tasks.catalogue import TASKS, in_order

COLUMNS = ("task", "estimator", "seed", "metric", "value", "low", "high", "seconds", "peak_memory_mb")


def read_records(results: Path) -> list[Record]:
    """All cells below the folder, in the suite's order.

    Raises:
        ValueError: a file that is no record.
    """
    records = [Record.load(path) for path in sorted((results / "cells").glob("*/*/*.json"))]
    tasks = in_order((record.task for record in records), TASKS)
    estimators = in_order((record.estimator for record in records), ESTIMATORS)
    return sorted(records, key=lambda r: (tasks.index(r.task), estimators.index(r.estimator), r.seed))


def results_table(records: Sequence[Record]) -> pd.DataFrame:
    """A row for each metric of each cell.

    Columns: task, estimator, seed, metric; value, low, high (the ends of a 95 % interval over test episodes, empty
    where there is none), in the metric's unit; seconds and peak_memory_mb of the cell, play and scores included.
    """
    rows = [
        (record.task, record.estimator, record.seed, *score, record.seconds, record.peak_memory_mb)
        for record in records
        for score in record.scores
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_results(results: Path) -> pd.DataFrame:
    """Assemble `results.csv` from the cells."""
    table = results_table(read_records(results))
    with atomic_write(results / "results.csv") as temporary:
        table.to_csv(temporary, index=False)
    return table
