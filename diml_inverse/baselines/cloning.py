"""`BehaviouralCloning`: predicts choices from recent play, with no notion of payoffs."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING
from diml_envs.mechanisms.initialisation import draw_default, seeded_generator
from diml_envs.traces import Traces
from diml_inverse.baselines.networks import ChoiceNetwork, choice_network
from diml_inverse.baselines.policy import ClonedPolicy, windows


class BehaviouralCloning:
    """A network from the last joint profiles to every agent's choice probabilities (An & Du 2026, baselines).

    In a small game one network reads the one-hot joint profiles and answers for all agents (`JointNetwork`). Where
    that would take more than 1,024 inputs, a network with shared weights answers for one agent at a time, from its own
    last actions and the shares in which all agents chose each action (`SharedNetwork`): it takes agents for
    exchangeable, as those of the paper's large games are. What lies before the start or was not observed reads as
    zeros. Adam, stopped where the likelihood of held-out episodes stops rising, the best state kept.

    Args:
        memory: rounds that a prediction looks back.
        hidden: widths of the hidden ReLU layers.
        step_size: step size of Adam.
        batch_size: decisions for each gradient step, about.
        max_epochs: passes over the training play at most.
        validation_fraction: share of episodes held out; of a single episode, its last rounds.
        patience: epochs without a better held-out likelihood before stopping.
        seed: of start, held-out episodes and order. The same seed gives the same policy.

    Raises:
        ValueError: a setting outside its range.
    """

    def __init__(
        self,
        memory: int = 5,
        hidden: Sequence[int] = (128,),
        *,
        step_size: float = 1e-3,
        batch_size: int = 1024,
        max_epochs: int = 500,
        validation_fraction: float = 0.2,
        patience: int = 20,
        seed: int = 0,
    ) -> None:
        at_least_one = {"memory": memory, "batch_size": batch_size, "max_epochs": max_epochs, "patience": patience}
        for name, value in {**at_least_one, "hidden": min(hidden, default=1)}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        if not (step_size > 0 and 0 < validation_fraction < 1):
            raise ValueError(
                f"step_size {step_size} must be above 0, validation_fraction {validation_fraction} in (0, 1)"
            )
        self.memory, self.hidden = memory, tuple(hidden)
        self.step_size, self.batch_size, self.max_epochs = step_size, batch_size, max_epochs
        self.validation_fraction, self.patience, self.seed = validation_fraction, patience, seed

    def fit(self, traces: Traces) -> ClonedPolicy:
        """Fit to the observed decisions.

        Raises:
            ValueError: too little play to train on one part and hold out another.
        """
        network = choice_network(traces.action_counts, self.memory, self.hidden)
        draw_default(network, seeded_generator(self.seed, "cloning"))
        rng = np.random.default_rng(self.seed)
        training, validation = self._hold_out(traces, rng)
        history = pd.DataFrame(self._train(network, training, validation, rng))
        info = {
            "estimator": type(self).__name__,
            "network": type(network).__name__,
            "memory": self.memory,
            "hidden": list(self.hidden),
            "seed": self.seed,
            "best_epoch": int(np.argmax(history["validation_log_likelihood"])) + 1,
        }
        return ClonedPolicy(network, self.memory, history, traces.agents, traces.action_labels, info)

    def _hold_out(self, traces: Traces, rng: np.random.Generator) -> tuple[_Rounds, _Rounds]:
        num_episodes, num_rounds, _ = traces.actions.shape
        held = np.zeros((num_episodes, num_rounds), bool)
        if num_episodes > 1:
            number = min(max(round(self.validation_fraction * num_episodes), 1), num_episodes - 1)
            held[rng.choice(num_episodes, number, replace=False)] = True
        else:
            held[:, round((1 - self.validation_fraction) * num_rounds) :] = True
        seen = traces.observed.any(-1)
        if not ((seen & held).any() and (seen & ~held).any()):
            raise ValueError(f"{traces}: too little observed play to train on one part and hold out another")
        actions = torch.tensor(traces.actions)
        recent = windows(actions, self.memory)
        training, validation = (torch.from_numpy(chosen) for chosen in (seen & ~held, seen & held))
        return _Rounds(recent[training], actions[training]), _Rounds(recent[validation], actions[validation])

    def _train(
        self, network: ChoiceNetwork, training: _Rounds, validation: _Rounds, rng: np.random.Generator
    ) -> list[dict[str, float]]:
        """Train the network in place, up to its best state; a row for each epoch."""
        optimizer = torch.optim.Adam(network.parameters(), lr=self.step_size)
        size = max(1, self.batch_size // network.num_agents)
        history: list[dict[str, float]] = []
        best_epoch, best_value, best_state = 0, -math.inf, network.state_dict()
        begun = time.perf_counter()
        for epoch in range(1, self.max_epochs + 1):
            train = [_step(network, optimizer, batch) for batch in training.batches(size, rng)]
            value = _held_out(network, validation, size)
            row = {"epoch": epoch, "train_log_likelihood": float(np.mean(train)), "validation_log_likelihood": value}
            history.append({**row, "seconds": time.perf_counter() - begun})
            if value > best_value:
                best_epoch, best_value, best_state = epoch, value, copy.deepcopy(network.state_dict())
            if epoch - best_epoch >= self.patience:
                break
        network.load_state_dict(best_state)
        network.requires_grad_(False)
        return history


@dataclass(frozen=True)
class _Rounds:
    """Rounds to predict: recent play [R, memory, N] and what was chosen after it [R, N]."""

    recent: Tensor
    actions: Tensor

    def batches(self, size: int, rng: np.random.Generator | None = None) -> list[_Rounds]:
        rounds = len(self.actions)
        order = torch.from_numpy(np.arange(rounds) if rng is None else rng.permutation(rounds))
        return [_Rounds(self.recent[part], self.actions[part]) for part in order.split(size)]


def _chosen_log_probs(network: ChoiceNetwork, rounds: _Rounds) -> Tensor:
    """Log probability of each observed choice, [decisions]."""
    log_probs = network(rounds.recent).gather(-1, rounds.actions.clamp(min=0)[..., None]).squeeze(-1)
    observed: Tensor = log_probs[rounds.actions != MISSING]
    return observed


def _step(network: ChoiceNetwork, optimizer: torch.optim.Optimizer, batch: _Rounds) -> float:
    mean = _chosen_log_probs(network, batch).mean()
    optimizer.zero_grad()
    (-mean).backward()
    optimizer.step()
    return float(mean.detach())


def _held_out(network: ChoiceNetwork, rounds: _Rounds, size: int) -> float:
    with torch.no_grad():
        return float(torch.cat([_chosen_log_probs(network, batch) for batch in rounds.batches(size)]).mean())
