"""Contexts: the distinct situations in which agents chose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MISSING = -1  # an action that was not observed


@dataclass(frozen=True)
class Contexts:
    """The distinct situations in which the agents of some play chose.

    A context is what an agent's counterfactual payoffs depend on: who it is and what the others did, or less
    where the mechanism knows a symmetry. Play revisits contexts, so a candidate is evaluated once on each of
    them (`Mechanism.context_payoffs`) and the result is gathered.

    Attributes:
        index: int64 [*B, N]; row of `context_payoffs` that belongs to agent i at that place of the batch;
            `MISSING` where an unobserved action of another agent leaves the payoffs undetermined.
        inputs: what the mechanism needs to evaluate the K contexts; tensors of its own making.
    """

    index: Tensor
    inputs: tuple[Tensor, ...]


def distinct_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows [U, N] of an int64 [M, N], and for each row its place among them [M]."""
    # One integer key a row sorts far faster than whole rows; rows too wide for 63 bits are compared whole.
    low = rows.amin(0) if rows.shape[0] else rows.new_zeros(rows.shape[1])
    spans = rows.amax(0) - low + 1 if rows.shape[0] else torch.ones_like(low)
    if float(spans.double().log2().sum()) > 62:
        distinct, place = torch.unique(rows, dim=0, return_inverse=True)
        return distinct, place
    radix = torch.cat([spans[1:].flip(0).cumprod(0).flip(0), spans.new_ones(1)])
    keys, place = torch.unique(((rows - low) * radix).sum(1), return_inverse=True)
    return keys[:, None] // radix % spans + low, place
