"""One cell, task x estimator x seed: measured, and kept as a JSON file with others beside it."""

from __future__ import annotations

import json
import math
import platform
import resource
import sys
import time
import traceback
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.running.differences import save_differences
from diml_inverse.benchmark.running.entries import Entry
from diml_inverse.benchmark.scoring.scores import Score, bound, scores
from diml_inverse.benchmark.tasks.task import Task
from diml_inverse.versions import versions

KINDS = {"curves": ".csv", "differences": ".csv", "logs": ".log", "cells": ".json"}  # the record last: it says "done"


class Cell(NamedTuple):
    """One fit of a suite.

    estimator: its name in results.
    command: what does this cell and no other, for its record.
    entry: what the estimator is; None for the built-in one of that name.
    """

    task: Task
    estimator: str
    seed: int
    suite: str = ""
    command: str = ""
    entry: Entry | None = None

    @property
    def made_by(self) -> Entry:
        """`entry`, or the built-in estimator."""
        return self.entry or Entry(self.estimator, self.estimator)

    def path(self, results: Path, kind: str) -> Path:
        """Where its file of a kind (of `KINDS`) belongs."""
        return results / kind / self.task.name / self.estimator / f"{self.seed}{KINDS[kind]}"

    def __str__(self) -> str:
        return f"{self.task.name} {self.estimator} {self.seed}"


@dataclass(frozen=True)
class Record:
    """What a cell left.

    Attributes:
        task, estimator, seed: names of the cell.
        settings: of the task.
        scores: what was measured; a single `skipped` or `error` if nothing was.
        note: why it was skipped or failed.
        seconds: of the whole cell: play, fit and scores.
        peak_memory_mb: of the cell's process.
        info: what the estimator says of its fit.
        suite, command: where the cell belongs, and what does it alone; empty where that is not known.
        versions: of Python and the packages that computed it.
        made_by: what the estimator is where its name does not tell (`Entry.description`).
    """

    task: str
    estimator: str
    seed: int
    settings: dict[str, Any]
    scores: list[Score]
    note: str = ""
    seconds: float = math.nan
    peak_memory_mb: float = math.nan
    info: dict[str, Any] = field(default_factory=dict)
    suite: str = ""
    command: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """It is tried again by the next run."""
        return self.scores[0].metric == "error"

    @classmethod
    def empty(cls, cell: Cell, metric: str, note: str) -> Record:
        """Of a cell that was `skipped` or ended in an `error`."""
        return cls(*_names(cell), cell.task.settings(), [Score(metric, math.nan)], note, **origin(cell))

    def as_bytes(self) -> bytes:
        """JSON, as in its file."""
        return (json.dumps(asdict(self), indent=1, default=str) + "\n").encode()

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(self.as_bytes())

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read what `save` wrote.

        Raises:
            ValueError: not such a file.
        """
        try:
            content = json.loads(path.read_text())
            return cls(**{**content, "scores": [Score(*score) for score in content["scores"]]})
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is not the record of a cell ({error}); remove it") from error


def run_cell(cell: Cell, results: Path) -> None:
    """Measure the cell and write its files. What it raises goes to its log and becomes an `error` record."""
    log = cell.path(results, "logs")
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.perf_counter()
    with log.open("a") as file, redirect_stderr(file):
        try:
            record = _measured(cell, results)
        except Exception as error:
            traceback.print_exc()
            record = Record.empty(cell, "error", f"{type(error).__name__}: {error}".strip(": "))
    if not log.stat().st_size:
        log.unlink()
    measured = {"seconds": time.perf_counter() - begun, "peak_memory_mb": _peak_memory_mb()}
    Record(**{**record.__dict__, **measured}).save(cell.path(results, "cells"))


def _measured(cell: Cell, results: Path) -> Record:
    task, seed = cell.task, cell.seed
    play = task.play(seed)
    estimator = cell.made_by.build(task, seed)
    begun = time.perf_counter()
    result = estimator.fit(play.train)
    fit_seconds = Score("fit_seconds", time.perf_counter() - begun)
    found = [*scores(result, task, play, seed), fit_seconds]
    if cell.made_by.use == "structured" and play.dynamics is not None:
        found.append(bound(task, play))
    if isinstance(history := getattr(result, "history", None), pd.DataFrame):
        curve = cell.path(results, "curves")
        curve.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(curve) as temporary:
            history.to_csv(temporary, index=False)
    save_differences(cell.path(results, "differences"), result, play, seed)
    info = dict(getattr(result, "info", None) or {})
    return Record(*_names(cell), task.settings(), found, info=info, **origin(cell))


def _names(cell: Cell) -> tuple[str, str, int]:
    return cell.task.name, cell.estimator, cell.seed


def origin(cell: Cell) -> dict[str, Any]:
    """Where a record of the cell comes from, by the record's attributes."""
    computed_by = {"python": platform.python_version(), **versions()}
    return {
        "suite": cell.suite,
        "command": cell.command,
        "versions": computed_by,
        "made_by": cell.made_by.description(),
    }


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
