"""What of the mechanism the play speaks about: which profiles and contexts occurred."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import distinct_rows
from diml_envs.traces import Traces


def on_support(traces: Traces, actions: Tensor) -> Tensor:
    """bool [*B]: the whole profile, int64 [*B, N], was played in some round of the traces.

    A deviation from a visited profile is another profile: its payoff is learnt about although it need not be on
    support.
    """
    occurred = torch.tensor(traces.actions[traces.observed.all(-1)])
    asked = actions.reshape(-1, traces.num_agents).cpu()
    _, place = distinct_rows(torch.cat([occurred, asked]))
    known = torch.isin(place[len(occurred) :], place[: len(occurred)])
    return known.reshape(actions.shape[:-1]).to(actions.device)


def visited_contexts(traces: Traces) -> pd.DataFrame:
    """The contexts whose payoffs can have shaped a later choice, most visited first.

    Columns: agent (its number), visits (rounds in which the agent met the context and chose again afterwards), and
    one column for each agent's action, the agent's own being -1. Rounds in which another's action was not observed
    are left out.
    """
    frames = [_contexts_of_agent(traces, agent) for agent in range(traces.num_agents)]
    table = pd.concat(frames, ignore_index=True)
    return table.sort_values(["agent", "visits"], ascending=[True, False], kind="stable").reset_index(drop=True)


def _contexts_of_agent(traces: Traces, agent: int) -> pd.DataFrame:
    others = np.delete(np.arange(traces.num_agents), agent)
    met = traces.observed[:, :, others].all(-1) & _followed(traces, agent)
    profiles = torch.tensor(traces.actions[met])
    profiles[:, agent] = -1
    distinct, place = distinct_rows(profiles)
    frame = pd.DataFrame(distinct.numpy(), columns=list(range(traces.num_agents)))
    frame.insert(0, "agent", agent)
    frame.insert(1, "visits", torch.bincount(place, minlength=len(distinct)).numpy())
    return frame


def _followed(traces: Traces, agent: int) -> NDArray[np.bool_]:
    """bool [E, T]: the agent's choice is observed in some later round of the episode."""
    later = traces.observed[:, ::-1, agent].cumsum(1)[:, ::-1] - traces.observed[:, :, agent]
    return later > 0
