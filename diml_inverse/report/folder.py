"""The folder that a fit leaves: the estimate, its table, its history, its picture and the facts about it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from diml_envs.traces import Traces
from diml_inverse.bounds import NothingToJudge, payoff_bounds
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.files import BOUNDS, ESTIMATE, FACTS
from diml_inverse.report.alternatives import alternatives_table
from diml_inverse.report.composition import composition_chart, composition_table
from diml_inverse.report.pictures import picture
from diml_inverse.report.ratios import ratio_table
from diml_inverse.report.tables import comparison_table, with_intervals

COLUMNS = ["agent", "others", "action", "payoff_difference", "visits", "std_error", "low", "high"]
COLUMNS += ["against", "difference", "difference_std_error", "difference_low", "difference_high"]

MOST_FREE_PAYOFFS, MOST_BOUNDED = 3_000, 40  # a few seconds at most
SLACK = 0.05  # above the least regret, of the largest payoff difference


def save_fit(
    folder: Path,
    estimate: Estimate,
    traces: Traces,
    table: pd.DataFrame,
    facts: Mapping[str, Any],
    scale_known: bool = True,
    errors: str = "",
    pictures: bool = True,
) -> pd.DataFrame:
    """Write estimate.safetensors, payoff_differences.csv, history.csv, fit.json and picture.png into a new folder.

    The table gets standard errors and 95 % intervals if the estimate has them, and is returned so; summary.txt and
    ratios.csv (ratios of differences, which need no precision) are then written; fit.json says how the intervals were
    made, or why there are none.
    Where models of learning could not be told apart, learners_compared.csv has the payoffs under each.
    In small games bounds.csv holds `payoff_bounds` at the least regret plus a twentieth of the largest difference, in
    the contexts met most, with the estimate's differences in the same unit and whether they are inside.
    Where the structure was learnt, also kinds.csv and kinds.png (what the game is made of), or families.csv.

    Args:
        folder: to be made; what lies above it is made too.
        estimate: what was fitted.
        traces: what it was fitted to.
        table: `payoff_difference_table` of the two, with the true differences if they are known.
        facts: JSON values about the fit, for fit.json.
        scale_known: whether payoffs have the truth's unit, which takes the learners' precision. If not, the
            picture compares them up to scale.
        errors: why there are to be no standard errors, in words; empty if they are wanted.
        pictures: whether to draw.

    Raises:
        FileExistsError: the folder is there already.
    """
    folder.mkdir(parents=True)
    # Before saving: the covariance is saved once computed.
    table, made = (table, f"none: {errors}") if errors else with_intervals(table, estimate, traces)
    estimate.save(folder / ESTIMATE)
    table[[name for name in COLUMNS if name in table]].to_csv(folder / "payoff_differences.csv", index=False)
    estimate.history.to_csv(folder / "history.csv", index=False)
    bounded = {"bounds": _bound(folder, estimate, traces)} if pictures and not errors else {}
    (folder / FACTS).write_text(json.dumps({**facts, "intervals": made, **bounded}, indent=2) + "\n")
    if estimate.uncertainty is not None and "std_error" in table:
        (folder / "summary.txt").write_text(f"{estimate.summary()}\n")
        ratio_table(estimate, traces).to_csv(folder / "ratios.csv", index=False)
    if (alternatives := alternatives_table(estimate, traces)) is not None:
        alternatives.to_csv(folder / "learners_compared.csv", index=False)
    if "kinds" in estimate.info:
        composition_table(estimate).to_csv(folder / "kinds.csv", index=False)
    if "families" in estimate.info:
        pd.DataFrame(estimate.info["families"]).to_csv(folder / "families.csv", index=False)
    if pictures:
        _draw(folder, estimate, traces, table, scale_known)
    return table


def _bound(folder: Path, estimate: Estimate, traces: Traces) -> str:
    """What can be said of the same payoffs without any model of learning, in games small enough: in words, how it was
    made or why there is nothing.
    """
    counts = traces.action_counts
    if math.prod(counts) * len(counts) > MOST_FREE_PAYOFFS:
        return f"none: more than {MOST_FREE_PAYOFFS} free payoffs; ask `diml bounds` with a form"
    try:
        found = payoff_bounds(traces, slack=SLACK, most_contexts=MOST_BOUNDED)
    except NothingToJudge as error:
        return f"none: {error}"
    found.beside(estimate.mechanism).to_csv(folder / BOUNDS, index=False, float_format="%.6g")
    return f"payoffs of the least regret plus {SLACK} of the largest difference; no model of learning"


def _draw(folder: Path, estimate: Estimate, traces: Traces, table: pd.DataFrame, scale_known: bool) -> None:
    figure = picture(estimate, traces, comparison_table(table, traces), scale_known)
    figure.savefig(folder / "picture.png", dpi=150)
    if "kinds" in estimate.info:
        composition_chart(estimate).savefig(folder / "kinds.png", dpi=150)
