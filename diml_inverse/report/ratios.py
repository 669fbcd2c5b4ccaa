"""`ratio_table`: ratios of payoff differences in the user's labels."""

from __future__ import annotations

import pandas as pd
import torch

from diml_envs.traces import Traces
from diml_inverse.identification.contexts import contexts_at, most_visited, others_in_words, visited_contexts
from diml_inverse.inference.intervals import uncertainty_of
from diml_inverse.inference.ratios import ratios
from diml_inverse.recovered.recovered import Recovered

COLUMNS = ["agent", "others", "action", "against", "over_others", "over_action", "ratio", "low", "high"]
MOST_CONTEXTS = 100  # of an agent


def ratio_table(estimate: Recovered, traces: Traces, level: float = 0.95) -> pd.DataFrame:
    """Each agent's payoff differences over the most surely known one of them, with Fieller intervals.

    Columns: agent; others, action, against (the difference: the payoff of action less that of against, given the
    others); over_others, over_action (the same of the denominator); ratio, low, high. These need no precision. Agents
    of whom no difference is surely not zero have no row.

    Raises:
        ValueError: as `Estimate.standard_errors`.
    """
    contexts, uncertainty = visited_contexts(traces), uncertainty_of(estimate)
    parts = [pd.DataFrame(columns=COLUMNS)]
    for agent, (name, labels) in enumerate(zip(traces.agents, traces.action_labels, strict=True)):
        own = most_visited(contexts[contexts["agent"] == agent], MOST_CONTEXTS).reset_index(drop=True)
        if own.empty or len(labels) < 2:
            continue
        found, row = contexts_at(estimate.mechanism, own)
        exists = estimate.mechanism.action_mask[torch.full((int(row.max()) + 1,), agent)]
        of_row = {place: number for number, place in reversed(list(enumerate(row.cpu().tolist())))}
        table = ratios(uncertainty, found, exists.to(estimate.mechanism.device), level)
        table = table[table["context"].isin(of_row) & table["over_context"].isin(of_row)]
        words = others_in_words(own, traces)
        parts.append(
            pd.DataFrame(
                {
                    "agent": name,
                    "others": [words[of_row[place]] for place in table["context"]],
                    "action": [labels[place] for place in table["action"]],
                    "against": labels[0],
                    "over_others": [words[of_row[place]] for place in table["over_context"]],
                    "over_action": [labels[place] for place in table["over_action"]],
                    **{column: table[column].to_numpy(float) for column in ("ratio", "low", "high")},
                }
            )
        )
    parts = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(parts, ignore_index=True)[COLUMNS]
