"""Play simulated from a mechanism and dynamics, recovered or true, as they are or with changed learners."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.traces import Label, Traces
from diml_inverse.dynamics.base import Dynamics

MOST_PAYOFFS = 2**20  # evaluated at once; bounds the memory that a crowd needs


def simulate(
    mechanism: Mechanism,
    dynamics: Dynamics,
    num_episodes: int = 200,
    num_rounds: int = 35,
    seed: int = 0,
    agents: Sequence[str] | None = None,
    action_labels: Sequence[Sequence[Label]] | None = None,
) -> Traces:
    """Let the surrogate learners play: every round each draws an action, then all learn from the round's payoffs.

    The defaults are the paper's sizes (An & Du 2026, counterfactual evaluation). The same seed gives the same play;
    different seeds give independent play.

    Args:
        mechanism: what pays.
        dynamics: of all agents.
        num_episodes: E, all played side by side.
        num_rounds: T.
        seed: of the draws, 0 or more.
        agents, action_labels: names for the traces, as in `Traces`.

    Raises:
        ValueError: no episode or no round asked for, a negative seed, or a payoff that the mechanism does not know.
    """
    played = [actions for _, actions in play_rounds(mechanism, dynamics, num_episodes, num_rounds, seed)]
    labels = [range(count) for count in mechanism.action_counts] if action_labels is None else action_labels
    return Traces(torch.stack(played, 1).cpu().numpy(), agents=agents, action_labels=labels)


@torch.no_grad()
def play_rounds(
    mechanism: Mechanism, dynamics: Dynamics, num_episodes: int, num_rounds: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each round's choice probabilities [E, N, A] and the actions drawn from them, int64 [E, N]. As `simulate`."""
    if num_episodes < 1 or num_rounds < 1:
        raise ValueError(f"num_episodes and num_rounds must be at least 1; got {num_episodes} and {num_rounds}")
    generator = seeded_generator(seed, "simulated play")
    shape = (num_episodes, mechanism.num_agents, mechanism.num_actions)
    dtype = next((tensor.dtype for tensor in mechanism.parameters()), torch.float64)
    mask = mechanism.action_mask.to(mechanism.device)
    memory = dynamics.start_masked(torch.zeros(shape, dtype=dtype, device=mechanism.device), mask)
    payoffs_of = _payoffs_in_play(mechanism, num_episodes * num_rounds)
    for round_ in range(num_rounds):
        choice_probs = dynamics.next_log_probs(memory, mask).exp()
        actions = draw_actions(choice_probs, generator)
        yield choice_probs, actions
        payoffs = torch.where(mask, payoffs_of(actions), 0.0).to(dtype)
        if not payoffs.isfinite().all():
            raise ValueError(f"round {round_}: the mechanism has no finite payoff for some deviation from the play")
        memory = dynamics.update(memory, payoffs, actions)


def draw_actions(choice_probs: Tensor, generator: torch.Generator) -> Tensor:
    """One action from each row of probabilities, [*B, A] -> int64 [*B]; never one of probability zero.

    An exponential race: each action arrives after an exponential time over its probability, the first one wins. The
    generator gives the same times whatever the probabilities are, so play of two worlds from one seed differs only
    where they do: an action is left only if another became relatively likelier. (Inverting the distribution function
    would move choices between actions whose probabilities did not change.)
    """
    rows = choice_probs.double().reshape(-1, choice_probs.shape[-1]).cpu()
    times = torch.empty_like(rows).exponential_(generator=generator)
    return (rows / times).argmax(-1).reshape(choice_probs.shape[:-1]).to(choice_probs.device)


def scaled_learners(dynamics: Dynamics, **factors: float) -> Dynamics:
    """The same dynamics with some of the parameters that they are built with multiplied, `precision=0.6` say.

    Raises:
        ValueError: the dynamics have no such parameter, or not with such a value.
    """
    config = dynamics.config()
    if unknown := sorted(factors.keys() - config.keys()):
        raise ValueError(f"{type(dynamics).__name__} has no {unknown[0]!r} to change; it has {', '.join(config)}")
    device = next((tensor.device for tensor in dynamics.buffers()), torch.device("cpu"))
    changed = {name: (np.array(config[name]) * factor).tolist() for name, factor in factors.items()}
    return type(dynamics)(**{**config, **changed}).to(device).requires_grad_(False)


def changed_learners(dynamics: Dynamics) -> Dynamics:
    """The paper's change of the world: learning rate x 0.6, precision x 1.4, exploration x 1.5 (An & Du 2026).

    Raises:
        ValueError: as `scaled_learners`.
    """
    return scaled_learners(dynamics, learning_rate=0.6, precision=1.4, exploration=1.5)


def _payoffs_in_play(mechanism: Mechanism, num_profiles: int) -> Callable[[Tensor], Tensor]:
    """Counterfactual payoffs [E, N, A] of actions [E, N]; of a game with few profiles all at once, beforehand."""
    counts = mechanism.action_counts
    size = math.prod(counts)
    if size > num_profiles or size * len(counts) * max(counts) > MOST_PAYOFFS:
        return lambda actions: _payoffs(mechanism, actions)
    profiles = torch.cartesian_prod(*map(torch.arange, counts)).reshape(size, -1).to(mechanism.device)
    table = mechanism.counterfactual_payoffs(profiles)
    strides = torch.tensor([math.prod(counts[agent + 1 :]) for agent in range(len(counts))], device=mechanism.device)
    return lambda actions: table[(actions * strides).sum(-1)]


def _payoffs(mechanism: Mechanism, actions: Tensor) -> Tensor:
    """A few episodes at a time in a crowd."""
    at_once = max(1, MOST_PAYOFFS // (mechanism.num_agents * mechanism.num_actions))
    return torch.cat([mechanism.counterfactual_payoffs(part) for part in actions.split(at_once)])
