"""Whether there is enough play for what is asked of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from diml_envs.traces import Traces
from diml_inverse.inspection.findings import DECISION, NOTE, UNUSABLE, Finding, few
from diml_inverse.inspection.labels import times_played

MANY_ACTIONS = 10
ENOUGH, TOO_FEW = 20, 5  # decisions for each action


def size_of_play(traces: Traces) -> Iterator[Finding]:
    """Single rounds, agents without a choice, amounts taken for actions, more free payoffs than decisions."""
    yield from _single_rounds(traces)
    yield from _no_choice(traces)
    amounts = list(_amounts(traces))
    yield from amounts or _free_payoffs(traces)


def _single_rounds(traces: Traces) -> Iterator[Finding]:
    if getattr(traces, "persons", None) is not None:
        return  # people remember from one episode to the next
    single = int((traces.lengths == 1).sum())
    if single == len(traces):
        yield Finding(
            "single_rounds",
            UNUSABLE,
            "every episode has one round, so that there is nothing to learn from: are the columns of episode and round "
            "exchanged, or do people play on in other episodes?",
            "Name the columns, and the one that says who played, if there is one",
            "--episode-column, --round-column, --person-column",
        )
    elif single:
        yield Finding(
            "short_episodes",
            NOTE,
            f"{single} of {len(traces)} episodes have one round",
            "They count for nothing in a fit",
        )


def _no_choice(traces: Traces) -> Iterator[Finding]:
    chosen = [sum(times > 0 for times in own.values()) for own in times_played(traces)]
    idle = [agent for agent, number in zip(traces.agents, chosen, strict=True) if number < 2]
    if not idle:
        return
    everybody = len(idle) == traces.num_agents
    yield Finding(
        "no_choice",
        UNUSABLE if everybody else NOTE,
        f"{'no agent' if everybody else few(idle) + ' never'} took more than one action",
        "Nothing can be recovered"
        if everybody
        else "Their payoffs cannot be recovered; for the others they are context",
    )


def _amounts(traces: Traces) -> Iterator[Finding]:
    for agents in _sharing(traces):
        labels = {label for i in agents for label in traces.action_labels[i]}
        decisions = int(traces.observed[..., agents].sum())
        if len(labels) < MANY_ACTIONS or decisions >= ENOUGH * len(labels):
            continue
        numbers = not any(isinstance(label, str) for label in labels)
        who = "" if len(agents) == traces.num_agents else f" of {few(traces.agents[i] for i in agents)}"
        yield Finding(
            "amounts" if numbers else "many_actions",
            UNUSABLE if decisions < TOO_FEW * len(labels) else DECISION,
            f"{len(labels)} actions in {decisions} decisions{who}"
            + (", amounts rather than actions" if numbers else ""),
            "Bin them" if numbers else "Call alike what is alike, so that each action is taken often",
            f"--bins {_sensible_bins(decisions)}" if numbers else "",
        )


def _sensible_bins(decisions: int) -> int:
    return max(2, min(5, decisions // ENOUGH))


def _sharing(traces: Traces) -> list[list[int]]:
    """Numbers of agents, in groups that have actions in common."""
    groups: list[tuple[set[object], list[int]]] = []
    for i, own in enumerate(map(set, traces.action_labels)):
        near = [group for group in groups if group[0] & own]
        merged = (own.union(*(labels for labels, _ in near)), [j for _, members in near for j in members] + [i])
        groups = [*(group for group in groups if group not in near), merged]
    return [members for _, members in groups]


def _free_payoffs(traces: Traces) -> Iterator[Finding]:
    followed = traces.followed
    free = int(followed.any(0).sum()) * math.prod(traces.action_counts)
    decisions = int((traces.observed & followed[:, None]).sum())
    if free <= decisions:
        return
    shared = max(traces.action_counts) ** 2  # of a form that all agents share, own action against another's
    yield Finding(
        "free_payoffs",
        NOTE if decisions >= ENOUGH * shared else DECISION,
        f"a payoff for every profile and agent makes {free:.6g} free payoffs, for {decisions} decisions",
        "Fit a form with fewer: one that is learnt (as is done by default), or one that all agents share",
        "--mechanism structure, or anonymous, congestion, public-goods",
    )
