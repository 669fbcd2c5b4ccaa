"""Which pictures a run gets: by task, as elements of the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from diml_inverse.benchmark.page import plots
from diml_inverse.benchmark.page.plots import Mark
from diml_inverse.benchmark.page.reading import Run
from diml_inverse.benchmark.page.svg import inline, themed
from diml_inverse.benchmark.reports.figures import AXES

FLOORS = {"histogram_kl": "histogram_kl_noise_floor"}


class Picture(NamedTuple):
    """One panel.

    height: what the vertical axis shows, for the caption: along the axis it would not fit.
    task, estimator, metric: names that the page's filters choose it by; empty where they do not apply.
    """

    svg: Markup
    task: str
    estimator: str = ""
    metric: str = ""
    height: str = ""


class Pictures(NamedTuple):
    """All of a run. legends: the same twice, since no two elements of a page may share an id."""

    legends: list[dict[str, Markup]]
    against_time: list[Picture]
    learning: list[Picture]
    recovered: dict[str, list[Picture]]


def draw(run: Run, table: pd.DataFrame) -> Pictures:
    """table: `results_table` of the run with a column cell, the number of the record."""
    marks = plots.marks_of(dict.fromkeys(record.estimator for record in run.records))
    with themed():
        legends = [_legend(marks, name) for name in ("markstime", "markslearning")]
        recovered: dict[str, list[Picture]] = {}
        for picture in _recovered(run, marks):
            recovered.setdefault(picture.task, []).append(picture)
        return Pictures(legends, list(_against_time(table, marks)), list(_learning(run, marks)), recovered)


def _legend(marks: Mapping[str, Mark], name: str) -> dict[str, Markup]:
    return {
        estimator: inline(plots.swatch(mark), f"{name}{i}", "looks like this:")
        for i, (estimator, mark) in enumerate(marks.items())
    }


def _against_time(table: pd.DataFrame, marks: Mapping[str, Mark]) -> Iterator[Picture]:
    wide = table.pivot(index=["task", "estimator", "cell"], columns="metric", values="value").reset_index()
    wide = wide.sort_values("cell")
    for metric, label in AXES.items():
        if metric not in wide or "fit_seconds" not in wide:
            continue
        positive = wide[(wide[metric] > 0) & (wide["fit_seconds"] > 0)].assign(value=wide[metric])
        for i, (task, part) in enumerate(positive.groupby("task", sort=False)):
            known = FLOORS.get(metric) in part
            floor = float(part[FLOORS[metric]].mean()) if known else None
            name = f"time{metric.replace('_', '')}{i}"
            svg = inline(plots.against_time(part, marks, floor), name, f"{task}: {label} against time of the fit")
            height = label if floor is None else f"{label}; dotted: noise floor"
            yield Picture(svg, str(task), metric=metric, height=height)


def _learning(run: Run, marks: Mapping[str, Mark]) -> Iterator[Picture]:
    """Of several seeds, and several fits within an estimator, the first is shown."""
    by_task: dict[str, dict[str, pd.DataFrame]] = {}
    for number, history in run.curves.items():
        record = run.records[number]
        if plots.has_curve(history):
            first = history[history["member"] == 0] if "member" in history else history
            by_task.setdefault(record.task, {}).setdefault(record.estimator, first)
    for i, (task, curves) in enumerate(by_task.items()):
        figure = plots.learning_curves([(history, marks[name]) for name, history in curves.items()])
        svg = inline(figure, f"learning{i}", f"{task}: log-likelihood against time")
        yield Picture(svg, task, height="log-likelihood (nats per decision)")


def _recovered(run: Run, marks: Mapping[str, Mark]) -> Iterator[Picture]:
    largest: dict[str, float] = {}
    samples: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for number, points in run.differences.items():
        record = run.records[number]
        if len(points):
            largest[record.task] = max(largest.get(record.task, 0.0), float(points["true"].abs().max()))
            samples.setdefault((record.task, record.estimator), []).append(points)
    for i, ((task, estimator), parts) in enumerate(samples.items()):
        figure = plots.recovered_against_true(pd.concat(parts), marks[estimator], largest[task] or 1.0)
        label = f"{task}, {estimator}: recovered against true payoff differences"
        yield Picture(inline(figure, f"recovered{i}", label), task, estimator)
