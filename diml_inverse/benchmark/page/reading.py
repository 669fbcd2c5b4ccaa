"""What a run left in its folder, for the page."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from diml_inverse.benchmark.reports.results import read_records
from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.tasks.task import PAPER

LONGEST_LOG = 4000  # characters, the last ones: an error stands at the end


@dataclass(frozen=True)
class Run:
    """Cells in the suite's order, and by the number of the cell what else it left."""

    records: list[Record]
    curves: dict[int, pd.DataFrame]
    differences: dict[int, pd.DataFrame]
    logs: dict[int, str]


def read_run(results: Path) -> Run:
    """Read the folder of `diml bench`.

    Raises:
        FileNotFoundError: no such folder, or no cells in it.
        ValueError: a file that is damaged, or not where it belongs.
    """
    if not results.is_dir():
        raise FileNotFoundError(f"no folder {results}")
    records = read_records(results)
    if not records:
        raise FileNotFoundError(f"{results} holds no cells (cells/TASK/ESTIMATOR/SEED.json); `diml bench` makes them")
    places = {path.parts[-3:] for path in (results / "cells").glob("*/*/*.json")}
    for record in records:
        _check(record, places, results)
    return Run(
        records,
        _tables(results, "curves", records),
        _tables(results, "differences", records, ("true", "recovered")),
        _logs(results, records),
    )


def _check(record: Record, places: Container[tuple[str, ...]], results: Path) -> None:
    name = f"{results}: the record of {record.task} {record.estimator} {record.seed}"
    # Or a name with a path in it would have other files read.
    if (record.task, record.estimator, f"{record.seed}.json") not in places:
        raise ValueError(f"{name} is not in the file of that name; remove it")
    if not record.scores:
        raise ValueError(f"{name} has no scores; remove it")
    numbers = [record.seconds, record.peak_memory_mb, *(number for score in record.scores for number in score[1:])]
    tables = (record.settings, record.info, record.versions)
    if not all(isinstance(value, int | float) for value in numbers) or not all(isinstance(t, dict) for t in tables):
        raise ValueError(f"{name} is damaged; remove it")


def suite_of(record: Record) -> str:
    """Of a record that does not say, the suite that has a task of this name."""
    return record.suite or ("paper" if record.task in PAPER else "tasks of no suite")


def _tables(results: Path, kind: str, records: list[Record], needed: tuple[str, ...] = ()) -> dict[int, pd.DataFrame]:
    found = {}
    for number, record in enumerate(records):
        path = _path(results, kind, record, ".csv")
        if path.is_file():
            found[number] = _table(path, needed)
    return found


def _table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=list(needed))  # an estimator without a history writes none
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it") from error
    if missing := set(needed) - set(table):
        raise ValueError(f"{path} has no column {', '.join(sorted(missing))}; remove it")
    return table


def _logs(results: Path, records: list[Record]) -> dict[int, str]:
    paths = {number: _path(results, "logs", record, ".log") for number, record in enumerate(records)}
    texts = {number: path.read_text(errors="replace") for number, path in paths.items() if path.is_file()}
    return {number: text[-LONGEST_LOG:] for number, text in texts.items()}


def _path(results: Path, kind: str, record: Record, ending: str) -> Path:
    return results / kind / record.task / record.estimator / f"{record.seed}{ending}"
