"""The likelihood by the compiled recursion, as one differentiable step from a table of payoffs and parameters.

Used without asking wherever the learners are `AttractionDynamics` on the processor; everything else is followed by
`Dynamics.attractions`. It can be differentiated twice: Hessians are exact too (complex step).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.compiled import options_of, parameters_of
from diml_inverse.dynamics.kernel import LEARN, LEARN_NOTHING, Given, Options, Steps, follow
from diml_inverse.likelihood.sequences import Sequences, sequences

TINY = 1e-20  # imaginary step; its square is nothing beside one


@dataclass(frozen=True, eq=False)
class Followed:
    """Play made ready for the compiled recursion under one kind of learner.

    Attributes:
        options, steps: see `diml_inverse.dynamics.kernel`.
        places: int64 [n], where in [E, T, N] each step is.
        weight: float64 [n], 1 where a decision is scored.
        shape: E, T, N.
        states: rows of first attractions.
    """

    options: Options
    steps: Steps
    places: Tensor
    weight: NDArray[np.float64]
    shape: torch.Size
    states: int


def followed(
    dynamics: Dynamics, mechanism: Mechanism, traces: Traces, index: Tensor, determined: Tensor, scored: Tensor
) -> Followed | None:
    """Steps of the learners, or None if the compiled recursion cannot follow them.

    index, determined, scored: [E, T, N], as `ObservedPlay` has them.
    """
    options = options_of(dynamics)
    if options is None or mechanism.device.type != "cpu":
        return None
    assert isinstance(dynamics, AttractionDynamics)
    order = sequences(traces)
    where = order.episode, order.round, order.seat
    actions = np.maximum(traces.actions[where], 0)
    columns = (
        actions,
        index.numpy()[where],
        np.where(determined.numpy()[where], LEARN, LEARN_NOTHING),
        np.zeros(len(actions), np.int64),
        _before(actions, order),
        np.array(mechanism.action_counts)[order.seat],
        order.seat if dynamics.learner.num_agents else np.zeros(len(actions), np.int64),
        order.time,
    )
    steps = Steps(order.starts, np.ascontiguousarray(np.stack(columns, 1)), np.full((len(actions), 1), -1))
    shape = index.shape
    places = torch.from_numpy(np.ravel_multi_index(where, tuple(shape)))
    return Followed(options, steps, places, scored.numpy()[where].astype(float), shape, 1)


def _before(actions: NDArray[np.int64], order: Sequences) -> NDArray[np.int64]:
    """The learner's action of the round before, -1 at its first. [n]"""
    return np.where(order.time == 0, -1, np.roll(actions, 1))


def follows(play: Followed | None, dynamics: Dynamics) -> bool:
    """Whether these steps are those of such learners."""
    return play is not None and options_of(dynamics) == play.options


def decisions(play: Followed | None, dynamics: Dynamics, table: Tensor) -> Tensor:
    """Log probability of every decision, [E, T, N], 0 where not scored; differentiable twice.

    table: the mechanism's `context_payoffs`, [K, A].
    """
    assert play is not None
    assert isinstance(dynamics, AttractionDynamics)
    first = torch.zeros(play.states, table.shape[1], dtype=torch.float64)
    values: Tensor = _Values.apply(play, table.double(), parameters_of(dynamics), first)
    along = values.new_zeros(play.shape.numel()).scatter(0, play.places, values)
    return along.reshape(play.shape).to(table.dtype)


def attractions(play: Followed, dynamics: AttractionDynamics, table: Tensor) -> Tensor:
    """Attractions, bonus and habit that every choice rests on, [E, T, N, A]; no gradient."""
    given = _arrays(table.double(), parameters_of(dynamics), torch.zeros(play.states, table.shape[1]).double())
    path = torch.from_numpy(follow(play.options, play.steps, given, play.weight, False, paths=True)[2])
    along = path.new_zeros(play.shape.numel(), path.shape[1])
    along[play.places] = path
    return along.reshape(*play.shape, -1).to(table.dtype)


def _arrays(*given: Tensor) -> Given:
    """What does not exist in the table is never looked at."""
    return Given(*(np.ascontiguousarray(part.detach().numpy()) for part in given))


class _Values(torch.autograd.Function):
    """Log probabilities of the steps, [n]. Their sum, by far the most frequent use, has its gradient at hand."""

    @staticmethod
    def forward(ctx: Any, play: Followed, *given: Tensor) -> Tensor:
        values, slopes, _ = follow(play.options, play.steps, _arrays(*given), play.weight, any(ctx.needs_input_grad))
        ctx.play, ctx.slopes = play, slopes
        ctx.save_for_backward(*given)
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or not _all_the_same(weight):
            return None, *_Slopes.apply(ctx.play, weight, *ctx.saved_tensors)
        return None, *(torch.from_numpy(slope) * weight[0] for slope in ctx.slopes)


def _all_the_same(weight: Tensor) -> bool:
    return bool((weight == weight[0]).all())


class _Slopes(torch.autograd.Function):
    """Gradient of the weighted sum of log probabilities; its own by a complex step."""

    @staticmethod
    def forward(ctx: Any, play: Followed, weight: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        ctx.play = play
        ctx.save_for_backward(weight, *given)
        weights = play.weight * weight.numpy()
        return tuple(map(torch.from_numpy, follow(play.options, play.steps, _arrays(*given), weights, True)[1]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor | None, ...]:
        weight, *given = ctx.saved_tensors
        moved = (torch.complex(part, TINY * step) for part, step in zip(given, along, strict=True))
        weights = ctx.play.weight * weight.numpy()
        values, slopes, _ = follow(ctx.play.options, ctx.play.steps, _arrays(*moved), weights, True)
        of_weight = torch.from_numpy(values.imag / TINY)
        return None, of_weight, *(torch.from_numpy(np.ascontiguousarray(slope.imag) / TINY) for slope in slopes)
