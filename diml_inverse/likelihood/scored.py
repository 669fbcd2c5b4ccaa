"""Which decisions count: those observed whose attractions rest on payoffs that are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood.sequences import Sequences, sequences

# A decision counts although unobserved play has touched its attractions once at most this share of their weight
# rests on it: without such a bound one missed action would silence the rest of an episode, since geometric
# weights never reach zero.
UNKNOWN_SHARE = 0.01

# Payoffs [E, T, n, A] held at once: agents are taken n at a time. Few enough to stay near the processor's cache.
MOST_PAYOFFS = 2**20


def scored_decisions(
    dynamics: Dynamics, traces: Traces, actions: Tensor, determined: Tensor, num_actions: int
) -> Tensor:
    """bool [E, T, N]: observed choices, but the first of each learner, whose attractions rest on determined payoffs.

    Whatever the learners are like, a learner's first choice is never scored, so that all are compared on the same ones.
    """
    stateful = isinstance(dynamics, AttractionDynamics) and dynamics.stateful
    if stateful:
        assert isinstance(dynamics, AttractionDynamics)
        return _in_states(dynamics, traces, actions, determined, num_actions)
    if traces.persons is None:
        first = torch.zeros_like(determined)
        first[:, 0] = True
        return _scored(dynamics, actions, determined, first, num_actions) & _followed(traces, actions)
    order = sequences(traces, getattr(dynamics, "persists", True))
    laid = [_laid_out(order, grid, fill) for grid, fill in ((actions, MISSING), (determined, True))]
    first = _laid_out(order, torch.from_numpy(order.first).to(actions.device), False)
    if getattr(getattr(dynamics, "learner", None), "num_agents", None) and not bool(laid[1].all()):
        raise ValueError("persons with unobserved actions need learners' parameters that all agents share")
    scored = _scored(dynamics, laid[0], laid[1], first, num_actions)
    found = torch.zeros_like(determined)
    found[_places(order)] = scored[_rows(order), torch.from_numpy(order.time), 0]
    return found


def _followed(traces: Traces, actions: Tensor) -> Tensor:
    """bool [N]: the seat's moves are not given."""
    return torch.tensor([agent not in traces.given for agent in traces.agents], device=actions.device)


def _places(order: Sequences) -> tuple[Tensor, Tensor, Tensor]:
    return torch.from_numpy(order.episode), torch.from_numpy(order.round), torch.from_numpy(order.seat)


def _rows(order: Sequences) -> Tensor:
    lengths = np.diff(order.starts)
    return torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))


def _laid_out(order: Sequences, values: Tensor, fill: bool | int) -> Tensor:
    """Learner by learner in time. [E, T, N] or [n] -> [Q, L, 1]"""
    shape = len(order.starts) - 1, int(np.diff(order.starts).max(initial=1)), 1
    laid = torch.full(shape, fill, dtype=values.dtype, device=values.device)
    laid[_rows(order), torch.from_numpy(order.time), 0] = values[_places(order)] if values.dim() == 3 else values
    return laid


def _in_states(
    dynamics: AttractionDynamics, traces: Traces, actions: Tensor, determined: Tensor, num_actions: int
) -> Tensor:
    """Where the state is known and, with inertia or habit, the last choice. What is not known is passed over."""
    known = dynamics.states_of(traces.num_agents, num_actions).along(actions) >= 0
    observed = actions != MISSING
    if dynamics.uses("inertia") or dynamics.uses("habit"):
        known[:, 1:] &= observed[:, :-1]
    order = sequences(traces)
    later = torch.zeros_like(determined)
    later[_places(order)] = torch.from_numpy(~order.first).to(later.device)
    return observed & known & later


def _scored(dynamics: Dynamics, actions: Tensor, determined: Tensor, first: Tensor, num_actions: int) -> Tensor:
    """[E, T, N] each; round 0 is where memory begins."""
    scored = actions != MISSING
    if dynamics.uses_actions:  # what was learnt, and any habit, hangs on the own choice of the round before
        determined = determined & scored
        before = scored.roll(1, 1)
        before[:, 0] = True
        scored = scored & before
    scored = scored & ~first
    if bool(determined.all()):
        return scored
    shape = (*actions.shape, num_actions)
    known = [
        _known(dynamics.of_agents(part), actions[..., part], determined[..., part], num_actions)
        for part in agents_at_once(shape, dynamics)
    ]
    return scored & torch.cat(known, -1)


def _known(dynamics: Dynamics, actions: Tensor, determined: Tensor, num_actions: int) -> Tensor:
    """Attractions rest on determined payoffs, up to the share that is let pass. bool [E, T, n]."""
    unknown = (~determined[..., None]).double().expand(*actions.shape, num_actions)
    known = torch.ones_like(determined)
    # Whatever an unobserved choice was: with each of them in its place, a payoff of one wherever none is known.
    for guess in range(num_actions) if dynamics.uses_actions and bool((actions == MISSING).any()) else (0,):
        choices = torch.where(actions == MISSING, guess, actions)
        with torch.no_grad():
            nothing, weight, whole = (
                dynamics.attractions(payoffs, choices)
                for payoffs in (torch.zeros_like(unknown), unknown, torch.ones_like(unknown))
            )
        share = (weight - nothing).abs() <= UNKNOWN_SHARE * (whole - nothing).abs()
        known = known & share.all(-1)
    return known


def agents_at_once(shape: tuple[int, ...], dynamics: Dynamics) -> Iterator[slice]:
    """Agents, as many at a time as `MOST_PAYOFFS` allows, at least one; all if they learn together.

    shape: [E, T, N, A].
    """
    episodes, rounds, agents, actions = shape
    size = agents if dynamics.learns_together else max(MOST_PAYOFFS // (episodes * rounds * actions), 1)
    return (slice(start, min(start + size, agents)) for start in range(0, agents, size))
