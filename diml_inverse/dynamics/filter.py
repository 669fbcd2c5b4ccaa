"""A first-order linear filter over time as matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 64  # rounds filtered by one product; cost and memory of a product grow with its square


def decaying_sum(values: Tensor, decay: Tensor) -> Tensor:
    """y(t) = decay y(t-1) + values(t), y(-1) = 0, along the second axis. values: [E, T, D] -> [E, T, D].

    A product with the triangular matrix decay^(t-s) inside chunks; what the chunks leave behind is filtered by
    the same function over chunks, with decay^CHUNK. Exact, linear in T in time and memory.
    """
    num_episodes, num_rounds, width = values.shape
    if num_rounds <= CHUNK:
        return _kernel(num_rounds, decay) @ values
    num_chunks = -(-num_rounds // CHUNK)
    padded = torch.nn.functional.pad(values, (0, 0, 0, num_chunks * CHUNK - num_rounds))
    chunks = padded.reshape(num_episodes * num_chunks, CHUNK, width)
    within = (_kernel(CHUNK, decay) @ chunks).reshape(num_episodes, num_chunks, CHUNK, width)
    left_behind = decaying_sum(within[:, :-1, -1], decay**CHUNK)  # [E, chunks - 1, D]
    carried = torch.nn.functional.pad(left_behind, (0, 0, 1, 0))[:, :, None]
    fading = decay ** torch.arange(1, CHUNK + 1, device=values.device, dtype=values.dtype)
    total = within + fading[:, None] * carried
    return total.reshape(num_episodes, num_chunks * CHUNK, width)[:, :num_rounds]


def _kernel(num_rounds: int, decay: Tensor) -> Tensor:
    """decay^(t-s) for s <= t, else 0. [T, T]"""
    rounds = torch.arange(num_rounds, device=decay.device, dtype=decay.dtype)
    ages = rounds[:, None] - rounds
    return torch.where(ages >= 0, decay ** ages.clamp(min=0), 0.0)
