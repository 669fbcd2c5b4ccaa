"""Which profiles and contexts occurred."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism, distinct_rows
from diml_envs.traces import Traces
from diml_inverse.likelihood.sequences import sequences


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

    Columns: agent (its number), visits (rounds in which whoever sat there met the context and chose again afterwards,
    a person also in a later match), and one column for each agent's action, the agent's own being -1. Rounds in which
    another's action was not observed are left out, and so are seats whose moves are given.
    """
    again = _chose_again(traces)
    frames = [_contexts_of_agent(traces, again, agent) for agent in range(traces.num_agents)]
    table = pd.concat(frames, ignore_index=True)
    return table.sort_values(["agent", "visits"], ascending=[True, False], kind="stable").reset_index(drop=True)


def contexts_to_report(traces: Traces, most: int) -> pd.DataFrame:
    """`visited_contexts`, the most visited if there are more than `most`; and, if all there can be are no more than
    that, those not visited (visits 0) too."""
    visited = visited_contexts(traces)
    counts = traces.action_counts
    if sum(math.prod(counts) // count for count in counts) > most:
        return most_visited(visited, most)
    possible = pd.concat([_possible(counts, agent) for agent in range(len(counts))], ignore_index=True)
    table = possible.merge(visited, "left")[visited.columns]
    table["visits"] = table["visits"].fillna(0).astype(int)
    return table.sort_values(["agent", "visits"], ascending=[True, False], kind="stable").reset_index(drop=True)


def most_visited(contexts: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """So many rows of `visited_contexts`, in their order."""
    if len(contexts) <= at_most:
        return contexts
    shuffled = contexts["visits"].sample(frac=1, random_state=0)  # or the first agents would win every tie
    return contexts.loc[shuffled.nlargest(max(at_most, 1)).index.sort_values()]


def others_in_words(contexts: pd.DataFrame, traces: Traces) -> NDArray[np.object_]:
    """`student=honest;...` of each row of `visited_contexts`, the own action left out."""
    text = np.empty(len(contexts), object)
    named = zip(traces.agents, traces.action_labels, strict=True)
    names = [np.array([f"{agent}={label}" for label in labels], object) for agent, labels in named]
    for own in range(traces.num_agents):
        rows = np.flatnonzero(contexts["agent"] == own)
        columns = [names[j][contexts[j].to_numpy()[rows]] for j in range(traces.num_agents) if j != own]
        text[rows] = [";".join(parts) for parts in zip(*columns, strict=True)] if columns else ""
    return text


def contexts_at(mechanism: Mechanism, table: pd.DataFrame) -> tuple[Contexts, Tensor]:
    """What a mechanism makes of rows of `visited_contexts`, and the row in it of each."""
    profiles = torch.tensor(table[list(range(mechanism.num_agents))].to_numpy(), device=mechanism.device)
    agents = torch.tensor(table["agent"].to_numpy(), device=mechanism.device)
    found = mechanism.contexts(profiles)  # the own action is missing there, so only one agent's are evaluated
    return found, found.index.gather(1, agents[:, None])[:, 0]


def _possible(counts: tuple[int, ...], agent: int) -> pd.DataFrame:
    """Everything the others can do, the agent's own action -1."""
    profiles = np.argwhere(np.ones([1 if j == agent else count for j, count in enumerate(counts)], bool))
    profiles[:, agent] = -1
    return pd.DataFrame(profiles, columns=list(range(len(counts)))).assign(agent=agent)


def _contexts_of_agent(traces: Traces, again: NDArray[np.bool_], agent: int) -> pd.DataFrame:
    others = np.delete(np.arange(traces.num_agents), agent)
    met = traces.observed[:, :, others].all(-1) & again[..., agent]
    profiles = torch.tensor(traces.actions[met])
    profiles[:, agent] = -1
    distinct, place = distinct_rows(profiles)
    frame = pd.DataFrame(distinct.numpy(), columns=list(range(traces.num_agents)))
    frame.insert(0, "agent", agent)
    frame.insert(1, "visits", torch.bincount(place, minlength=len(distinct)).numpy())
    return frame


def _chose_again(traces: Traces) -> NDArray[np.bool_]:
    """bool [E, T, N]: who sits there is followed, and a choice of his is observed in some later round."""
    order = sequences(traces)
    place = order.episode, order.round, order.seat
    chosen = traces.observed[place]
    so_far = np.cumsum(chosen)
    ends = np.repeat(order.starts[1:], np.diff(order.starts)) - 1  # the last round of the same memory
    found = np.zeros(traces.actions.shape, bool)
    found[place] = so_far[ends] > so_far
    return found
