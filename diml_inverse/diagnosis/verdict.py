"""One sentence: whether the model describes the agents, from all p-values together and the size of what is missed."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_inverse.diagnosis.checks import EVERYONE
from diml_inverse.diagnosis.rivals import SHARES

LEVEL = 0.05  # of right models at most this share is said to depart from the play
# Of what can be predicted beyond uniform choice; a departure that costs less is small. In benchmarks/diagnosis.py fits
# with the right member of the family miss .05 at most, most of those wrong about payoffs by a fifth or more miss .12.
SMALL_SHARE = 0.07
LEAST_GAIN = 1e-3  # nats a choice over uniform choice; less says next to nothing of payoffs, however surely it is there
MOST_NAMED = 3
WARNING = "Do not believe its payoffs."
GIVEN, FITTED = "traces", "train"  # which play a row is about

Status = Literal["describes", "small departures", "uninformative", "imprecise", "wrong"]


class Verdict(NamedTuple):
    """What `judge` finds; the meaning of each is that of `Diagnosis`."""

    verdict: str
    status: Status
    missed: float
    missed_share: float


def with_shares(table: pd.DataFrame, ahead: float) -> pd.DataFrame:
    """A column `missed_share`: of what can be predicted beyond uniform choice; the model predicts `ahead` of that."""
    missed = table["missed"].clip(lower=0)
    share = (missed / (missed + max(ahead, 0.0))).where(missed > 0, 0.0)
    return table.assign(missed_share=share.where(np.isfinite(missed), 1.0))


def with_adjusted(*tables: pd.DataFrame) -> list[pd.DataFrame]:
    """The tables with `adjusted_p_value` (Holm 1979) over all their p-values together."""
    adjusted = holm(np.concatenate([table["p_value"] for table in tables]).astype(float))
    ends = np.cumsum([len(table) for table in tables])
    parts = np.split(adjusted, ends[:-1])
    return [table.assign(adjusted_p_value=part) for table, part in zip(tables, parts, strict=True)]


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values: rejecting those below a level errs with at most that probability, whatever their dependence.

    NaN stays NaN and does not count.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: int(np.isfinite(p_values).sum())]  # NaN sorts last
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def judge(checks: pd.DataFrame, likelihoods: pd.DataFrame) -> Verdict:
    """The verdict from tables with shares and adjusted p-values; checks have a column `play` too."""
    if np.isneginf(likelihoods["log_likelihood"].iloc[0]):
        text = "The model does NOT describe the agents: it rules out choices that were made. " + WARNING
        return Verdict(text, "wrong", np.inf, 1.0)
    rivals = likelihoods.rename(columns={"predictor": "check"}).assign(agent="", play=GIVEN, rival=True)
    rows = pd.concat([checks.assign(rival=False), rivals], ignore_index=True)
    found = rows[rows["adjusted_p_value"] < LEVEL].sort_values("missed", ascending=False)
    large = found[found["missed_share"] > SMALL_SHARE]
    status = _status(found, large, rows)
    if status == "describes":
        return _nothing_found(rows, likelihoods)
    worst = found.sort_values("missed_share").iloc[-1]
    return Verdict(_SENTENCES[status](found, large, worst), status, worst["missed"], worst["missed_share"])


def _status(found: pd.DataFrame, large: pd.DataFrame, rows: pd.DataFrame) -> Status:
    if found.empty:
        return "describes"
    if large.empty:
        return "small departures"
    # A right form fitted to too little play fails on other play only; of a rival alone one cannot tell.
    fitted_shown = (rows["play"] == FITTED).any()
    telling = large[large["play"] == FITTED] if fitted_shown else large[~large["rival"]]
    return "imprecise" if telling.empty else "wrong"


def _nothing_found(rows: pd.DataFrame, likelihoods: pd.DataFrame) -> Verdict:
    number, smallest = rows["p_value"].notna().sum(), np.nanmin([*rows["adjusted_p_value"], 1.0])
    found = f"none of {number} checks finds a departure (smallest adjusted p {smallest:.2g})"
    uniform = likelihoods.iloc[-1]
    behind, error = float(uniform["missed"]), float(uniform["standard_error"])
    if -behind < LEAST_GAIN or -behind < 2 * error:
        text = f"The fit says LITTLE about payoffs: {found}, but it predicts no better than uniform choice."
        return Verdict(text, "uninformative", 0.0, 0.0)
    text = f"The model describes the agents: {found}, and it predicts {-behind:.2g} nats a choice better than uniform"
    return Verdict(f"{text} choice.", "describes", 0.0, 0.0)


def _small(found: pd.DataFrame, large: pd.DataFrame, worst: pd.Series) -> str:
    return f"The model describes the agents but for small departures: {_named(found)}; it misses {_cost(worst)}."


def _imprecise(found: pd.DataFrame, large: pd.DataFrame, worst: pd.Series) -> str:
    unfitted = (~large["rival"]).any()  # checks of residuals, which pass on the play it was fitted to
    where = " in the play it was fitted to" if unfitted else ""
    why = "" if unfitted else ", or choices that answer to something else"
    return (
        f"The model does NOT predict well enough: {_named(large)}, though no check finds what it misses{where} "
        f"({_cost(worst)}): too little play for so free a form{why}. {WARNING}"
    )


def _wrong(found: pd.DataFrame, large: pd.DataFrame, worst: pd.Series) -> str:
    return f"The model does NOT describe the agents: {_named(large)}; it misses {_cost(worst)}. {WARNING}"


_SENTENCES = {"small departures": _small, "imprecise": _imprecise, "wrong": _wrong}


def _cost(worst: pd.Series) -> str:
    share = f"{worst['missed_share']:.0%} of what can be predicted beyond uniform choice"
    return f"{worst['missed']:.2g} nats a choice, {share}"


def _named(found: pd.DataFrame) -> str:
    """The departures, the largest first, with the agents that show them."""
    parts = []
    for check, rows in found.groupby("check", sort=False):
        p_value = rows["adjusted_p_value"].min()
        p_text = f"p {p_value:.1g}" if p_value >= 1e-6 else "p < 1e-6"
        whose = list(dict.fromkeys(rows["agent"]))
        if rows["rival"].all():
            verb = "predict" if check == SHARES else "predicts"
            parts.append(f"{check} {verb} {rows['missed'].max():.2g} nats a choice better ({p_text})")
            continue
        many = ", ".join(whose[:MOST_NAMED]) + (" ..." if len(whose) > MOST_NAMED else "")
        parts.append(f"{check} ({EVERYONE if EVERYONE in whose else many}; {p_text})")
    return ", ".join(parts[:MOST_NAMED])
