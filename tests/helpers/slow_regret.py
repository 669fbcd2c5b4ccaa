"""Regret, and the set of payoffs of little regret, as they are defined: loops, grids and no linear programme."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

MISSING = -1


def payoff(mechanism, profile, agent, action):
    """Of one agent, had it alone played `action`."""
    changed = list(profile)
    changed[agent] = action
    return float(mechanism(torch.tensor(changed))[agent].detach())


def condition_value(traces, against, episode, round_, agent):
    """What a rule may look at before this choice; None: the choice is not judged."""
    actions = traces.actions
    if against == "external":
        return 0
    if against in ("internal", "swap"):
        return int(actions[episode, round_, agent])
    if against == "episode":
        return episode
    if round_ == 0:
        return "start"
    before = tuple(actions[episode, round_ - 1].tolist())
    return None if MISSING in before else before


def regret(mechanism, traces, agent, against="external", exploration=0.0):
    """Per round not explored."""
    count = traces.action_counts[agent]
    gains, rounds = defaultdict(lambda: np.zeros(count)), 0.0
    for episode in range(len(traces)):
        for round_ in range(int(traces.lengths[episode])):
            profile = traces.actions[episode, round_].tolist()
            value = condition_value(traces, against, episode, round_, agent)
            if MISSING in profile or value is None:
                continue
            of_each = np.array([payoff(mechanism, profile, agent, action) for action in range(count)])
            rest = of_each[profile[agent]] - exploration * of_each.mean()
            gains[value] += (1 - exploration) * of_each - rest
            rounds += 1 - exploration
    best = [total.max() for total in gains.values()]
    return (max(best) if against == "internal" else sum(best)) / rounds


def directions(steps):
    """Every pair of differences the larger of which is 1, on a grid of the square's sides."""
    line = np.linspace(-1, 1, steps)
    sides = ((end, other) for end in (-1.0, 1.0) for other in line)
    return [pair for first, second in sides for pair in ((first, second), (second, first))]


def two_by_two(first, second):
    """Payoffs [2, 2, 2] of the row player alone: its first action less its second is worth this against each column."""
    table = np.zeros((2, 2, 2))
    table[0, 0, 0], table[0, 1, 0] = first, second
    return table
