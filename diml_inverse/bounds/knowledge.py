"""What the user knows of the payoffs beforehand, each as linear rows on the unknown parameters.

known("row", {("top", "left"): 3})       payoffs in money
between(0, 10)                           a range of all payoffs, or of one agent's
parameters({"quadratic_cost": (0, .3)})  ranges of parameters
increasing("bidder_0", ["0", "1", "2"])  payoffs rise along these actions, whatever the others do
outside_option("bidder_0", "abstain", 0) an action that pays the same whatever the others do
zero_sum(), symmetric()                  of small games: every joint action is a row
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Label, Traces
from diml_inverse.bounds.form import Form
from diml_inverse.bounds.rows import Rows

Knowledge = Callable[[Form, Traces], Rows]
Profile = tuple[Label, ...]

MOST_PROFILES = 20_000


def known(agent: str, payoffs: Mapping[Profile, float]) -> Knowledge:
    """Payoffs of one agent: {(action of each agent in turn): payoff}."""

    def rows(form: Form, traces: Traces) -> Rows:
        place = agent_number(traces, agent)
        profiles = torch.tensor([profile_numbers(traces, profile) for profile in payoffs])
        values = np.array(list(payoffs.values()), float)
        return _rows(form, lambda mechanism: mechanism(profiles)[:, place], values, values)

    return rows


def between(low: float, high: float, agent: str | None = None) -> Knowledge:
    """All payoffs that the play shows or its deviations would have brought lie in [low, high]."""

    def rows(form: Form, traces: Traces) -> Rows:
        of_agent = traces.agents if agent is None else (agent,)
        lines = [_lines_of(form, agent_number(traces, name)) for name in of_agent]
        where = np.unique(np.concatenate(lines))
        offset = form.offset[where]
        return Rows(csr_array(form.matrix[where]), low - offset, high - offset)

    return rows


def parameters(ranges: Mapping[str, tuple[float, float]]) -> Knowledge:
    """Ranges of the mechanism's parameters, by name: `linear_cost` for all of its entries, `linear_cost[2]` for one."""

    def rows(form: Form, traces: Traces) -> Rows:
        chosen = [(place, ends) for name, ends in ranges.items() for place in _places(form, name)]
        where = [place for place, _ in chosen]
        matrix = csr_array((np.ones(len(where)), (range(len(where)), where)), shape=(len(where), len(form.names)))
        low, high = np.array([ends for _, ends in chosen], float).T
        return Rows(matrix, low, high)

    return rows


def increasing(agent: str, actions: Sequence[Label], falling: bool = False) -> Knowledge:
    """The agent's payoff rises (or falls) along these own actions, in every context that occurs."""

    def rows(form: Form, traces: Traces) -> Rows:
        place = agent_number(traces, agent)
        order = [action_number(traces, place, action) for action in actions]
        first = np.unique(_lines_of(form, place) // form.num_actions) * form.num_actions
        steps = list(itertools.pairwise(order))
        upper = np.concatenate([first + after for _, after in steps])
        lower = np.concatenate([first + before for before, _ in steps])
        sign = -1.0 if falling else 1.0
        matrix = csr_array(sign * (form.matrix[upper] - form.matrix[lower]))
        offset = sign * (form.offset[upper] - form.offset[lower])
        return Rows(matrix, -offset, np.full(len(offset), np.inf))

    return rows


def outside_option(agent: str, action: Label, payoff: float = 0.0) -> Knowledge:
    """An action whose payoff is known and the same whatever the others do."""

    def rows(form: Form, traces: Traces) -> Rows:
        place = agent_number(traces, agent)
        lines = np.unique(_lines_of(form, place) // form.num_actions) * form.num_actions
        lines = lines + action_number(traces, place, action)
        value = payoff - form.offset[lines]
        return Rows(csr_array(form.matrix[lines]), value, value)

    return rows


def zero_sum() -> Knowledge:
    """The agents' payoffs add up to zero at every joint action."""

    def rows(form: Form, traces: Traces) -> Rows:
        profiles = torch.tensor(list(_every_profile(form)))
        nothing = np.zeros(len(profiles))
        return _rows(form, lambda mechanism: mechanism(profiles).sum(1), nothing, nothing)

    return rows


def symmetric() -> Knowledge:
    """Exchanging two agents' actions exchanges their payoffs, and leaves those of all others."""

    def rows(form: Form, traces: Traces) -> Rows:
        if len(set(traces.action_labels)) != 1:
            raise ValueError(f"a symmetric game needs the same actions for all agents; got {traces.action_labels}")
        profiles = torch.tensor(list(_every_profile(form)))

        def gaps(mechanism: Mechanism) -> Tensor:
            payoffs, parts = mechanism(profiles), []
            for agent in range(1, traces.num_agents):
                exchanged = list(range(traces.num_agents))
                exchanged[0], exchanged[agent] = agent, 0
                parts.append(payoffs - mechanism(profiles[:, exchanged])[:, exchanged])
            return torch.stack(parts)

        nothing = np.zeros((traces.num_agents - 1) * profiles.numel())
        return _rows(form, gaps, nothing, nothing)

    return rows


def agent_number(traces: Traces, agent: str) -> int:
    """Place of an agent by its name.

    Raises:
        ValueError: no such agent.
    """
    if agent not in traces.agents:
        raise ValueError(f"there is no agent {agent!r}; there are {', '.join(traces.agents)}")
    return traces.agents.index(agent)


def action_number(traces: Traces, agent: int, action: Label) -> int:
    """Place of an agent's action by its label.

    Raises:
        ValueError: no such action.
    """
    labels = traces.action_labels[agent]
    if action not in labels:
        raise ValueError(f"agent {traces.agents[agent]!r} has no action {action!r}; it has {list(labels)}")
    return labels.index(action)


def profile_numbers(traces: Traces, profile: Any) -> list[int]:
    """Places of the actions of a joint action, given by labels in the order of `traces.agents`.

    Raises:
        ValueError: not one action for each agent, or an unknown one.
    """
    if not isinstance(profile, Sequence) or isinstance(profile, str) or len(profile) != traces.num_agents:
        raise ValueError(f"a joint action names one action for each of {', '.join(traces.agents)}; got {profile!r}")
    return [action_number(traces, agent, action) for agent, action in enumerate(profile)]


def _rows(form: Form, function: Callable[[Mechanism], Tensor], low: Any, high: Any) -> Rows:
    matrix, offset = form.functional(function)
    return Rows(matrix, low - offset, high - offset)


def _lines_of(form: Form, agent: int) -> Any:
    """Lines of the form's matrix that are payoffs of this agent's own actions."""
    met = np.unique(form.index[..., agent])
    own = np.arange(form.mechanism.action_counts[agent])
    return (met[met >= 0][:, None] * form.num_actions + own).reshape(-1)


def _places(form: Form, name: str) -> list[int]:
    places = [i for i, full in enumerate(form.names) if full == name or full.split("[")[0] == name]
    if not places:
        names = dict.fromkeys(full.split("[")[0] for full in form.names)
        raise ValueError(f"the mechanism has no unknown parameter {name!r}; it has {', '.join(names)}")
    return places


def _every_profile(form: Form) -> Iterator[tuple[int, ...]]:
    counts = form.mechanism.action_counts
    if math.prod(counts) > MOST_PROFILES:
        raise ValueError(f"a game of action counts {counts} has too many joint actions for a row each")
    return itertools.product(*map(range, counts))
