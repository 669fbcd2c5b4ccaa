"""What the page's tables and panels are filled with, as values of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex

from diml_inverse.benchmark.page.leaderboard import HIGHER_IS_BETTER, YARDSTICKS, measured, standings
from diml_inverse.benchmark.page.reading import Run, suite_of
from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.running.estimators import about_estimator
from diml_inverse.benchmark.scoring.scores import SUITE_METRICS
from diml_inverse.benchmark.tasks.catalogue import TASKS
from diml_inverse.drawing.palette import SHADES
from diml_inverse.metrics import METRICS

DIGITS = 6
LONGEST_INFO = 5000  # characters
STEPS_OF_COLOUR = 9
# The errors whose unit is the same in all tasks; the second where learners, and so the scale of payoffs, are unknown.
FIRST_SHOWN = "payoff_difference_mse_relative"
FIRST_WITHOUT_SCALE = "payoff_difference_mse_rescaled"


def content(run: Run, table: pd.DataFrame) -> dict[str, Any]:
    """Of the page's script; `templates/page.js` reads the same names.

    table: `results_table` of the run with a column suite.
    """
    metrics = measured(table)
    return {
        "cells": [_cell(record, run.logs.get(number, "")) for number, record in enumerate(run.records)],
        "metrics": {name: _meaning(name) for name in (*metrics, *YARDSTICKS) if name in set(table["metric"])},
        "ranked": sorted(metrics, key=lambda name: name != _first_shown(run)),
        "suites": {
            str(suite): {
                "tasks": list(dict.fromkeys(part["task"])),
                "estimators": list(dict.fromkeys(part["estimator"])),
                "standings": {metric: _standings(part, metric) for metric in metrics},
            }
            for suite, part in table.groupby("suite", sort=False)
        },
        "colours": [to_hex(colormaps[SHADES](i / (STEPS_OF_COLOUR - 1))) for i in range(STEPS_OF_COLOUR)],
    }


def plain(value: Any) -> Any:
    """The value as JSON can hold it: few digits, and null and "∞" for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "∞" if value > 0 else "-∞"
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def about_names(run: Run) -> dict[str, dict[str, str]]:
    """What tasks and estimators are, of those that the suite knows."""
    tasks = dict.fromkeys(record.task for record in run.records)
    estimators = {record.estimator: record.made_by for record in run.records}
    return {
        "Tasks": {name: TASKS[name].about for name in tasks if name in TASKS},
        "Estimators": {name: about_estimator(name, made_by).replace("`", "") for name, made_by in estimators.items()},
    }


def _first_shown(run: Run) -> str:
    tasks = {record.task for record in run.records} & set(TASKS)
    return FIRST_WITHOUT_SCALE if any(TASKS[name].told is None for name in tasks) else FIRST_SHOWN


def _cell(record: Record, log: str) -> dict[str, Any]:
    info = plain(record.info)
    text = json.dumps(info, indent=1, ensure_ascii=False)
    return {
        "suite": suite_of(record),
        "task": record.task,
        "estimator": record.estimator,
        "seed": record.seed,
        "state": record.scores[0].metric if math.isnan(record.scores[0].value) and len(record.scores) == 1 else "done",
        "scores": {score.metric: plain([score.value, score.low, score.high]) for score in record.scores},
        "note": record.note,
        "seconds": plain(record.seconds),
        "memory": plain(record.peak_memory_mb),
        "settings": plain(record.settings),
        "info": text if len(text) <= LONGEST_INFO else f"{text[:LONGEST_INFO]}\n… (the rest is in the cell's file)",
        "command": record.command,
        "versions": record.versions,
        "log": log,
    }


def _standings(part: pd.DataFrame, metric: str) -> dict[str, list[Any]]:
    """By task; under "" over all."""
    tasks = {"": part} | {str(task): rows for task, rows in part.groupby("task", sort=False)}
    return {task: [plain(astuple(one)) for one in standings(rows, metric)] for task, rows in tasks.items()}


def _meaning(name: str) -> dict[str, Any]:
    meaning = unit = ""
    for metric in (*METRICS, *SUITE_METRICS):
        same = metric.meaning.startswith("The same")  # as the one before, which is not beside it on the page
        meaning = f"{meaning} {metric.meaning}" if same else metric.meaning
        if metric.name == name:
            unit = metric.unit
            break
    else:
        meaning = ""
    return {"meaning": meaning, "unit": unit, "higher": name in HIGHER_IS_BETTER}
