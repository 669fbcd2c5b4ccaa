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
from diml_inverse.inference.intervals import quantile, uncertainty_of
from diml_inverse.uncertainty.network import NetworkUncertainty

# `others` names every agent, so that a table of every context of a crowd of hundreds would fill a disk.
MOST_NAMES = 4_000_000
MOST_WORK = 1e8  # of differentiating for a network's standard errors: some 20 s


def payoff_difference_table(
    mechanism: Mechanism, traces: Traces, truth: Mechanism | None = None, most_names: int = MOST_NAMES
) -> pd.DataFrame:
    """Payoff differences in the contexts that the play visited, by agent and falling visits.

    Columns: agent; others (what the others did, `student=honest;...`); action; payoff_difference (the payoff of that
    action less the mean over the agent's actions, in payoff units); true_payoff_difference if `truth` is given (NaN
    where the truth is not known); visits (rounds after which the agent, having met the context, chose again).
    A row for each context and action. With very many agents only the most visited contexts, so that `others` holds
    at most `most_names` names in all.
    """
    contexts = most_visited(visited_contexts(traces), most_names // (mechanism.num_actions * traces.num_agents))
    differences = {"payoff_difference": context_differences(mechanism, contexts)}
    if truth is not None:
        differences["true_payoff_difference"] = context_differences(truth, contexts)
    row, action = np.nonzero(mechanism.action_mask.numpy()[contexts["agent"]])
    agent = contexts["agent"].to_numpy()[row]
    return pd.DataFrame(
        {
            "agent": np.array(traces.agents, object)[agent],
            "others": others_in_words(contexts, traces)[row],
            "action": [traces.action_labels[i][b] for i, b in zip(agent, action, strict=True)],
            **{name: values[row, action] for name, values in differences.items()},
            "visits": contexts["visits"].to_numpy()[row],
        }
    )


def with_intervals(
    table: pd.DataFrame, estimate: Estimate, traces: Traces, level: float = 0.95, most_names: int = MOST_NAMES
) -> tuple[pd.DataFrame, str]:
    """`payoff_difference_table(estimate.mechanism, traces)` with columns std_error, low and high appended.

    Infinite where play does not identify the difference. And how they were made, in words; or why there are none, with
    the table as it is.
    """
    uncertainty, mechanism = estimate.uncertainty, estimate.mechanism
    if isinstance(uncertainty, NetworkUncertainty) and uncertainty.work > MOST_WORK:
        return table, "none: they would take long; ask estimate.standard_errors(actions) or resample episodes"
    contexts = most_visited(visited_contexts(traces), most_names // (mechanism.num_actions * traces.num_agents))
    try:
        errors = context_standard_errors(estimate, contexts)
    except ValueError as reason:
        return table, f"none: {reason}"
    row, action = np.nonzero(mechanism.action_mask.numpy()[contexts["agent"]])
    error = errors[row, action]
    uncertainty = uncertainty_of(estimate)
    centre, half = table["payoff_difference"].to_numpy(), quantile(level, uncertainty.degrees()) * error
    with_them = table.assign(std_error=error, low=centre - half, high=centre + half)
    return with_them, f"{level:.0%} intervals: {uncertainty.made()}"


def context_standard_errors(estimate: Estimate, contexts: pd.DataFrame) -> NDArray[np.float64]:
    """Of `context_differences(estimate.mechanism, contexts)`, [K, A].

    Raises:
        ValueError: as `Estimate.standard_errors`.
    """
    mechanism = estimate.mechanism
    found, row = contexts_at(mechanism, contexts)
    agent = torch.zeros(int(row.max()) + 1, dtype=torch.int64)
    agent[row.cpu()] = torch.tensor(contexts["agent"].to_numpy())
    exists = mechanism.action_mask[agent].to(mechanism.device)
    variances = uncertainty_of(estimate).variances_of_contexts(found, exists)
    return variances.sqrt()[row.cpu()].numpy()


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
    """The table made easy to read: an agent with two actions gets one row a context, second action less first.

    New columns: against (what the action is compared with: the agent's first action, or `mean` where it has more
    than two), and scaled, the difference divided by the agent's largest, which does not depend on the precision
    assumed; true_scaled likewise. std_error, low and high come last where the table has them.
    """
    values = [name for name in ("payoff_difference", "true_payoff_difference") if name in table]
    doubt = [name for name in ("std_error", "low", "high") if name in table]
    parts = []
    for agent, labels in zip(traces.agents, traces.action_labels, strict=True):
        part = table[table["agent"] == agent].assign(against="mean")
        if len(labels) == 2:
            part = part[part["action"] == labels[1]].assign(
                against=labels[0], **{v: 2 * part[v] for v in values + doubt}
            )
        scales = {name.replace("payoff_difference", "scaled"): part[name] / part[name].abs().max() for name in values}
        parts.append(part.assign(**scales))
    scaled = [name.replace("payoff_difference", "scaled") for name in values]
    pairs = [name for pair in zip(values, scaled, strict=True) for name in pair]
    return pd.concat(parts, ignore_index=True)[["agent", "others", "action", "against", *pairs, "visits", *doubt]]


def relative_error(comparison: pd.DataFrame, scaled: bool = False) -> float:
    """Mean squared error of the differences over that of knowing nothing, contexts weighted by visits; 0 is best.

    scaled: compare the scaled columns. NaN if no true difference is known, or all are zero.
    """
    name = "scaled" if scaled else "payoff_difference"
    known = comparison.dropna(subset=[name, f"true_{name}"])
    nothing = float((known["visits"] * known[f"true_{name}"] ** 2).sum())
    error = float((known["visits"] * (known[name] - known[f"true_{name}"]) ** 2).sum())
    return error / nothing if nothing else float("nan")
