"""`PublishedDIML`: the training that the paper describes, and two steps from it towards `DIML`. For the ablation."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import pandas as pd
import torch

from diml_envs.mechanisms import Mechanism
from diml_envs.mechanisms.initialisation import draw_default, seeded_generator
from diml_envs.traces import Traces
from diml_inverse.dynamics import Dynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.likelihood import decision_log_likelihoods, log_likelihood, observe

STEP_SIZE = 1e-3
VALIDATION_SHARE = 0.2


class PublishedDIML:
    """An & Du 2026: Adam with step size 0.001 on batches of episodes, a fixed number of epochs, one network.

    Args:
        mechanism: the network's form; started at torch's default initialisation, as the paper does.
        dynamics: the learners.
        max_epochs: passes over the training episodes; the paper's 100, 200 in its large games.
        batch_size: episodes for each step; the paper's 32, 8 in its large games.
        window: each step sees so many consecutive rounds, from a random one on, as if nothing had been learnt before
            them; None for whole episodes, the exact likelihood.
        early_stopping: hold out a fifth of the episodes and keep the epoch that predicts them best.
        seed: of start, windows, order and held-out episodes.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        *,
        max_epochs: int = 100,
        batch_size: int = 32,
        window: int | None = 50,
        early_stopping: bool = False,
        seed: int = 0,
    ) -> None:
        self.mechanism, self.dynamics = mechanism, dynamics
        self.max_epochs, self.batch_size = max_epochs, batch_size
        self.window, self.early_stopping, self.seed = window, early_stopping, seed

    def fit(self, traces: Traces) -> Estimate:
        """Fit to episodes of equal length."""
        mechanism, rng = copy.deepcopy(self.mechanism), np.random.default_rng(self.seed)
        draw_default(mechanism, seeded_generator(self.seed, "published fit"))
        optimizer = torch.optim.Adam(mechanism.parameters(), lr=STEP_SIZE)
        held_out, best, best_value = None, mechanism.state_dict(), -math.inf
        if self.early_stopping:
            traces, held_out = traces.split(1 - VALIDATION_SHARE, seed=self.seed)
        history, begun = [], time.perf_counter()
        for epoch in range(1, self.max_epochs + 1):
            means = [self._step(mechanism, optimizer, batch) for batch in self._batches(traces, rng)]
            row = {"epoch": epoch, "train_log_likelihood": float(np.mean(means))}
            if held_out is not None:
                with torch.no_grad():
                    value = float(log_likelihood(mechanism, self.dynamics, held_out))
                row["validation_log_likelihood"] = value
                if value > best_value:
                    best, best_value = copy.deepcopy(mechanism.state_dict()), value
            history.append({**row, "seconds": time.perf_counter() - begun})
        mechanism.load_state_dict(best)  # without early stopping the state of the last epoch
        return self._estimate(mechanism, traces, pd.DataFrame(history))

    def _batches(self, traces: Traces, rng: np.random.Generator) -> list[Traces]:
        order = rng.permutation(len(traces))
        parts = [traces[order[i : i + self.batch_size]] for i in range(0, len(order), self.batch_size)]
        return parts if self.window is None else [_window(part, self.window, rng) for part in parts]

    def _step(self, mechanism: Mechanism, optimizer: torch.optim.Optimizer, batch: Traces) -> float:
        play = observe(mechanism, self.dynamics, batch)
        mean = decision_log_likelihoods(mechanism, self.dynamics, play).sum() / play.scored.sum()
        optimizer.zero_grad()
        (-mean).backward()
        optimizer.step()
        return float(mean.detach())

    def _estimate(self, mechanism: Mechanism, traces: Traces, history: pd.DataFrame) -> Estimate:
        names = ("max_epochs", "batch_size", "window", "early_stopping", "seed")
        info = {"estimator": type(self).__name__, **{name: getattr(self, name) for name in names}}
        mechanism.requires_grad_(False)
        return Estimate(mechanism, self.dynamics, history, traces.agents, traces.action_labels, info)


def _window(traces: Traces, num_rounds: int, rng: np.random.Generator) -> Traces:
    start = rng.integers(0, max(traces.num_rounds - num_rounds, 0) + 1)
    rounds = traces.actions[:, start : start + num_rounds]
    return Traces(rounds, agents=traces.agents, action_labels=traces.action_labels)
