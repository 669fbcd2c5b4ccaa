"""`Summary`: an estimate with its standard errors as a table to print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student

from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces.labels import play_in_words
from diml_inverse.inference.intervals import (
    function_interval,
    learner_parameters,
    payoff_difference_ends,
    uncertainty_of,
)
from diml_inverse.inference.ratios import parameter_ratios, ratios
from diml_inverse.recovered.recovered import Recovered
from diml_inverse.uncertainty.base import quantile
from diml_inverse.uncertainty.maximum import MaximumUncertainty

WIDTH = 88
RATIOS = "Ratios to the most surely known one (Fieller's intervals); these need no precision"
ONE_SIDED = (
    "One end infinite: an action was never or hardly chosen there, so that play bounds this on one side only.\n"
    "coef is then median-unbiased (the likelihood has fallen to half), and neither std err nor z applies."
)


@dataclass(frozen=True)
class Summary:
    """What `Estimate.summary` returns; `str` of it is the table.

    Attributes:
        header: what was fitted, to what, and how the standard errors were formed.
        table: columns coef, std err, z, P>|z| (of the hypothesis that the coefficient is zero; NaN for learners'
            parameters, for most of which zero is an end of the range) and the ends of the interval; rows named.
        ratios: columns ratio and the ends of its interval (Fieller's), which need no precision: of each agent's payoff
            differences against its first action, or of the mechanism's parameters in payoff units where the table
            has rows for these; over the most surely known of them, which the row's name names.
        notes: warnings, and what was left out.
    """

    header: dict[str, str]
    table: pd.DataFrame
    ratios: pd.DataFrame
    notes: tuple[str, ...]

    @classmethod
    def of(cls, estimate: Recovered, level: float, covariance: str | None, max_rows: int) -> Summary:
        """Build it; see `Estimate.summary`."""
        quantile(level)
        rows = _payoff_rows(estimate, level, covariance, max_rows)
        learners = learner_parameters(estimate, level, covariance)
        shown = pd.concat([rows.iloc[:max_rows], _learner_rows(learners)])
        ends = [f"[{(1 - level) / 2:.3f}".rstrip("0"), f"{(1 + level) / 2:.3f}".rstrip("0") + "]"]
        table = shown.set_axis(["coef", "std err", "z", "P>|z|", *ends], axis=1)
        ratios = _ratio_rows(estimate, level, covariance, max_rows).set_axis(["ratio", *ends], axis=1)
        notes = tuple(_notes(estimate, covariance, rows, learners, max_rows))
        return cls(_header(estimate, covariance), table, ratios, notes)

    def __str__(self) -> str:
        items = list(self.header.items())
        pairs = zip(items[::2], [*items[1::2], ("", "")], strict=False)
        facts = [_line(*left) + "    " + _line(*right) for left, right in pairs]
        rule, thin = "=" * WIDTH, "-" * WIDTH
        title = "Payoffs recovered from choices".center(WIDTH).rstrip()
        ratios = [thin, RATIOS, _text(self.ratios)] if len(self.ratios) else []
        return "\n".join([title, rule, *facts, rule, _text(self.table), *ratios, thin, *self.notes])

    __repr__ = __str__


def _text(table: pd.DataFrame) -> str:
    return table.to_string(float_format=lambda value: f"{value:.4f}", na_rep="-", header=True)


def _line(name: str, value: str) -> str:
    return f"{name + ':':<18}{value:>24}" if name else ""


def _header(estimate: Recovered, covariance: str | None) -> dict[str, str]:
    facts = uncertainty_of(estimate).facts()
    identified = "Identified" if isinstance(uncertainty_of(estimate).models[0], MaximumUncertainty) else "Effective"
    return {
        "Mechanism": type(estimate.mechanism).__name__,
        "Log-likelihood": f"{facts['log_likelihood']:.2f}",
        "Learners": type(estimate.dynamics).__name__,
        "No. decisions": str(facts["decisions"]),
        "Estimator": str(estimate.info.get("estimator", "")),
        "No. episodes": f"{facts['episodes']}{_clusters(facts)}",
        "Penalty": facts["penalty"],
        "Covariance type": covariance or facts["covariance"],
        "Parameters": str(facts["parameters"]),
        identified: f"{facts['identified']:.4g}",
    }


def _of_parameters(estimate: Recovered) -> bool:
    """Whether parameters say something by themselves, unlike those of tables and networks."""
    table = isinstance(estimate.mechanism, TabularMechanism)
    return not table and isinstance(uncertainty_of(estimate).models[0], MaximumUncertainty)


def _payoff_rows(estimate: Recovered, level: float, covariance: str | None, max_rows: int) -> pd.DataFrame:
    if not _of_parameters(estimate):
        return _difference_rows(estimate, level, covariance, max_rows)
    uncertainty = uncertainty_of(estimate)
    found = function_interval(
        estimate, lambda mechanism, _: torch.cat([p.reshape(-1) for p in mechanism.parameters()]), level, covariance
    )
    names = uncertainty.fitted.names()[: uncertainty.fitted.num_on_payoffs]
    return _rows(names, (part.numpy() for part in found), uncertainty.degrees(covariance))


def _difference_rows(estimate: Recovered, level: float, covariance: str | None, max_rows: int) -> pd.DataFrame:
    """Payoff differences, context by context, where parameters say nothing by themselves: of tables and networks."""
    names: list[str] = []
    places: list[tuple[int, ...]] = []
    for name, agent, profile, action in _cells(estimate):
        if len(names) > max_rows:
            break
        names.append(name)
        places.append((*profile, agent, action))
    profiles = torch.tensor([place[:-2] for place in places])
    which = np.arange(len(places)), [place[-2] for place in places], [place[-1] for place in places]
    found = payoff_difference_ends(estimate, profiles.to(estimate.mechanism.device), level, covariance)
    degrees = uncertainty_of(estimate).degrees(covariance)
    return _rows(names, [part.numpy()[which] for part in found], degrees)


def _cells(estimate: Recovered) -> Iterator[tuple[str, int, tuple[int, ...], int]]:
    """Name, agent, profile and own action of every payoff difference, but of agents whose moves were given."""
    labels, given = estimate.action_labels, estimate.info.get("given", ())
    for agent, who in enumerate(estimate.agents):
        if who in given:
            continue
        counts = [1 if other == agent else count for other, count in enumerate(estimate.mechanism.action_counts)]
        for profile in np.ndindex(*counts):
            others = play_in_words(estimate.agents, labels, profile, agent)
            for action, label in enumerate(labels[agent]):
                yield f"{who}: {label} | {others}", agent, profile, action


def _ratio_rows(estimate: Recovered, level: float, covariance: str | None, max_rows: int) -> pd.DataFrame:
    """Columns ratio, low, high; rows named."""
    if _of_parameters(estimate):
        table = parameter_ratios(uncertainty_of(estimate), level, covariance)
        names = uncertainty_of(estimate).fitted.names()
        table.index = pd.Index(
            [f"{names[row]} / {names[over]}" for row, over in zip(table["row"], table["over"], strict=True)]
        )
        return table.iloc[:max_rows][["ratio", "low", "high"]]
    parts = [pd.DataFrame(columns=["ratio", "low", "high"], dtype=float)]
    for agent in range(len(estimate.agents)):
        if (left := max_rows - sum(map(len, parts))) <= 0:
            break
        if estimate.agents[agent] in estimate.info.get("given", ()):  # of whom nothing was recovered
            continue
        parts.append(_ratios_of_agent(estimate, agent, level, covariance, max_rows).iloc[:left])
    return pd.concat([part for part in parts if len(part)] or parts[:1])


def _ratios_of_agent(
    estimate: Recovered, agent: int, level: float, covariance: str | None, most_contexts: int
) -> pd.DataFrame:
    mechanism, labels = estimate.mechanism, estimate.action_labels
    counts = [1 if other == agent else count for other, count in enumerate(mechanism.action_counts)]
    profiles = torch.tensor(list(islice(np.ndindex(*counts), most_contexts)))
    others = [play_in_words(estimate.agents, labels, tuple(profile), agent) for profile in profiles.tolist()]
    profiles[:, agent] = -1  # so that only this agent's contexts are evaluated
    contexts = mechanism.contexts(profiles.to(mechanism.device))
    row = contexts.index[:, agent].cpu().tolist()
    exists = mechanism.action_mask[torch.full((max(row) + 1,), agent)].to(mechanism.device)
    table = ratios(uncertainty_of(estimate), contexts, exists, level, covariance)
    words = dict(reversed(list(zip(row, others, strict=True))))

    def difference(context: int, action: int) -> str:
        return f"{labels[agent][action]} - {labels[agent][0]} | {words[context]}"

    table = table[table["context"].isin(words) & table["over_context"].isin(words)]
    places = zip(*(table[name] for name in ("context", "action", "over_context", "over_action")), strict=True)
    agent_name = estimate.agents[agent]
    names = [f"{agent_name}: ({difference(a, b)}) / ({difference(c, d)})" for a, b, c, d in places]
    table.index = pd.Index(names, dtype=object)
    return table[["ratio", "low", "high"]]


def _learner_rows(learners: pd.DataFrame) -> pd.DataFrame:
    columns = (learners[name].to_numpy(float) for name in ("value", "std_error", "low", "high"))
    return _rows(list(learners["name"]), columns).assign(z=np.nan, p=np.nan)


def _rows(names: list[str], columns: Iterable[np.ndarray], degrees: float = math.inf) -> pd.DataFrame:
    """columns: value, standard error, low and high end."""
    value, error, low, high = columns
    known = np.isfinite(error) & (error > 0)
    z = np.divide(value, error, out=np.full(len(value), np.nan), where=known)
    p = 2 * student.sf(np.abs(z), degrees)
    return pd.DataFrame({"coef": value, "error": error, "z": z, "p": p, "low": low, "high": high}, index=names)


def _notes(
    estimate: Recovered, covariance: str | None, rows: pd.DataFrame, learners: pd.DataFrame, max_rows: int
) -> Iterator[str]:
    yield f"Standard errors: {uncertainty_of(estimate).made(covariance)}."
    if edge := sorted({name.partition("[")[0] for name in learners.loc[learners["at_edge"], "name"]}):
        yield f"Warning: {', '.join(edge)} at an end of the range: standard errors and intervals mean nothing there."
    if not estimate.info.get("converged", True):
        yield f"Warning: the fit did not converge ({estimate.info.get('stopped')})."
    low, high = np.isinf(rows["low"]), np.isinf(rows["high"])
    if (low & high).any():
        yield "-inf and inf: play does not identify this parameter alone."
    if (low ^ high).any():
        yield ONE_SIDED
    if len(rows) > max_rows:
        yield f"Only the first {max_rows} rows of the mechanism are shown (max_rows)."


def _clusters(facts: Mapping[str, Any]) -> str:
    """How many units share nobody, where these are not the episodes."""
    clusters = facts.get("clusters", facts["episodes"])
    return "" if clusters == facts["episodes"] else f" in {clusters} clusters"
