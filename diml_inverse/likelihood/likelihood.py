"""Likelihood of observed play under a mechanism and surrogate dynamics, exact over whole episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics

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
    """

    actions: Tensor
    contexts: Contexts
    determined: Tensor
    scored: Tensor
    action_mask: Tensor | None
    traces: Traces


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
    return ObservedPlay(
        actions.clamp(min=0),
        Contexts(contexts.index.clamp(min=0), contexts.inputs),
        determined,
        scored,
        None if equal_counts else mechanism.action_mask.to(device),
        traces,
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


def _parts(shape: tuple[int, ...], dynamics: Dynamics) -> Iterator[slice]:
    """Agents, as many at a time as `MOST_PAYOFFS` allows, at least one; all if they learn together.

    shape: [E, T, N, A].
    """
    episodes, rounds, agents, actions = shape
    size = agents if dynamics.learns_together else max(MOST_PAYOFFS // (episodes * rounds * actions), 1)
    return (slice(start, min(start + size, agents)) for start in range(0, agents, size))


def _of_agents(play: ObservedPlay, agents: slice) -> ObservedPlay:
    """The play as far as these agents' decisions go; views, no copies."""
    return replace(
        play,
        actions=play.actions[..., agents],
        contexts=replace(play.contexts, index=play.contexts.index[..., agents]),
        determined=play.determined[..., agents],
        scored=play.scored[..., agents],
        action_mask=None if play.action_mask is None else play.action_mask[agents],
    )


def _split(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> list[tuple[ObservedPlay, Dynamics]]:
    """The play agents by agents, so that what is held at once does not grow with their number; and their dynamics."""
    parts = list(_parts((*play.actions.shape, mechanism.num_actions), dynamics))
    if len(parts) == 1:
        return [(play, dynamics)]
    return [(_of_agents(play, part), dynamics.of_agents(part)) for part in parts]


def _rows(play: ObservedPlay, table: Tensor) -> Tensor:
    """Row of the table for each entry of the payoffs along the play, [E T N, A]; a view."""
    return play.contexts.index.reshape(-1, 1).expand(-1, table.shape[1])


def _payoffs_along(table: Tensor, play: ObservedPlay) -> Tensor:
    """Counterfactual payoffs along the play, [E, T, N, A]. table: the mechanism's `context_payoffs`, [K, A]."""
    # The backward pass of `gather` is several times faster than that of an embedding or of indexing.
    return table.gather(0, _rows(play, table)).reshape(*play.actions.shape, -1)


def _zero_unless_known(payoffs: Tensor, play: ObservedPlay) -> Tensor:
    """Payoffs along the play, [E, T, N, A], 0 where undetermined or no such action."""
    if play.action_mask is not None:
        payoffs = torch.where(play.action_mask, payoffs, 0.0)
    return payoffs if bool(play.determined.all()) else torch.where(play.determined[..., None], payoffs, 0.0)


def _decisions(payoffs: Tensor, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    attractions = dynamics.attractions(_zero_unless_known(payoffs, play), play.actions)
    log_probs = dynamics.chosen_log_probs(attractions, play.actions, play.action_mask)
    return torch.where(play.scored, log_probs, 0.0)


def log_choice_probs(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability (nats) of every action at every round, [E, T, N, A]; -inf where an agent has no such action."""
    payoffs = _zero_unless_known(_payoffs_along(mechanism.context_payoffs(play.contexts), play), play)
    return dynamics.log_choice_probs(dynamics.attractions(payoffs, play.actions), play.action_mask)


def decision_log_likelihoods(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability (nats) of every observed decision, [E, T, N]; 0 where not scored.

    For the gradient of their sum use `total_log_likelihood`, whose memory does not grow with the number of agents.
    """
    table = mechanism.context_payoffs(play.contexts)
    parts = _split(mechanism, dynamics, play)
    return torch.cat([_decisions(_payoffs_along(table, part), its, part) for part, its in parts], -1)


def total_log_likelihood(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Sum of `decision_log_likelihoods`, in nats; differentiable, but only once where there are many agents.

    Many agents are taken some at a time: only the gradient with respect to the payoffs of contexts, [K, A], goes from
    one part to the next, and through the mechanism once in the end.
    """
    parts = _split(mechanism, dynamics, play)
    if len(parts) == 1 or not torch.is_grad_enabled():
        return decision_log_likelihoods(mechanism, dynamics, play).sum()
    fitted = [parameter for parameter in dynamics.parameters() if parameter.requires_grad]
    total: Tensor = _Streamed.apply(parts, mechanism.context_payoffs(play.contexts), *fitted)
    return total


class _Streamed(torch.autograd.Function):
    """Sum of the parts' decisions, the graph of each let go before that of the next is built."""

    @staticmethod
    def forward(ctx: Any, parts: list[tuple[ObservedPlay, Dynamics]], table: Tensor, *fitted: Tensor) -> Tensor:
        total, of_table, *of_fitted = (torch.zeros_like(x) for x in (table.new_zeros(()), table, *fitted))
        for part, dynamics in parts:
            payoffs = _payoffs_along(table, part).requires_grad_()
            with torch.enable_grad():
                value = _decisions(payoffs, dynamics, part).sum()
            of_payoffs, *more = torch.autograd.grad(value, (payoffs, *fitted), materialize_grads=True)
            of_table.scatter_add_(0, _rows(part, table), of_payoffs.reshape(-1, table.shape[1]))
            for gradient, of_part in zip(of_fitted, more, strict=True):
                gradient += of_part
            total += value.detach()
        ctx.save_for_backward(of_table, *of_fitted)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(gradient * saved for saved in ctx.saved_tensors)


def log_likelihood(mechanism: Mechanism, dynamics: Dynamics, traces: Traces) -> Tensor:
    """Mean log-likelihood of the observed decisions, in nats per scored decision; differentiable.

    Decisions of rounds 1..T-1 are scored (in round 0 nothing has been learnt). A decision that was not observed is
    not scored. Where another agent's action was not observed, the counterfactual payoffs of that round are
    undetermined (unless the mechanism's contexts say otherwise) and later decisions that lean on them by more than
    1 % of the weight of the past are not scored either; once faded, the gap counts as a round without differences.

    Raises:
        ValueError: mechanism and traces do not fit together, or no decision can be scored.
    """
    play = observe(mechanism, dynamics, traces)
    return total_log_likelihood(mechanism, dynamics, play) / play.scored.sum()


def nonfinite_place(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> str:
    """Where a NaN or infinity first arises along the play, in the user's labels; for error messages."""
    with torch.no_grad():
        table = mechanism.context_payoffs(play.contexts)
        stages: dict[str, Callable[[Tensor, Dynamics, ObservedPlay], Tensor]] = {
            "counterfactual payoffs": lambda payoffs, _, part: _zero_unless_known(payoffs, part).isfinite().all(-1),
            "log-likelihood": lambda payoffs, its, part: _decisions(payoffs, its, part).isfinite(),
        }
        for stage, finite in stages.items():
            found = [finite(_payoffs_along(table, part), its, part) for part, its in _split(mechanism, dynamics, play)]
            places = (~torch.cat(found, -1)).nonzero().tolist()
            if places:
                episode, round_, agent = min(places, key=lambda place: place[1])
                who, where = play.traces.agents[agent], play.traces.episodes[episode]
                return f"{stage} at round {round_} of agent {who!r}, episode {where!r}"
    return "the gradient"
