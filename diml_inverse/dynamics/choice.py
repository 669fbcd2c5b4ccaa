"""Choice rules: from attractions to log choice probabilities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

WIDE = 24  # actions from which torch's log_softmax, one fused pass at a fixed cost for each row, beats logsumexp
INDIFFERENCE = 1e-3  # weight of an action without positive regret


def logit_response(attractions: Tensor, precision: Tensor, action_mask: Tensor | None = None) -> Tensor:
    """Log probabilities of the logit choice rule, [*B, A] -> [*B, A]; -inf for actions that do not exist."""
    return _masked(precision * attractions, action_mask).log_softmax(-1)


def chosen_logit_response(
    attractions: Tensor, precision: Tensor, actions: Tensor, action_mask: Tensor | None = None
) -> Tensor:
    """The same of the actions taken only, int64 [*B, 1] -> [*B, 1]; cheaper."""
    logits = _masked(precision * attractions, action_mask)
    if logits.shape[-1] >= WIDE:
        return logits.log_softmax(-1).gather(-1, actions)
    return logits.gather(-1, actions) - logits.logsumexp(-1, keepdim=True)


def regret_response(attractions: Tensor, precision: Tensor, action_mask: Tensor | None = None) -> Tensor:
    """Log probabilities in proportion to positive regret, made smooth: softplus(precision A). [*B, A] -> [*B, A]

    Regret matching (Hart & Mas-Colell 2000) is its limit of infinite precision, attractions being regrets; there too
    all actions are equally likely where no regret is positive.
    """
    weights = softplus(precision * attractions) + INDIFFERENCE
    return _masked(weights.log(), action_mask).log_softmax(-1)


def explore(log_probs: Tensor, exploration: Tensor, count: Tensor | int) -> Tensor:
    """log((1 - exploration) p + exploration / count): a share of choices made uniformly at random."""
    return ((1 - exploration) * log_probs.exp() + exploration / count).log()


def _masked(logits: Tensor, action_mask: Tensor | None) -> Tensor:
    return logits if action_mask is None else logits.masked_fill(~action_mask, -torch.inf)
