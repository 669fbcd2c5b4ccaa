"""Random parameters from an explicit generator, distributed as torch's default initialisation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn


def seeded_generator(seed: int, purpose: str) -> torch.Generator:
    """A generator for one purpose. Different purposes give unrelated streams for the same seed.

    So a candidate that starts a fit from seed 0 never starts at the hidden mechanism drawn from seed 0.

    Raises:
        ValueError: a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed must be a whole number from 0 up; got {seed}")
    words = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))


def draw_default(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every linear and embedding layer below `module` as torch does by default.

    Linear: weight and bias uniform within 1 / sqrt(inputs) of zero. Embedding: standard normal.
    """
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                for parameter in (layer.weight, layer.bias):
                    parameter.copy_(torch.rand(parameter.shape, generator=generator) * 2 * bound - bound)
            elif isinstance(layer, nn.Embedding):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))


def multilayer_perceptron(sizes: list[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear layers of the given sizes, the activation between them. Not initialised: see `draw_default`."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.utils.skip_init(nn.Linear, inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def start_from_no_differences(network: nn.Sequential, generator: torch.Generator) -> None:
    """Put a candidate's network where a fit starts: drawn as by default, but for a last layer of zeros.

    Payoffs are then all zero, so that early stopping stops between "no differences" and the data, and not between a
    random game and the data.
    """
    draw_default(network, generator)
    for parameter in network[-1].parameters():
        nn.init.zeros_(parameter)


@torch.no_grad()
def scale_last_layer(network: nn.Sequential, factor: float) -> None:
    """Multiply what a network puts out, in place."""
    for parameter in network[-1].parameters():
        parameter.mul_(factor)
