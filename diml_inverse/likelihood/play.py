"""Observed play made ready for a mechanism: what of it does not change in a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood.compiled import Followed, followed
from diml_inverse.likelihood.scored import agents_at_once, scored_decisions


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

    def of_episodes(self, kept: NDArray[np.bool_]) -> ObservedPlay:
        """The same play, only the decisions of these episodes scored. bool [E]"""
        scored = self.scored & torch.tensor(kept, device=self.scored.device)[:, None, None]
        return replace(self, scored=scored, followed=self.followed and self.followed.of_episodes(kept))


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
    scored = scored_decisions(dynamics, traces, actions, determined, mechanism.num_actions)
    if not scored.any():
        raise ValueError(
            "no decision can be scored: likelihood needs episodes of at least two rounds in which an agent's choice "
            f"and, before it, the others' choices were observed; got {traces}"
        )
    index = contexts.index.clamp(min=0)
    steps = followed(dynamics, mechanism, traces, index, determined, scored)
    if traces.persons is not None and steps is None:
        raise ValueError(
            f"{type(dynamics).__name__} cannot follow persons from match to match here: use AttractionDynamics on the "
            "processor, or traces without persons"
        )
    if (
        steps is None
        and getattr(dynamics, "stateful", False)
        and bool(traces.observed.sum() < traces.lengths.sum() * traces.num_agents)
    ):
        raise ValueError("learners with states are followed through unobserved actions on the processor only")
    return ObservedPlay(
        actions.clamp(min=0),
        Contexts(index, contexts.inputs),
        determined,
        scored,
        None if equal_counts else mechanism.action_mask.to(device),
        traces,
        steps,
    )


def by_agents(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> list[tuple[ObservedPlay, Dynamics]]:
    """The play agents by agents, so that what is held at once does not grow with their number; and their dynamics."""
    parts = list(agents_at_once((*play.actions.shape, mechanism.num_actions), dynamics))
    if len(parts) == 1:
        return [(play, dynamics)]
    return [(play.of_agents(part), dynamics.of_agents(part)) for part in parts]
