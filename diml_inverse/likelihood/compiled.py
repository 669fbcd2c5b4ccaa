"""The likelihood by the compiled recursion, as one differentiable step from a table of payoffs and parameters.

Used without asking wherever the learners are `AttractionDynamics` on the processor; everything else is followed by
`Dynamics.attractions`. It can be differentiated twice: Hessians are exact too (complex step).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.symmetric import SymmetricMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.compiled import Kind, kind_of, parameters_of
from diml_inverse.dynamics.kernel import ASKED, CHOSEN, COUNT, LEARN, LEARN_NOTHING, SKIP, STATE, Given, Steps, follow
from diml_inverse.dynamics.states import States
from diml_inverse.likelihood.sequences import Integers, Sequences, sequences

TINY = 1e-20  # imaginary step; its square is nothing beside one


@dataclass(frozen=True, eq=False)
class Followed:
    """Play made ready for the compiled recursion under one kind of learner.

    Attributes:
        kind: of the learners.
        steps: see `diml_inverse.dynamics.kernel`.
        places: int64 [n], where in [E, T, N] each step is.
        weight: float64 [n], 1 where a decision is scored.
        shape: E, T, N.
        states: of the game.
        alike: whether all seats are one to those who change them.
    """

    kind: Kind
    steps: Steps
    places: Tensor
    weight: NDArray[np.float64]
    shape: torch.Size
    states: States
    alike: bool

    def of_episodes(self, kept: NDArray[np.bool_]) -> Followed:
        """The same steps, only the decisions of these episodes weighed. bool [E]"""
        episode = self.places.numpy() // (self.shape[1] * self.shape[2])
        return replace(self, weight=self.weight * kept[episode])


def followed(
    dynamics: Dynamics, mechanism: Mechanism, traces: Traces, index: Tensor, determined: Tensor, scored: Tensor
) -> Followed | None:
    """Steps of the learners, or None if the compiled recursion cannot follow them.

    index, determined, scored: [E, T, N], as `ObservedPlay` has them.
    """
    kind = kind_of(dynamics)
    if kind is None or mechanism.device.type != "cpu":
        return None
    assert isinstance(dynamics, AttractionDynamics)
    order, states = sequences(traces, kind.persists), dynamics.states_of(traces.num_agents, mechanism.num_actions)
    alike = isinstance(mechanism, SymmetricMechanism)
    where = order.episode, order.round, order.seat
    seat = np.zeros_like(order.seat) if alike else order.seat
    lesson = np.where(determined.numpy()[where], LEARN, LEARN_NOTHING)
    follows = np.full((len(seat), 1), -1)
    own = traces.actions[where]
    last = np.where(order.time == 0, -1, np.roll(np.maximum(own, 0), 1))
    state = seat
    if kind.stateful:
        state, lesson, follows = _in_states(kind, states, traces, order, lesson)
        state, follows = (
            np.where(codes < 0, -1, codes + at)
            for codes, at in ((state, seat * states.count), (follows, seat[:, None] * states.count))
        )
        last = np.where(order.round == 0, -1, last)
    columns = (
        np.maximum(own, 0),
        index.numpy()[where],
        lesson,
        state,
        last,
        np.array(mechanism.action_counts)[order.seat],
        order.seat if kind.of_each_agent else np.zeros_like(seat),
        order.time,
        np.maximum(own, 0),
    )
    steps = Steps(order.starts, np.ascontiguousarray(np.stack(columns, 1)), np.ascontiguousarray(follows))
    places = torch.from_numpy(np.ravel_multi_index(where, tuple(index.shape)))
    return Followed(kind, steps, places, scored.numpy()[where].astype(float), index.shape, states, alike)


def _in_states(
    kind: Kind, states: States, traces: Traces, order: Sequences, lesson: Integers
) -> tuple[Integers, Integers, Integers]:
    """States, lessons and the states that follow (-1: none). A round of which something is not known is passed over."""
    where = order.episode, order.round, order.seat
    actions = torch.tensor(traces.actions)
    codes = states.along(actions)
    state, own = codes.numpy()[where], traces.actions[where]
    known = (state >= 0) & (own >= 0) & (lesson == LEARN)
    follows = np.full((len(state), 1), -1)
    if kind.looks_ahead:
        ends = order.round == traces.lengths[order.episode] - 1
        after = states.after(codes, states.digits(actions)).numpy()[where][:, None]
        known &= after[:, 0] >= 0
        if kind.options.value == CHOSEN:  # known with the next choice; without one, those who wait for it learn nothing
            known &= ends | (np.append(own[1:], -1) >= 0)
            known &= ~ends | kind.end_seen
        if kind.looks_aside:
            after = states.after(codes[..., None], states.deviated_digits(actions)).numpy()[where]
        nothing = ends if kind.end_seen or kind.options.value == CHOSEN else np.zeros_like(ends)
        follows = np.where(nothing[:, None] | ~known[:, None], -1, after)
    return state, np.where(known, LEARN, SKIP), follows


def follows(play: Followed | None, dynamics: Dynamics) -> bool:
    """Whether these steps are those of such learners."""
    return play is not None and kind_of(dynamics) == play.kind


def decisions(play: Followed | None, dynamics: Dynamics, table: Tensor) -> Tensor:
    """Log probability of every decision, [E, T, N], 0 where not scored; differentiable twice.

    table: the mechanism's `context_payoffs`, [K, A].
    """
    assert play is not None
    return _along(play, _values(play, dynamics, table)).to(table.dtype)


def log_choice_probs(play: Followed | None, dynamics: Dynamics, table: Tensor) -> Tensor:
    """Log probability of every action at every round, [E, T, N, A]; differentiable twice.

    -inf where an agent has no such action; where nothing is known of the choice, all are equally likely.
    """
    assert play is not None
    columns = play.steps.columns
    found = []
    for action in range(table.shape[1]):
        asked = columns.copy()
        asked[:, ASKED] = np.minimum(action, columns[:, COUNT] - 1)
        every = replace(play, steps=play.steps._replace(columns=asked), weight=np.ones(len(columns)))
        values = _values(every, dynamics, table)
        unknown = torch.from_numpy(columns[:, STATE] < 0)
        values = torch.where(unknown, -torch.from_numpy(columns[:, COUNT]).double().log(), values)
        found.append(values.masked_fill(torch.from_numpy(columns[:, COUNT] <= action), -torch.inf))
    log_probs = torch.stack([_along(play, values) for values in found], -1)
    return torch.where(_is_followed(play)[..., None], log_probs, _even(play, table.shape[1])).to(table.dtype)


def _is_followed(play: Followed) -> Tensor:
    """bool [E, T, N]; not after an episode's end."""
    return torch.zeros(play.shape.numel(), dtype=torch.bool).scatter(0, play.places, True).reshape(play.shape)


def _even(play: Followed, num_actions: int) -> Tensor:
    """Log probabilities of agents to whom all their actions are alike, [N, A]; of A actions if nobody follows them."""
    counts = torch.full((play.shape[-1],), num_actions)
    counts[play.places % play.shape[-1]] = torch.from_numpy(play.steps.columns[:, COUNT]).long()
    exists = torch.arange(num_actions) < counts[:, None]
    return torch.where(exists, -counts[:, None].double().log(), -torch.inf)


def _values(play: Followed, dynamics: Dynamics, table: Tensor) -> Tensor:
    assert isinstance(dynamics, AttractionDynamics)
    first = dynamics.first_attractions(play.states).reshape(-1, table.shape[1])
    found: Tensor = _Values.apply(play, table.double(), parameters_of(dynamics), first)
    return found


def _along(play: Followed, values: Tensor) -> Tensor:
    """[n] -> [E, T, N]"""
    return values.new_zeros(play.shape.numel()).scatter(0, play.places, values).reshape(play.shape)


def _arrays(*given: Tensor) -> Given:
    """What does not exist in the table is never looked at."""
    return Given(*(np.ascontiguousarray(part.detach().numpy()) for part in given))


class _Values(torch.autograd.Function):
    """Log probabilities of the steps, [n]. Their sum, by far the most frequent use, has its gradient at hand."""

    @staticmethod
    def forward(ctx: Any, play: Followed, *given: Tensor) -> Tensor:
        values, slopes = follow(play.kind.options, play.steps, _arrays(*given), play.weight, any(ctx.needs_input_grad))
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
        return tuple(map(torch.from_numpy, follow(play.kind.options, play.steps, _arrays(*given), weights, True)[1]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *along: Tensor) -> tuple[Tensor | None, ...]:
        weight, *given = ctx.saved_tensors
        moved = (torch.complex(part, TINY * step) for part, step in zip(given, along, strict=True))
        weights = ctx.play.weight * weight.numpy()
        values, slopes = follow(ctx.play.kind.options, ctx.play.steps, _arrays(*moved), weights, True)
        of_weight = torch.from_numpy(values.imag / TINY)
        return None, of_weight, *(torch.from_numpy(np.ascontiguousarray(slope.imag) / TINY) for slope in slopes)
