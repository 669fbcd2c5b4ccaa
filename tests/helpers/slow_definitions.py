"""Slow, obviously right definitions: plain loops that call a mechanism on one profile at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import MISSING, Mechanism
from diml_inverse import LogitDynamics


def played(
    mechanism: Mechanism, episodes: int, rounds: int, seed: int = 0, dynamics: LogitDynamics | None = None
) -> Traces:
    """Play of logit learners, the paper's by default."""
    learner = agents.LogitQ(**(dynamics or LogitDynamics()).config())
    env = RepeatedGameEnv(mechanism, max_cycles=rounds)
    return agents.rollout(env, learner, num_episodes=episodes, seed=seed).traces


def random_traces(action_counts: Sequence[int], lengths: Sequence[int], seed: int = 0, missing: float = 0.0) -> Traces:
    """Actions drawn uniformly, each unobserved with probability `missing`."""
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    actions = np.stack([rng.integers(count, size=shape) for count in action_counts], -1)
    actions[rng.random(actions.shape) < missing] = MISSING
    return Traces(actions, lengths, action_labels=[range(count) for count in action_counts])


def scored_log_probs(mechanism: Mechanism, dynamics: LogitDynamics, traces: Traces) -> dict[tuple[int, ...], Tensor]:
    """Log probability of each scored decision (episode, round, agent), by the paper's recursion.

    Attractions and choice probabilities of every agent and action are followed round by round. Beside the
    attractions goes the share of their weight that rests on rounds whose payoffs could not be known, because
    another agent's action was not observed: such a round counts as one without differences, and a decision is scored
    if it was observed, is not the first, and at most 1 % of the weight is of that kind.
    """
    rate, precision, exploration = dynamics.config().values()
    scored: dict[tuple[int, ...], Tensor] = {}
    for episode in range(traces.num_episodes):
        for agent in range(traces.num_agents):
            count = mechanism.action_counts[agent]
            attractions = [torch.tensor(0.0, dtype=torch.float64)] * count
            unknown = known = 0.0
            for round_ in range(traces.lengths[episode]):
                profile = traces.actions[episode, round_].tolist()
                if round_ > 0 and profile[agent] != MISSING and unknown <= 0.01 * (unknown + known):
                    powers = [torch.exp(precision * attraction) for attraction in attractions]
                    prob = (1 - exploration) * powers[profile[agent]] / sum(powers) + exploration / count
                    scored[episode, round_, agent] = torch.log(prob)
                others = profile[:agent] + profile[agent + 1 :]
                determined = MISSING not in others
                unknown = (1 - rate) * unknown + (0 if determined else rate)
                known = (1 - rate) * known + (rate if determined else 0)
                for action in range(count):
                    deviation = [*profile[:agent], action, *profile[agent + 1 :]]
                    payoff = mechanism(torch.tensor(deviation))[agent] if determined else 0.0
                    attractions[action] = (1 - rate) * attractions[action] + rate * payoff
    return scored


def unrolled_log_likelihood(mechanism: Mechanism, dynamics: LogitDynamics, traces: Traces) -> Tensor:
    """Mean of `scored_log_probs`."""
    log_probs = list(scored_log_probs(mechanism, dynamics, traces).values())
    return torch.stack(log_probs).mean()


def payoff_differences(mechanism: Mechanism) -> dict[tuple[int, ...], float]:
    """Payoff of each action b > 0 less that of action 0, keyed (agent, b, *the others' actions)."""
    found = {}
    profiles = torch.cartesian_prod(*[torch.arange(count) for count in mechanism.action_counts])
    for profile in profiles.reshape(-1, mechanism.num_agents).tolist():
        for agent, action in enumerate(profile):
            if action > 0:
                base = [*profile[:agent], 0, *profile[agent + 1 :]]
                difference = mechanism(torch.tensor(profile))[agent] - mechanism(torch.tensor(base))[agent]
                found[agent, action, *profile[:agent], *profile[agent + 1 :]] = float(difference)
    return found


def choice_counts(traces: Traces, agent: int) -> dict[tuple[int, int], int]:
    """Two agents: how often `agent` chose b in the round after the other one's action a; keyed (a, b)."""
    counts: dict[tuple[int, int], int] = {}
    for episode, length in zip(traces.actions, traces.lengths, strict=True):
        for before, after in pairwise(episode[:length].tolist()):
            key = before[1 - agent], after[agent]
            counts[key] = counts.get(key, 0) + 1
    return counts
