"""Families of mechanisms, for `FamilyComparison` to choose among."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from diml_envs.mechanisms import (
    AggregativeMechanism,
    AnonymousMechanism,
    Mechanism,
    NeuralMechanism,
    OwnLoadMechanism,
    OwnLoadTableMechanism,
    PairwiseMechanism,
    TabularMechanism,
)
from diml_envs.traces import Traces
from diml_inverse.structure.contrasts import are_numbers

LARGEST_FREE_FORM = 200  # actions of all agents: inputs of the free-form network, whose deviations grow as its square
PLENTY = 100  # decisions for each payoff of a table, from which a network has nothing to add by smoothing
MOST_FORWARD_PASSES = 20_000  # a pass for each context and own action; above it the network with one output each


@dataclass(frozen=True)
class Family:
    """A form that payoffs may have.

    Attributes:
        name: for tables.
        build: the candidate for some traces, or None where the form does not apply.
        network: fitted by `DIML`, as networks are; otherwise by penalised maximum likelihood, which suits tables and
            formulas.
    """

    name: str
    build: Callable[[Traces], Mechanism | None]
    network: bool = False


def default_families() -> list[Family]:
    """Those built in, from the freest to the most special."""
    return [
        Family("table", _table),
        Family("free form", _free_form, network=True),
        Family("anonymous, own action in", _own_action_in, network=True),
        Family("anonymous, own action out", _symmetric(_anonymous_with_outputs), network=True),
        Family("own action and its load", _symmetric(OwnLoadMechanism), network=True),
        Family("own action and its load, table", _symmetric(OwnLoadTableMechanism)),
        Family("own level and total", _aggregative, network=True),
        Family("pairwise", _symmetric(PairwiseMechanism)),
    ]


def _table(traces: Traces) -> Mechanism | None:
    entries = math.prod(traces.action_counts) * traces.num_agents
    return TabularMechanism(traces.action_counts) if entries <= int(traces.observed.sum()) else None


def _free_form(traces: Traces) -> Mechanism | None:
    entries = math.prod(traces.action_counts) * traces.num_agents
    if sum(traces.action_counts) > LARGEST_FREE_FORM or entries * PLENTY <= int(traces.observed.sum()):
        return None
    return NeuralMechanism(traces.num_agents, traces.action_counts)


def _symmetric(build: Callable[[int, int], Mechanism]) -> Callable[[Traces], Mechanism | None]:
    def candidate(traces: Traces) -> Mechanism | None:
        same = len(set(traces.action_labels)) == 1 and traces.num_agents > 1
        return build(traces.num_agents, traces.action_counts[0]) if same else None

    return candidate


def _anonymous_with_outputs(num_agents: int, num_actions: int) -> Mechanism:
    return AnonymousMechanism(num_agents, num_actions, own_action="output")


def _own_action_in(traces: Traces) -> Mechanism | None:
    num_actions = max(traces.action_counts)
    contexts = int(traces.lengths.sum()) * min(traces.num_agents, num_actions)
    if contexts * num_actions > MOST_FORWARD_PASSES:
        return None
    return _symmetric(AnonymousMechanism)(traces)


def _aggregative(traces: Traces) -> Mechanism | None:
    labels = traces.action_labels[0]
    if len(set(traces.action_labels)) > 1 or traces.num_agents < 2 or not are_numbers(labels):
        return None
    return AggregativeMechanism(traces.num_agents, [float(label) for label in labels])
