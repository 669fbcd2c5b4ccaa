"""`report.md`: what a run found, readable without the program that made it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from diml_envs.traces.atomic import atomic_write
from diml_inverse.benchmark.reports import figures, tables
from diml_inverse.benchmark.reports.consistency import consistency_section
from diml_inverse.benchmark.reports.learners import learners_section
from diml_inverse.benchmark.running.cells import Record
from diml_inverse.benchmark.running.estimators import ABLATION, ESTIMATORS, MAIN, about_estimator
from diml_inverse.benchmark.scoring.scores import SUITE_METRICS
from diml_inverse.benchmark.tasks.catalogue import TASKS, in_order
from diml_inverse.benchmark.tasks.learners import LEARNERS
from diml_inverse.metrics import METRICS

FIGURES = "figures"
ROUTES = ("auto", "families")
TABLES = {
    "Payoff-difference error over that of knowing nothing": "payoff_difference_mse_relative",
    "The same after the best rescaling of payoffs": "payoff_difference_mse_rescaled",
    "Payoff-difference error (payoff units squared)": "payoff_difference_mse",
    "Choice KL (nats per decision)": "choice_kl",
    "Counterfactual KL of histograms (nats)": "histogram_kl",
    "Expected calibration error (probability)": "expected_calibration_error",
    "Accuracy (share of choices)": "accuracy",
    "Payoff error at visited profiles, levels included (payoff units squared)": "payoff_mse_on_support",
    "Payoff error at other profiles, levels included (payoff units squared)": "payoff_mse_off_support",
    "Time of the fit, selection included (seconds)": "fit_seconds",
}


def write_report(
    results: Path, records: Sequence[Record], table: pd.DataFrame, command: str, versions: Mapping[str, str]
) -> None:
    """Write `report.md` and the figures beside it.

    Args:
        results: the folder of the run.
        records, table: its cells, and `results_table` of them.
        command: that made them.
        versions: of the packages that did.
    """
    names = _draw(results, table)
    whole, table = table, table[~table["task"].isin(LEARNERS)]
    parts = [
        "# Benchmark results\n\nMeans over seeds ± their standard deviation. Each cell is one task, estimator and "
        "seed; `results.csv` holds them all, with 95 % intervals over the test episodes.",
        _how(command, versions),
        learners_section(records, whole),
        consistency_section(results, whole),
        *([_results(table), _published(table)] if len(table) else []),
        _efficiency(table),
        _structure(records, table),
        _ablation(table),
        _missing(records),
        "## Figures\n\n" + "\n\n".join(f"![{name}]({FIGURES}/{name}.png)" for name in names),
        _meanings(records),
    ]
    with atomic_write(results / "report.md") as temporary:
        temporary.write_text("\n\n".join(part for part in parts if part) + "\n")


def _draw(results: Path, table: pd.DataFrame) -> list[str]:
    drawn: dict[str, Figure | None] = {
        f"{metric}_against_time": figures.against_time(table, metric) for metric in figures.AXES
    }
    drawn["error_against_agents"] = figures.against_agents(table)
    drawn["training_curves"] = figures.training_curves(results)
    (results / FIGURES).mkdir(exist_ok=True)
    for name, figure in drawn.items():
        path = results / FIGURES / f"{name}.png"
        path.unlink(missing_ok=True)
        if figure is not None:
            figure.savefig(path, dpi=130)
    return [name for name, figure in drawn.items() if figure is not None]


def _how(command: str, versions: Mapping[str, str]) -> str:
    rows = [
        ("command", f"`{command}`"),
        ("machine", f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"),
        ("threads", "one for each cell"),
        ("versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        ("python", platform.python_version()),
    ]
    return "## How it was made\n\n" + _plain(("", ""), rows)


def _results(table: pd.DataFrame) -> str:
    sections = ["## Results"]
    # The steps of the ablation have a section of their own.
    shown = [name for name in in_order(table["estimator"], ESTIMATORS) if name in MAIN or name not in ABLATION]
    for title, metric in TABLES.items():
        if (table["metric"] == metric).any():
            yardstick = "histogram_kl_noise_floor" if metric == "histogram_kl" else None
            sections.append(f"### {title}\n\n{tables.by_task(table, metric, shown, yardstick)}")
            if metric == "choice_kl":
                lost = tables.by_task(tables.shortfall(table), "shortfall", shown)
                sections.append(
                    f"### Test log-likelihood less that of the truth (nats per decision; 0 but for luck)\n\n{lost}"
                )
    return "\n\n".join(sections)


def _published(table: pd.DataFrame) -> str:
    return (
        "## The published figures beside ours\n\nThe paper's mechanisms are other draws of the same kinds, so "
        "compare errors relative to knowing nothing rather than raw ones, and no log-likelihood. `published` is the "
        "paper's training done here, `neural` and `auto` are ours on the same play.\n\n"
        + tables.beside_published(table)
    )


def _efficiency(table: pd.DataFrame) -> str:
    found = tables.against_bound(table)
    return found and (
        "## Against the Cramér-Rao bound\n\nThe expected error of an efficient estimator that knows the form and the "
        "learners. E3's form holds a network; its fit and its bound both use a unit normal prior on the parameters, "
        f"without which maximum likelihood overfits.\n\n{found}"
    )


def _structure(records: Sequence[Record], table: pd.DataFrame) -> str:
    compared: dict[str, dict[int, Any]] = {}
    for record in records:
        if record.estimator in ROUTES and "families" in record.info:
            compared.setdefault(record.task, {}).setdefault(record.seed, record.info["families"])
    if not compared:
        return ""
    errors = tables.by_task(table, "payoff_difference_mse_relative", ROUTES)
    return (
        "## Structure learned, by two routes\n\nKinds of interaction by evidence (`auto` in small games) and families "
        f"by held-out likelihood (`families`; `auto` in E7). Error over that of knowing nothing:\n\n{errors}\n\n"
        "Held-out log-likelihood of the families (nats per decision) and the standard error of its difference to the "
        "best, within the training episodes; the chosen ones bold.\n\n"
        + "\n\n".join(f"{task}:\n\n{tables.families(rows)}" for task, rows in compared.items())
    )


def _ablation(table: pd.DataFrame) -> str:
    if "published" not in set(table["estimator"]):
        return ""
    errors = tables.by_task(table, "payoff_difference_mse_relative", ABLATION)
    changes = tables.steps(table, "payoff_difference_mse_relative", ABLATION)
    seconds = tables.by_task(table, "fit_seconds", ABLATION)
    return (
        "## Ablation\n\nFrom the paper's training to ours one step at a time: exact windows (`published_exact`), early "
        "stopping (`published_early`), the optimiser (`single`: full batches, weight decay, a start from no "
        "differences), the mean of five fits (`neural`), structure (`auto`). Error over that of knowing nothing:\n\n"
        f"{errors}\n\nWhat each step changes (seed by seed, then mean and spread; below zero is better):\n\n{changes}"
        f"\n\nTime of the fit (seconds):\n\n{seconds}"
    )


def _missing(records: Sequence[Record]) -> str:
    skipped = {(r.task, r.estimator, r.note) for r in records if r.scores[0].metric == "skipped"}
    failed = [r for r in records if r.failed]
    parts = []
    if skipped:
        parts.append("## Not applicable\n\n" + _plain(("task", "estimator", "why"), sorted(skipped)))
    if failed:
        rows = [(r.task, r.estimator, str(r.seed), r.note, f"logs/{r.task}/{r.estimator}/{r.seed}.log") for r in failed]
        parts.append("## Failed\n\n" + _plain(("task", "estimator", "seed", "error", "log"), rows))
    return "\n\n".join(parts)


def _meanings(records: Sequence[Record]) -> str:
    tasks = {record.task: record.settings for record in records}
    settings = list(dict.fromkeys(name for values in tasks.values() for name in values))
    of_task = [(name, _about(name), *[f"{values.get(key, '')}" for key in settings]) for name, values in tasks.items()]
    made_by = {record.estimator: record.made_by for record in records}
    estimators = [(f"`{name}`", about_estimator(name, made_by[name])) for name in in_order(made_by, ESTIMATORS)]
    metrics = [(f"`{name}`", *rest) for name, *rest in map(astuple, (*METRICS, *SUITE_METRICS))]
    return "\n\n".join(
        [
            "## What the names mean",
            _plain(("task", "about", *settings), of_task),
            "In E7, `neural` and `wrong_learner` fit a network over the others' shares with one output for each own "
            "action; `published` fits the paper's, whose input the own action is.",
            _plain(("estimator", "is"), estimators),
            _plain(("metric", "meaning", "unit", "best", "source"), metrics),
        ]
    )


def _about(task: str) -> str:
    return TASKS[task].about if task in TASKS else ""


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text."""
    cleaned = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *cleaned))
