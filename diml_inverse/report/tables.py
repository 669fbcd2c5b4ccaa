"""Payoff differences as tables, in the user's labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.identification.contexts import contexts_at, most_visited, others_in_words, visited_contexts
from diml_inverse.inference.intervals import uncertainty_of
from diml_inverse.uncertainty.base import Ends
from diml_inverse.uncertainty.network import NetworkUncertainty

# `others` names every agent, so that a table of every context of a crowd of hundreds would fill a disk.
MOST_NAMES = 4_000_000
DOUBT = ("std_error", "low", "high", "difference_std_error", "difference_low", "difference_high")
REFERENCE = 0  # place of the action that differences are also given against
MOST_WORK = 1e8  # of differentiating for a network's standard errors: some 20 s


def payoff_difference_table(
    mechanism: Mechanism, traces: Traces, truth: Mechanism | None = None, most_names: int = MOST_NAMES
) -> pd.DataFrame:
    """Payoff differences in the contexts that the play visited, by agent and falling visits.

    Columns: agent; others (what the others did, `student=honest;...`); action; payoff_difference (the payoff of that
    action less the mean over the agent's actions, in payoff units); difference (less the payoff of the action named in
    against, the agent's first); true_payoff_difference and true_difference if `truth` is given (NaN where the truth is
    not known); visits (rounds after which the agent, having met the context, chose again).
    A row for each context and action. With very many agents only the most visited contexts, so that `others` holds
    at most `most_names` names in all.
    """
    contexts = most_visited(visited_contexts(traces), most_names // (mechanism.num_actions * traces.num_agents))
    differences = {"payoff_difference": context_differences(mechanism, contexts)}
    if truth is not None:
        differences["true_payoff_difference"] = context_differences(truth, contexts)
    for name, values in list(differences.items()):
        reference = name.replace("payoff_difference", "difference")
        differences[reference] = values - values[:, REFERENCE : REFERENCE + 1]
    row, action = np.nonzero(mechanism.action_mask.numpy()[contexts["agent"]])
    agent = contexts["agent"].to_numpy()[row]
    return pd.DataFrame(
        {
            "agent": np.array(traces.agents, object)[agent],
            "others": others_in_words(contexts, traces)[row],
            "action": [traces.action_labels[i][b] for i, b in zip(agent, action, strict=True)],
            **{name: values[row, action] for name, values in differences.items()},
            "against": [traces.action_labels[i][REFERENCE] for i in agent],
            "visits": contexts["visits"].to_numpy()[row],
        }
    )


def with_intervals(
    table: pd.DataFrame, estimate: Estimate, traces: Traces, level: float = 0.95, most_names: int = MOST_NAMES
) -> tuple[pd.DataFrame, str]:
    """`payoff_difference_table(estimate.mechanism, traces)` with errors and intervals of both differences appended.

    Columns std_error, low, high; difference_std_error, difference_low, difference_high (of the reference action itself
    NaN). Infinite where play does not identify the difference; one end infinite, and the value median-unbiased, where
    an action was never or hardly chosen (`diml_inverse.uncertainty.profile`). And how they were made, in words; or why
    there are none, with the table as it is.
    """
    uncertainty, mechanism = estimate.uncertainty, estimate.mechanism
    if isinstance(uncertainty, NetworkUncertainty) and uncertainty.work > MOST_WORK:
        return table, "none: they would take long; ask estimate.standard_errors(actions) or resample episodes"
    contexts = most_visited(visited_contexts(traces), most_names // (mechanism.num_actions * traces.num_agents))
    try:
        whole, pairs = context_ends(estimate, contexts, level), context_ends(estimate, contexts, level, REFERENCE)
    except ValueError as reason:
        return table, f"none: {reason}"
    place = np.nonzero(mechanism.action_mask.numpy()[contexts["agent"]])
    names = ("payoff_difference", "std_error", "low", "high")
    found = dict(zip(names, (part.numpy()[place] for part in whole), strict=True))
    names = ("difference", "difference_std_error", "difference_low", "difference_high")
    found |= dict(zip(names, (part.numpy()[place] for part in pairs), strict=True))
    itself = place[1] == REFERENCE
    found |= {name: np.where(itself, np.nan, found[name]) for name in names[1:]}
    return table.assign(**found), f"{level:.0%} intervals: {uncertainty_of(estimate).made()}"


def context_ends(estimate: Estimate, contexts: pd.DataFrame, level: float = 0.95, against: int | None = None) -> Ends:
    """Of `context_differences(estimate.mechanism, contexts)`, each [K, A]; or less the payoff of one action.

    Raises:
        ValueError: as `Estimate.standard_errors`.
    """
    mechanism = estimate.mechanism
    found, row = contexts_at(mechanism, contexts)
    agent = torch.zeros(int(row.max()) + 1, dtype=torch.int64)
    agent[row.cpu()] = torch.tensor(contexts["agent"].to_numpy())
    exists = mechanism.action_mask[agent].to(mechanism.device)
    ends = uncertainty_of(estimate).ends_of_contexts(found, exists, level, against=against)
    return Ends(*(part[row.cpu()] for part in ends))


def context_differences(mechanism: Mechanism, contexts: pd.DataFrame) -> NDArray[np.float64]:
    """Payoffs of the agent's own actions less their mean, [K, A], in K rows of `visited_contexts`; NaN for no action.

    A context in which any payoff is NaN is NaN throughout.
    """
    agents = torch.tensor(contexts["agent"].to_numpy(), device=mechanism.device)
    with torch.no_grad():
        found, row = contexts_at(mechanism, contexts)
        payoffs = mechanism.context_payoffs(found)[row].double()
    exists = mechanism.action_mask.to(mechanism.device)[agents]
    mean = payoffs.masked_fill(~exists, 0).sum(1, keepdim=True) / exists.sum(1, keepdim=True)
    return (payoffs - mean).masked_fill(~exists, torch.nan).cpu().numpy()


def comparison_table(table: pd.DataFrame, traces: Traces) -> pd.DataFrame:
    """The table made easy to read: an agent with two actions gets one row a context, that of its second action.

    New column: scaled, the payoff difference divided by the agent's largest, which does not depend on the precision
    assumed; true_scaled likewise. Errors and intervals come last where the table has them.
    """
    values = [name for name in ("payoff_difference", "true_payoff_difference") if name in table]
    parts = []
    for agent, labels in zip(traces.agents, traces.action_labels, strict=True):
        part = table[table["agent"] == agent]
        if len(labels) == 2:
            part = part[part["action"] == labels[1]]
        scales = {name.replace("payoff_difference", "scaled"): part[name] / part[name].abs().max() for name in values}
        parts.append(part.assign(**scales))
    pairs = [name for value in values for name in (value, value.replace("payoff_difference", "scaled"))]
    against = [name for name in ("against", "difference", "true_difference") if name in table]
    columns = ["agent", "others", "action", *pairs, *against, "visits", *(name for name in DOUBT if name in table)]
    return pd.concat(parts, ignore_index=True)[columns]


def relative_error(comparison: pd.DataFrame, scaled: bool = False) -> float:
    """Mean squared error of the differences over that of knowing nothing, contexts weighted by visits; 0 is best.

    scaled: compare the scaled columns. NaN if no true difference is known, or all are zero.
    """
    name = "scaled" if scaled else "payoff_difference"
    known = comparison.dropna(subset=[name, f"true_{name}"])
    nothing = float((known["visits"] * known[f"true_{name}"] ** 2).sum())
    error = float((known["visits"] * (known[name] - known[f"true_{name}"]) ** 2).sum())
    return error / nothing if nothing else float("nan")
