"""Likelihood of observed play under a mechanism and surrogate dynamics, exact over whole episodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING, Contexts, Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics

# A decision counts although unobserved play has touched its attractions once at most this share of their weight
# rests on it: without such a bound one missed action would silence the rest of an episode, since geometric
# weights never reach zero.
UNKNOWN_SHARE = 0.01


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
    scored[:, 0] = False  # nothing learnt yet: the choice says nothing about payoffs
    if bool(determined.all()):
        return scored
    everywhere = torch.ones(*actions.shape, num_actions, dtype=torch.float64, device=actions.device)
    unknown = everywhere * ~determined[..., None]  # a payoff of one wherever none is known
    with torch.no_grad():
        weight, whole = (dynamics.attractions(ones, actions.clamp(min=0)) for ones in (unknown, everywhere))
    return scored & (weight <= UNKNOWN_SHARE * whole).all(-1)


def observed_payoffs(mechanism: Mechanism, play: ObservedPlay) -> Tensor:
    """Counterfactual payoffs along the play, [E, T, N, A]; 0 where undetermined or no such action."""
    payoffs = torch.nn.functional.embedding(play.contexts.index, mechanism.context_payoffs(play.contexts))
    if play.action_mask is not None:
        payoffs = torch.where(play.action_mask, payoffs, 0.0)
    return payoffs if bool(play.determined.all()) else torch.where(play.determined[..., None], payoffs, 0.0)


def log_choice_probs(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability (nats) of every action at every round, [E, T, N, A]; -inf where an agent has no such action."""
    attractions = dynamics.attractions(observed_payoffs(mechanism, play), play.actions)
    return dynamics.log_choice_probs(attractions, play.action_mask)


def decision_log_likelihoods(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability (nats) of every observed decision, [E, T, N]; 0 where not scored."""
    attractions = dynamics.attractions(observed_payoffs(mechanism, play), play.actions)
    log_probs = dynamics.chosen_log_probs(attractions, play.actions, play.action_mask)
    return torch.where(play.scored, log_probs, 0.0)


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
    return decision_log_likelihoods(mechanism, dynamics, play).sum() / play.scored.sum()


def nonfinite_place(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> str:
    """Where a NaN or infinity first arises along the play, in the user's labels; for error messages."""
    with torch.no_grad():
        stages = {
            "counterfactual payoffs": observed_payoffs(mechanism, play),
            "log-likelihood": decision_log_likelihoods(mechanism, dynamics, play)[..., None],
        }
    for stage, values in stages.items():
        if (bad := (~values.isfinite()).any(-1).nonzero()).numel():
            episode, round_, agent = min(bad.tolist(), key=lambda place: place[1])
            traces = play.traces
            return f"{stage} at round {round_} of agent {traces.agents[agent]!r}, episode {traces.episodes[episode]!r}"
    return "the gradient"
