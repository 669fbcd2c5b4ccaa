"""Labels of actions: spellings of one, codes for missing, and actions that an agent never took."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from diml_envs.traces import Label, Traces
from diml_envs.traces.remedies import spelling
from diml_inverse.inspection.findings import DECISION, NOTE, Finding, few

_MISSING_WORDS = re.compile(r"n/?a|nan|null|none|missing|unknown|#n/a|-+|\.+|\?+|-9+|9{2,4}", re.IGNORECASE)
_MOST_MISSING = 0.2
_MISSING_NUMBERS = {-1.0, -9.0, -99.0, -999.0, 99.0, 999.0, 9999.0}


def labels_of_actions(traces: Traces) -> Iterator[Finding]:
    """All that the labels themselves show."""
    played = times_played(traces)
    yield from _spellings(traces)
    yield from _blanks(traces)
    yield from _codes_for_missing(traces, played)
    yield from _never_played(traces, played)
    yield from _played_by_others_only(traces)


def times_played(traces: Traces) -> list[dict[Label, int]]:
    """How often each agent took each of its actions."""
    counts = [
        np.bincount(own[own >= 0], minlength=size)
        for own, size in zip(np.moveaxis(traces.actions, -1, 0), traces.action_counts, strict=True)
    ]
    return [dict(zip(own, map(int, n), strict=True)) for own, n in zip(traces.action_labels, counts, strict=True)]


def _distinct(traces: Traces) -> list[Label]:
    return list(dict.fromkeys(label for own in traces.action_labels for label in own))


def _spellings(traces: Traces) -> Iterator[Finding]:
    alike = defaultdict(list)
    for label in _distinct(traces):
        alike[(type(label) is str, spelling(label))].append(label)
    groups = [group for group in alike.values() if len({str(label) for label in group}) > 1]
    if groups:
        dust = not isinstance(groups[0][0], str)
        how = "by floating-point dust" if dust else "in capitals or blanks"
        shown = "; ".join(" and ".join(map(repr, group)) for group in groups[:3])
        yield Finding(
            "float_dust" if dust else "near_duplicate_labels",
            DECISION,
            f"actions that differ only {how} count as different: {shown}",
            "If they are one, merge them",
            "--merge-labels",
        )


def _blanks(traces: Traces) -> Iterator[Finding]:
    labels = _distinct(traces)
    blank = [label for label in labels if isinstance(label, str) and label != " ".join(label.split())]
    if blank and len({spelling(label) for label in labels}) == len(labels):
        yield Finding(
            "blanks", NOTE, f"actions have blanks in their names: {few(blank)}", "Take them off", "--merge-labels"
        )


def _codes_for_missing(traces: Traces, played: list[dict[Label, int]]) -> Iterator[Finding]:
    decisions = sum(sum(own.values()) for own in played)
    for label in _distinct(traces):
        number = sum(own.get(label, 0) for own in played)
        rare = isinstance(label, str) or number < _MOST_MISSING * decisions  # -1, 0, 1 may be down, stay, up
        if rare and _looks_missing(label, [other for other in _distinct(traces) if other != label]):
            yield Finding(
                "missing_code",
                DECISION,
                f"{label!r} is read as an action, taken {number} times",
                "If it means that nothing was observed, say so",
                f"--missing {label}",
            )


def _looks_missing(label: Label, others: list[Label]) -> bool:
    if isinstance(label, str):
        return bool(_MISSING_WORDS.fullmatch(label.strip()))
    numbers = [float(other) for other in others if not isinstance(other, str)]
    if isinstance(label, bool) or float(label) not in _MISSING_NUMBERS or not numbers:
        return False
    highest = max(map(abs, numbers))
    return (min(numbers) >= 0 > label and len(numbers) > 1) or 0 < 4 * highest < label


def _never_played(traces: Traces, played: list[dict[Label, int]]) -> Iterator[Finding]:
    for agent, own in zip(traces.agents, played, strict=True):
        never = [label for label, times in own.items() if not times]
        others = [label for label in never if any(elsewhere.get(label) for elsewhere in played)]
        if others:
            yield Finding(
                "phantom_actions",
                DECISION,
                f"agent {agent!r} has the actions {few(others)}, which only others ever took",
                "If it could not take them, declare those that it has: an action too many shifts all its payoffs",
                _actions_option(agent, [label for label in own if label not in others]),
            )
        if nobodys := [label for label in never if label not in others]:
            yield Finding(
                "never_played",
                NOTE,
                f"agent {agent!r} never took {few(nobodys)}",
                "Of such an action only an upper bound of its payoff is known; if it could not take it, leave it out",
                _actions_option(agent, [label for label in own if label not in never]),
            )


def _played_by_others_only(traces: Traces) -> Iterator[Finding]:
    """Agents, read with their own actions only, that share some with agents who have more."""
    sets = [set(own) for own in traces.action_labels]
    lacking = {}
    for agent, own in zip(traces.agents, sets, strict=True):
        more = {label for other in sets if other & own for label in other} - own
        if more:
            lacking[agent] = (sorted(own, key=str), sorted(more, key=str))
    if lacking:
        agent, (its, others) = next(iter(lacking.items()))
        rest = f"; so it is with {few(list(lacking)[1:])}" if len(lacking) > 1 else ""
        yield Finding(
            "others_actions",
            NOTE,
            f"agent {agent!r} never took {few(others)}, which others took beside its {few(its)}: "
            f"not read as an action that it has{rest}",
            "If it could have taken them, declare them",
            _actions_option(agent, [*its, *others]),
        )


def _actions_option(agent: str, labels: list[Any]) -> str:
    return f"--actions {agent}={','.join(map(str, labels))}"
