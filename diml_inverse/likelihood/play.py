"""Observed play made ready for a mechanism: what of it does not change in a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood.compiled import Followed, followed

# A decision counts although unobserved play has touched its attractions once at most this share of their weight
# rests on it: without such a bound one missed action would silence the rest of an episode, since geometric
# weights never reach zero.
UNKNOWN_SHARE = 0.01

# Payoffs [E, T, n, A] held at once: agents are taken n at a time. Few enough to stay near the processor's cache.
MOST_PAYOFFS = 2**20


@dataclass(frozen=True)
class ObservedPlay:
    """Traces made ready for one mechanism: everything that no parameter changes.

    Attributes:
        actions: int64 [E, T, N]; 0 where not observed.
        contexts: the distinct contexts and where each belongs, `index` [E, T, N] (0 where undetermined).
        determined: bool [E, T, N]; the agent's counterfactual payoffs follow from observed actions.
        scored: bool [E, T, N]; the decision counts in the likelihood.
        action_mask: bool [N, A] where agents have different numbers of actions, else None.
        traces: where it comes from, for messages.
        followed: the same for the compiled recursion, where that can follow the learners and all of the play is at
            hand; None: `Dynamics.attractions` follows them.
    """

    actions: Tensor
    contexts: Contexts
    determined: Tensor
    scored: Tensor
    action_mask: Tensor | None
    traces: Traces
    followed: Followed | None = None

    def of_agents(self, agents: slice) -> ObservedPlay:
        """The play as far as these agents' decisions go; views, no copies."""
        return replace(
            self,
            actions=self.actions[..., agents],
            contexts=replace(self.contexts, index=self.contexts.index[..., agents]),
            determined=self.determined[..., agents],
            scored=self.scored[..., agents],
            action_mask=None if self.action_mask is None else self.action_mask[agents],
            followed=None,
        )


def observe(mechanism: Mechanism, dynamics: Dynamics, traces: Traces) -> ObservedPlay:
    """Prepare traces for a mechanism, on its device.

    Raises:
        ValueError: the mechanism has another number of agents, or fewer actions than were played.
    """
    device = mechanism.device
    actions = torch.tensor(traces.actions, device=device)
    if mechanism.num_agents != traces.num_agents:
        raise ValueError(f"the mechanism has {mechanism.num_agents} agents, the traces {traces.num_agents}")
    mechanism.validate(actions, allow_missing=True)
    contexts = mechanism.contexts(actions)
    determined = contexts.index != MISSING
    equal_counts = len(set(mechanism.action_counts)) == 1
    scored = _scored(dynamics, actions, determined, mechanism.num_actions)
    if not scored.any():
        raise ValueError(
            "no decision can be scored: likelihood needs episodes of at least two rounds in which an agent's choice "
            f"and, before it, the others' choices were observed; got {traces}"
        )
    index = contexts.index.clamp(min=0)
    return ObservedPlay(
        actions.clamp(min=0),
        Contexts(index, contexts.inputs),
        determined,
        scored,
        None if equal_counts else mechanism.action_mask.to(device),
        traces,
        followed(dynamics, mechanism, traces, index, determined, scored),
    )


def _scored(dynamics: Dynamics, actions: Tensor, determined: Tensor, num_actions: int) -> Tensor:
    """Observed choices of rounds 1..T-1 whose attractions rest on determined payoffs."""
    scored = actions != MISSING
    if dynamics.uses_actions:  # what was learnt, and any habit, hangs on the own choice of the round before
        determined = determined & scored
        scored = scored & scored.roll(1, 1)
    scored[:, 0] = False  # nothing learnt yet: the choice says nothing about payoffs
    if bool(determined.all()):
        return scored
    shape = (*actions.shape, num_actions)
    known = [
        _known(dynamics.of_agents(part), actions[..., part], determined[..., part], num_actions)
        for part in _parts(shape, dynamics)
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


def by_agents(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> list[tuple[ObservedPlay, Dynamics]]:
    """The play agents by agents, so that what is held at once does not grow with their number; and their dynamics."""
    parts = list(_parts((*play.actions.shape, mechanism.num_actions), dynamics))
    if len(parts) == 1:
        return [(play, dynamics)]
    return [(play.of_agents(part), dynamics.of_agents(part)) for part in parts]


def _parts(shape: tuple[int, ...], dynamics: Dynamics) -> Iterator[slice]:
    """Agents, as many at a time as `MOST_PAYOFFS` allows, at least one; all if they learn together.

    shape: [E, T, N, A].
    """
    episodes, rounds, agents, actions = shape
    size = agents if dynamics.learns_together else max(MOST_PAYOFFS // (episodes * rounds * actions), 1)
    return (slice(start, min(start + size, agents)) for start in range(0, agents, size))
