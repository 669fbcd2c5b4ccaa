"""`alternatives_table`: payoffs under each model of learning that predicts as well as the chosen one, side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from diml_envs.traces import Traces
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.identification.contexts import contexts_at, visited_contexts
from diml_inverse.report.tables import payoff_difference_table
from diml_inverse.uncertainty.choice import ChoiceUncertainty


def alternatives_table(estimate: Estimate, traces: Traces) -> pd.DataFrame | None:
    """None where there are none. Columns: agent, others, action, visits, payoff_difference under the chosen model, and
    a column for each other one, by its name, in the chosen one's unit."""
    if not isinstance(estimate.uncertainty, ChoiceUncertainty):
        return None
    table = payoff_difference_table(estimate.mechanism, traces)
    contexts, mechanism = visited_contexts(traces), estimate.mechanism
    found, row = contexts_at(mechanism, contexts)
    agent = torch.zeros(int(row.max()) + 1, dtype=torch.int64)
    agent[row.cpu()] = torch.tensor(contexts["agent"].to_numpy())
    exists = mechanism.action_mask[agent].to(mechanism.device)
    place = np.nonzero(mechanism.action_mask.numpy()[contexts["agent"]])
    if len(place[0]) != len(table):  # of a crowd, whose table was cut
        return None
    others = estimate.uncertainty.side_by_side(found, exists)
    columns = {name: values[row.cpu()].numpy()[place] for name, values in others.items()}
    return table[["agent", "others", "action", "visits", "payoff_difference"]].assign(**columns)
