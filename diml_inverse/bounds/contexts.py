"""The payoff differences that a play shows, in the user's labels, and their coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import MISSING, Traces
from diml_inverse.bounds.form import Form
from diml_inverse.bounds.regret import counted_decisions
from diml_inverse.identification.contexts import most_visited, others_in_words


def contexts_met(form: Form, traces: Traces, at_most: int) -> pd.DataFrame:
    """What the others did when each agent chose: columns agent, visits, context (row of the form), a column for each
    agent's action, the own one -1. The most visited, if there are more than `at_most`.
    """
    counted = counted_decisions(traces) & (form.index != MISSING)
    frames = []
    for agent in range(traces.num_agents):
        episode, round_ = np.nonzero(counted[..., agent])
        profiles = traces.actions[episode, round_]
        profiles[:, agent] = MISSING
        distinct, first, visits = np.unique(profiles, axis=0, return_index=True, return_counts=True)
        frame = pd.DataFrame(distinct, columns=list(range(traces.num_agents)))
        context = form.index[episode[first], round_[first], agent]
        frames.append(frame.assign(agent=agent, visits=visits, context=context))
    table = pd.concat(frames, ignore_index=True)
    table = table.sort_values(["agent", "visits"], ascending=[True, False], kind="stable").reset_index(drop=True)
    return most_visited(table, at_most)


def differences(
    form: Form, traces: Traces, contexts: pd.DataFrame
) -> tuple[pd.DataFrame, csr_array, NDArray[np.float64]]:
    """Payoff of each own action less the mean over own actions: agent, others, action, visits; matrix and offset.

    `line` says which rows are the same payoff: where the form knows a symmetry, many contexts of the play are one.
    """
    exists = form.mechanism.action_mask.numpy()[contexts["agent"].to_numpy()]
    row, action = np.nonzero(exists)
    agent, context = contexts["agent"].to_numpy()[row], contexts["context"].to_numpy()[row]
    line, own = context * form.num_actions, np.arange(form.num_actions)
    count = exists.sum(1)[row]
    columns = (line[:, None] + own)[exists[row]]
    rows = np.repeat(np.arange(len(row)), count)
    mean = csr_array((1 / count[rows], (rows, columns)), shape=(len(row), form.matrix.shape[0]))
    payoff = csr_array((np.ones(len(row)), (np.arange(len(row)), line + action)), shape=mean.shape)
    centred = payoff - mean
    table = pd.DataFrame(
        {
            "agent": np.array(traces.agents, object)[agent],
            "others": others_in_words(contexts, traces)[row],
            "action": [traces.action_labels[i][b] for i, b in zip(agent, action, strict=True)],
            "visits": contexts["visits"].to_numpy()[row],
            "line": line + action,
        }
    )
    return table, csr_array(centred @ form.matrix), centred @ form.offset


def differences_of(mechanism: Mechanism, contexts: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Payoffs less their mean over own actions [K, A] in rows of `contexts_met`, NaN for no action; and the largest
    difference in each [K].
    """
    profiles = contexts[list(range(mechanism.num_agents))].to_numpy().clip(min=0)
    agent = contexts["agent"].to_numpy()
    with torch.no_grad():
        payoffs = (
            mechanism.counterfactual_payoffs(torch.tensor(profiles, device=mechanism.device)).double().cpu().numpy()
        )
    own = payoffs[np.arange(len(agent)), agent]
    return own - np.nanmean(own, 1, keepdims=True), np.nanmax(own, 1) - np.nanmin(own, 1)
