"""One sentence: whether the model describes the agents, from all p-values together and the size of what is missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diml_inverse.diagnosis.checks import EVERYONE, LEVEL
from diml_inverse.diagnosis.rivals import SHARES

# Of what can be predicted beyond uniform choice; a departure that costs less is small. In benchmarks/diagnosis.py fits
# with the right member of the family miss .05 at most, most of those wrong about payoffs by a fifth or more miss .12.
SMALL_SHARE = 0.07
LEAST_GAIN = 1e-3  # nats a choice over uniform choice; less says next to nothing of payoffs, however surely it is there
# Of the same: where not even so large a departure would have been found 4 times in 5, finding none says nothing.
TELLING_SHARE = 0.2
MOST_NAMED = 2
MOST_AGENTS = 3
WARNING = "Do not believe its payoffs."
GIVEN, FITTED = "traces", "train"  # which play a row is about

Status = Literal["describes", "small departures", "too little play", "uninformative", "imprecise", "wrong"]


class Verdict(NamedTuple):
    """What `judge` finds; the meaning of each is that of `Diagnosis`."""

    verdict: str
    status: Status
    missed: float
    missed_share: float
    detectable: float
    detectable_share: float


def with_shares(table: pd.DataFrame, ahead: float) -> pd.DataFrame:
    """A column `missed_share`: of what is known to be predictable beyond uniform choice, one scale for the table.

    The model predicts `ahead` of that, and misses the largest of `missed` at least.
    """
    missed = table["missed"].clip(lower=0)
    largest = float(missed[np.isfinite(missed)].max()) if np.isfinite(missed).any() else 0.0
    whole = largest + max(ahead, 0.0)
    share = (missed / whole if whole > 0 else missed).where(missed > 0, 0.0)
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


def judge(checks: pd.DataFrame, likelihoods: pd.DataFrame, agents: pd.DataFrame, ahead: float) -> Verdict:
    """The verdict from tables with shares and adjusted p-values; checks have a column `play` too.

    agents: of `judge_agents`. ahead: nats by which the model predicts better than uniform choice.
    """
    power = detectable(checks)
    share = share_of(power, ahead)
    if np.isneginf(likelihoods["log_likelihood"].iloc[0]):
        text = "The model does not describe the agents: it rules out choices that were made. " + WARNING
        return Verdict(text, "wrong", np.inf, 1.0, power, share)
    rivals = likelihoods.rename(columns={"predictor": "check"}).assign(agent="", play=GIVEN, rival=True)
    rows = pd.concat([checks.assign(rival=False), rivals], ignore_index=True)
    found = rows[rows["adjusted_p_value"] < LEVEL].sort_values("missed", ascending=False)
    large = found[found["missed_share"] > SMALL_SHARE]
    status = _status(found, large, rows)
    if status == "describes":
        return _nothing_found(rows, likelihoods, power, share)
    worst = found.sort_values("missed_share").iloc[-1]
    text = _SENTENCES[status](found, large, worst, agents)
    return Verdict(text, status, worst["missed"], worst["missed_share"], power, share)


def judge_agents(checks: pd.DataFrame, ahead: Mapping[str, float], decisions: Mapping[str, int]) -> pd.DataFrame:
    """A row for each agent, from its own checks alone, nats and shares those of its own choices.

    Columns: agent, status (as `Diagnosis.status`), decisions, ahead (nats better than uniform choice), missed,
    missed_share, detectable, detectable_share, reasons (in words).

    Args:
        checks: with adjusted p-values and `play`.
        ahead, decisions: of each agent in the play checked.
    """
    total = sum(decisions.values())
    rows = []
    for agent, own in decisions.items():
        part = checks[checks["agent"] == agent]
        part = part.assign(
            missed=part["missed"] * total / own, detectable=part["detectable"] * total / own, rival=False
        )
        part = with_shares(part, ahead[agent])
        found = part[part["adjusted_p_value"] < LEVEL].sort_values("missed", ascending=False)
        large = found[found["missed_share"] > SMALL_SHARE]
        power = detectable(part)
        share = share_of(power, ahead[agent])
        status = _status(found, large, part)
        if status == "describes" and ahead[agent] < LEAST_GAIN:
            status = "uninformative"
        elif status == "describes" and not share <= TELLING_SHARE:
            status = "too little play"
        rows.append(
            {
                "agent": agent,
                "status": status,
                "decisions": own,
                "ahead": ahead[agent],
                "missed": found["missed"].max() if len(found) else 0.0,
                "missed_share": found["missed_share"].max() if len(found) else 0.0,
                "detectable": power,
                "detectable_share": share,
                "reasons": _named(found) if len(found) else "",
            }
        )
    return pd.DataFrame(rows)


def detectable(checks: pd.DataFrame) -> float:
    """The departure that the checks find 4 times in 5: of the middle one of them, all agents together if there are."""
    play = FITTED if (checks["play"] == FITTED).any() else GIVEN
    rows = checks[(checks["play"] == play) & checks["p_value"].notna()]
    together = rows[rows["agent"] == EVERYONE]
    values = (together if len(together) else rows)["detectable"]
    return float(values.median()) if len(values) else np.nan


def share_of(missed: float, ahead: float) -> float:
    """Of what can be predicted beyond uniform choice, of which a model that predicts `ahead` of it misses so much."""
    return missed / (missed + max(ahead, 0.0))


def _status(found: pd.DataFrame, large: pd.DataFrame, rows: pd.DataFrame) -> Status:
    if found.empty:
        return "describes"
    if large.empty:
        return "small departures"
    # A right form fitted to too little play fails on other play only; of a rival alone one cannot tell.
    fitted_shown = (rows["play"] == FITTED).any()
    telling = large[large["play"] == FITTED] if fitted_shown else large[~large["rival"]]
    return "imprecise" if telling.empty else "wrong"


def _nothing_found(rows: pd.DataFrame, likelihoods: pd.DataFrame, power: float, share: float) -> Verdict:
    number, smallest = rows["p_value"].notna().sum(), np.nanmin([*rows["adjusted_p_value"], 1.0])
    found = f"none of {number} checks finds a departure (smallest adjusted p {smallest:.2g})"
    uniform = likelihoods.iloc[-1]
    ahead, error = -float(uniform["missed"]), float(uniform["standard_error"])
    if ahead < LEAST_GAIN or ahead < 2 * error:
        text = f"The fit says little about payoffs: {found}, but it predicts no better than uniform choice."
        return Verdict(text, "uninformative", 0.0, 0.0, power, share)
    if not share <= TELLING_SHARE:
        return Verdict(_too_little(found, power, share, ahead), "too little play", 0.0, 0.0, power, share)
    text = (
        f"The model describes the agents: {found}, and it predicts {ahead:.2g} nats a choice better than uniform "
        f"choice. A departure of {power:.1g} nats ({share:.0%} of that) would have been found 4 times in 5."
    )
    return Verdict(text, "describes", 0.0, 0.0, power, share)


def _too_little(found: str, power: float, share: float, ahead: float) -> str:
    start = f"There is too little play to tell whether the model describes the agents: {found}, but"
    if np.isnan(power):
        return f"{start} there are too few decisions for any check."
    more = power / (ahead * TELLING_SHARE / (1 - TELLING_SHARE))
    return (
        f"{start} only one that costs {power:.2g} nats a choice ({share:.0%} of what can be predicted) would have been "
        f"found 4 times in 5. About {more:.2g} times as much play would show one of {TELLING_SHARE:.0%}."
    )


def _small(found: pd.DataFrame, large: pd.DataFrame, worst: pd.Series, agents: pd.DataFrame) -> str:
    return f"The model describes the agents but for small departures: {_named(found)}; it misses {_cost(worst)}."


def _imprecise(found: pd.DataFrame, large: pd.DataFrame, worst: pd.Series, agents: pd.DataFrame) -> str:
    unfitted = (~large["rival"]).any()  # checks of residuals, which pass on the play it was fitted to
    where = " in the play it was fitted to" if unfitted else ""
    why = "" if unfitted else ", or choices that answer to something else"
    return (
        f"The model does not predict well enough: {_named(large)}, though no check finds what it misses{where} "
        f"({_cost(worst)}): too little play for so free a form{why}. {WARNING}"
    )


def _wrong(found: pd.DataFrame, large: pd.DataFrame, worst: pd.Series, agents: pd.DataFrame) -> str:
    wrong = agents[agents["status"].isin(["wrong", "imprecise"])]
    others = agents[~agents["status"].isin(["wrong", "imprecise"])]
    if wrong.empty or others.empty:
        return f"The model does not describe the agents: {_named(large)}; it misses {_cost(worst)}. {WARNING}"
    good = others[others["status"].isin(["describes", "small departures"])]
    reasons = large[large["agent"].isin(wrong["agent"])]
    first = (
        f"The model describes {_people(good)} but not {_people(wrong)}"
        if len(good)
        else (f"The model does not describe {_people(wrong)}")
    )
    rest = others[~others["agent"].isin(good["agent"])]
    unknown = f" Of {_people(rest)} there is too little to tell." if len(rest) else ""
    named = _named(reasons if len(reasons) else large)
    return f"{first}: {named}; it misses {_cost(worst)}. Do not believe the payoffs of {_people(wrong)}.{unknown}"


def _people(agents: pd.DataFrame) -> str:
    names = list(agents["agent"])
    if len(names) > MOST_AGENTS:
        return f"{', '.join(names[:MOST_AGENTS])} and {len(names) - MOST_AGENTS} more"
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])


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
