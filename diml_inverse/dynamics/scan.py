"""A first-order linear recursion over time whose decay changes from round to round."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

SHORT = 128  # rounds that are followed one after another


def scan(decay: Tensor, values: Tensor) -> Tensor:
    """y(t) = decay(t) y(t-1) + values(t), y(-1) = 0, along the second axis. Both [E, T, *D] -> [E, T, *D].

    One tight loop forwards, one backwards (the gradient of a linear recursion is the same recursion backwards in time),
    differentiable any number of times. Long play is cut into pieces that are followed side by side, so that the loop
    is of the order of sqrt(T).
    """
    result: Tensor = _Scan.apply(decay, values)
    return result


def _followed(decay: Tensor, values: Tensor) -> Tensor:
    path = torch.empty_like(values)
    current = torch.zeros_like(values[:, 0])
    for round_, (kept, new) in enumerate(zip(decay.unbind(1), values.unbind(1), strict=True)):
        current = torch.addcmul(new, kept, current)
        path[:, round_] = current
    return path


def _in_pieces(decay: Tensor, values: Tensor) -> Tensor:
    """Each piece followed from zero, then what the pieces before leave behind added, faded."""
    rounds = values.shape[1]
    length = math.isqrt(rounds)
    cut = [_cut(path, length) for path in (decay, values)]  # [E, K, length, *D]
    alone = _followed(*(path.flatten(0, 1) for path in cut)).unflatten(0, cut[1].shape[:2])
    fading = cut[0].cumprod(2)
    left_behind = _followed(fading[:, :, -1], alone[:, :, -1])[:, :-1, None]
    alone[:, 1:].addcmul_(fading[:, 1:], left_behind)
    return alone.flatten(1, 2)[:, :rounds]


def _cut(path: Tensor, length: int) -> Tensor:
    missing = path.new_zeros(path.shape[0], -path.shape[1] % length, *path.shape[2:])
    return torch.cat([path, missing], 1).unflatten(1, (-1, length))


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decay: Tensor, values: Tensor) -> Tensor:
        path = _followed(decay, values) if values.shape[1] <= SHORT else _in_pieces(decay, values)
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
