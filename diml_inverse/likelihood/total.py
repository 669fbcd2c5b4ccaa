"""Log-likelihood of whole episodes, exact; many agents are taken some at a time, so that memory stays bounded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood.play import ObservedPlay, by_agents, observe
from diml_inverse.likelihood.scoring import (
    decision_log_likelihoods,
    is_compiled,
    payoffs_along,
    rows_along,
    scored_log_probs,
)


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


def total_log_likelihood(mechanism: Mechanism, dynamics: Dynamics, play: ObservedPlay) -> Tensor:
    """Sum of `decision_log_likelihoods`, in nats; differentiable, but only once where there are many agents.

    Many agents are taken some at a time: only the gradient with respect to the payoffs of contexts, [K, A], goes from
    one part to the next, and through the mechanism once in the end.
    """
    if is_compiled(play, dynamics):
        return decision_log_likelihoods(mechanism, dynamics, play).sum()
    parts = by_agents(mechanism, dynamics, play)
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
            payoffs = payoffs_along(table, part).requires_grad_()
            with torch.enable_grad():
                value = scored_log_probs(payoffs, dynamics, part).sum()
            of_payoffs, *more = torch.autograd.grad(value, (payoffs, *fitted), materialize_grads=True)
            of_table.scatter_add_(0, rows_along(part, table), of_payoffs.reshape(-1, table.shape[1]))
            for gradient, of_part in zip(of_fitted, more, strict=True):
                gradient += of_part
            total += value.detach()
        ctx.save_for_backward(of_table, *of_fitted)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(gradient * saved for saved in ctx.saved_tensors)
