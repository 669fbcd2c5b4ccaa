"""A first-order linear recursion over time whose decay changes from round to round."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def scan(decay: Tensor, values: Tensor) -> Tensor:
    """y(t) = decay(t) y(t-1) + values(t), y(-1) = 0, along the second axis. Both [E, T, *D] -> [E, T, *D].

    One tight loop forwards, one backwards (the gradient of a linear recursion is the same recursion backwards in time),
    differentiable any number of times.
    """
    result: Tensor = _Scan.apply(decay, values)
    return result


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decay: Tensor, values: Tensor) -> Tensor:
        path = torch.empty_like(values)
        current = torch.zeros_like(values[:, 0])
        for round_, (kept, new) in enumerate(zip(decay.unbind(1), values.unbind(1), strict=True)):
            current = torch.addcmul(new, kept, current)
            path[:, round_] = current
        ctx.save_for_backward(decay, path)
        return path

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        decay, path = ctx.saved_tensors
        nothing = torch.zeros_like(decay[:, :1])
        kept_after = torch.cat([decay[:, 1:], nothing], 1)  # what round t passes on to t + 1
        of_values = scan(kept_after.flip(1), gradient.flip(1)).flip(1)
        before = torch.cat([nothing, path[:, :-1]], 1)
        return of_values * before, of_values
