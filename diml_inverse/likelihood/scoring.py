"""Log probability of each decision of observed play, round by round given all that went before."""

from __future__ import annotations

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import compiled
from diml_inverse.likelihood.play import ObservedPlay, by_agents


def decision_log_likelihoods(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability (nats) of every observed decision, [E, T, N]; 0 where not scored.

    For the gradient of their sum use `total_log_likelihood`, whose memory does not grow with the number of agents.
    """
    table = mechanism.context_payoffs(play.contexts)
    if is_compiled(play, dynamics):
        return compiled.decisions(play.followed, dynamics, table)
    parts = by_agents(mechanism, dynamics, play)
    return torch.cat([scored_log_probs(payoffs_along(table, part), its, part) for part, its in parts], -1)


def is_compiled(play: ObservedPlay, dynamics: Dynamics) -> bool:
    """Whether the compiled recursion follows the play."""
    return compiled.follows(play.followed, dynamics)


def log_choice_probs(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability (nats) of every action at every round, [E, T, N, A]; -inf where an agent has no such action."""
    table = mechanism.context_payoffs(play.contexts)
    if is_compiled(play, dynamics):
        return compiled.log_choice_probs(play.followed, dynamics, table)
    check_without_persons(play)
    payoffs = _zero_unless_known(payoffs_along(table, play), play)
    return dynamics.path_log_probs(payoffs, play.actions, play.action_mask)


def scored_log_probs(payoffs: Tensor, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Log probability of every observed decision, [E, T, N], 0 where not scored. payoffs: along the play."""
    check_without_persons(play)
    log_probs = dynamics.path_chosen_log_probs(_zero_unless_known(payoffs, play), play.actions, play.action_mask)
    return torch.where(play.scored, log_probs, 0.0)


def check_without_persons(play: ObservedPlay) -> None:
    """Raise ValueError where persons take what they learnt from match to match, which matches apart do not show."""
    if play.traces.persons is not None:
        raise ValueError(
            "persons are followed from match to match in whole play by the compiled recursion only: not in parts of it "
            "(as `identify` takes them), not on a GPU"
        )


def payoffs_along(table: Tensor, play: ObservedPlay) -> Tensor:
    """Counterfactual payoffs along the play, [E, T, N, A]. table: the mechanism's `context_payoffs`, [K, A]."""
    # The backward pass of `gather` is several times faster than that of an embedding or of indexing.
    return table.gather(0, rows_along(play, table)).reshape(*play.actions.shape, -1)


def rows_along(play: ObservedPlay, table: Tensor) -> Tensor:
    """Row of the table for each entry of the payoffs along the play, [E T N, A]; a view."""
    return play.contexts.index.reshape(-1, 1).expand(-1, table.shape[1])


def _zero_unless_known(payoffs: Tensor, play: ObservedPlay) -> Tensor:
    """Payoffs along the play, [E, T, N, A], 0 where undetermined or no such action."""
    if play.action_mask is not None:
        payoffs = torch.where(play.action_mask, payoffs, 0.0)
    return payoffs if bool(play.determined.all()) else torch.where(play.determined[..., None], payoffs, 0.0)


def nonfinite_place(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> str:
    """Where a NaN or infinity first arises along the play, in the user's labels; for error messages."""
    with torch.no_grad():
        table = mechanism.context_payoffs(play.contexts)
        parts = by_agents(mechanism, dynamics, play)
        payoffs = [_zero_unless_known(payoffs_along(table, part), part).isfinite().all(-1) for part, _ in parts]
        stages = {
            "counterfactual payoffs": lambda: torch.cat(payoffs, -1),
            "log-likelihood": lambda: decision_log_likelihoods(mechanism, dynamics, play).isfinite(),
        }
        for stage, finite in stages.items():
            places = (~finite()).nonzero().tolist()
            if places:
                episode, round_, agent = min(places, key=lambda place: place[1])
                who, where = play.traces.agents[agent], play.traces.episodes[episode]
                return f"{stage} at round {round_} of agent {who!r}, episode {where!r}"
    return "the gradient"
