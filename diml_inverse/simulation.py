"""Play simulated from a mechanism and dynamics, recovered or true, as they are or with changed learners."""

from __future__ import annotations

from collections.abc import Sequence

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
    if num_episodes < 1 or num_rounds < 1:
        raise ValueError(f"num_episodes and num_rounds must be at least 1; got {num_episodes} and {num_rounds}")
    generator = seeded_generator(seed, "simulated play")
    shape = (num_episodes, mechanism.num_agents, mechanism.num_actions)
    dtype = next((tensor.dtype for tensor in mechanism.parameters()), torch.float64)
    memory = dynamics.start(torch.zeros(shape, dtype=dtype, device=mechanism.device))
    mask = mechanism.action_mask.to(mechanism.device)
    played = []
    with torch.no_grad():
        for round_ in range(num_rounds):
            actions = draw_actions(dynamics.log_choice_probs(dynamics.attractions_of(memory), mask).exp(), generator)
            payoffs = torch.where(mask, _payoffs(mechanism, actions), 0.0).to(dtype)
            if not payoffs.isfinite().all():
                raise ValueError(f"round {round_}: the mechanism has no finite payoff for some deviation from the play")
            memory = dynamics.update(memory, payoffs, actions)
            played.append(actions)
    labels = [range(count) for count in mechanism.action_counts] if action_labels is None else action_labels
    return Traces(torch.stack(played, 1).cpu().numpy(), agents=agents, action_labels=labels)


def draw_actions(choice_probs: Tensor, generator: torch.Generator) -> Tensor:
    """One action from each row of probabilities, [*B, A] -> int64 [*B]; never one of probability zero."""
    rows = choice_probs.double().reshape(-1, choice_probs.shape[-1]).cpu()
    drawn = torch.multinomial(rows, 1, generator=generator)
    return drawn.reshape(choice_probs.shape[:-1]).to(choice_probs.device)


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


def _payoffs(mechanism: Mechanism, actions: Tensor) -> Tensor:
    """Counterfactual payoffs [E, N, A], a few episodes at a time in a crowd."""
    at_once = max(1, MOST_PAYOFFS // (mechanism.num_agents * mechanism.num_actions))
    parts = [mechanism.counterfactual_payoffs(part) for part in actions.split(at_once)]
    return torch.cat(parts)
