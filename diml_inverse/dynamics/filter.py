"""A first-order linear filter over time as matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK = 64  # rounds filtered by one product; cost and memory of a product grow with its square


def decaying_sum(values: Tensor, decay: Tensor, weight: Tensor) -> Tensor:
    """y(t+1) = decay y(t) + weight values(t), y(0) = 0, along the second axis. values: [E, T, D] -> [E, T, D].

    y(t) is what the values before t leave behind. A product with a triangular matrix inside chunks; what the chunks
    leave behind is filtered by the same function over chunks, with decay^CHUNK. Exact, linear in T in time and memory.
    """
    num_episodes, num_rounds, width = values.shape
    if num_rounds <= CHUNK:
        return weight * _kernel(num_rounds, num_rounds, decay) @ values
    num_chunks = -(-num_rounds // CHUNK)
    padded = torch.nn.functional.pad(values, (0, 0, 0, num_chunks * CHUNK - num_rounds))
    chunks = padded.reshape(num_episodes * num_chunks, CHUNK, width)
    kernel = weight * _kernel(CHUNK + 1, CHUNK, decay)
    left_behind = (kernel[-1:] @ chunks).reshape(num_episodes, num_chunks, width)
    carried = decaying_sum(left_behind, decay**CHUNK, torch.ones_like(weight))[:, :, None]
    fading = decay ** torch.arange(CHUNK, device=values.device, dtype=values.dtype)
    total = (kernel[:-1] @ chunks).reshape(num_episodes, num_chunks, CHUNK, width) + fading[:, None] * carried
    return total.reshape(num_episodes, num_chunks * CHUNK, width)[:, :num_rounds]


def _kernel(num_results: int, num_values: int, decay: Tensor) -> Tensor:
    """decay^(t-1-s) for s < t, else 0. [results t, values s]"""
    results = torch.arange(num_results, device=decay.device, dtype=decay.dtype)
    ages = results[:, None] - 1 - results[:num_values]
    return torch.where(ages >= 0, decay ** ages.clamp(min=0), 0.0)
