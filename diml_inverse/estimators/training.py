"""`Training`: the state of one gradient fit, epoch by epoch; can be saved and taken up again."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.traces import Traces
from diml_envs.traces.atomic import atomic_write
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.likelihood import ObservedPlay, nonfinite_place, observe, total_log_likelihood

LEARNERS = "learners/"  # before the names of learners' parameters in a state
LEARNER_STEP_SIZE = 0.02  # of learners' parameters: logits and logarithms, which have some way to go


class Training:
    """One member's fit under way. `settings` are those of `DIML`."""

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        traces: Traces,
        settings: dict[str, Any],
        member: int,
        device: str,
    ) -> None:
        self.settings, self.traces, self.member = settings, traces, member
        seed = int(np.random.SeedSequence([settings["seed"], member]).generate_state(1)[0])
        self.mechanism = copy.deepcopy(mechanism).cpu().requires_grad_(True)
        self.mechanism.reset_parameters(seeded_generator(seed, "fit"))
        self.mechanism.to(device)
        self.dynamics = copy.deepcopy(dynamics).to(device)
        groups: list[dict[str, Any]] = [{"params": list(self.mechanism.parameters())}]
        if learners := list(self.dynamics.parameters()):
            groups.append({"params": learners, "lr": LEARNER_STEP_SIZE, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups, lr=settings["step_size"], weight_decay=settings["weight_decay"])
        self.rng = np.random.default_rng(seed)
        self.training_episodes, self.training_play, self.validation_play = self._hold_out(seed)
        self.epoch, self.best_epoch, self.best_value = 0, 0, -math.inf
        self.best_state = self._state()
        self.fingerprint = self._fingerprint()
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0

    def _hold_out(self, seed: int) -> tuple[Traces, ObservedPlay, ObservedPlay | None]:
        fraction, episodes = self.settings["validation_fraction"], len(self.traces)
        if fraction == 0:
            return self.traces, self._observe(self.traces), None
        if episodes > 1:
            training, validation = self.traces.split(1 - fraction, seed=seed)
            return training, self._observe(training), self._observe(validation)
        # One long episode: its late rounds are held out, but early play still leads up to them.
        play = self._observe(self.traces)
        early = torch.arange(play.scored.shape[1], device=play.scored.device) < round(
            (1 - fraction) * play.scored.shape[1]
        )
        training_part = replace(play, scored=play.scored & early[:, None])
        validation_part = replace(play, scored=play.scored & ~early[:, None])
        if not (training_part.scored.any() and validation_part.scored.any()):
            raise ValueError(
                f"{self.traces}: a single episode too short to hold out a share {fraction} of its rounds for early "
                "stopping; give validation_fraction=0 or more play"
            )
        return self.traces, training_part, validation_part

    def _observe(self, traces: Traces) -> ObservedPlay:
        return observe(self.mechanism, self.dynamics, traces)

    def _state(self) -> dict[str, Tensor]:
        """Of the mechanism, and of the learners where they are fitted too."""
        learners = {f"{LEARNERS}{name}": tensor for name, tensor in self.dynamics.named_parameters()}
        tensors = {**self.mechanism.state_dict(), **learners}
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def _set_state(self, state: dict[str, Tensor]) -> None:
        _load(self.mechanism, self.dynamics, state)

    @property
    def finished(self) -> bool:
        """No epoch is left, or the held-out likelihood has not risen for `patience` epochs."""
        stale = self.validation_play is not None and self.epoch - self.best_epoch >= self.settings["patience"]
        return stale or self.epoch >= self.settings["max_epochs"]

    def run_epoch(self) -> None:
        """One pass over the training episodes, then the held-out likelihood."""
        begun = time.perf_counter()
        means = [self._gradient_step(play) for play in self._batches()]
        self.epoch += 1
        row = {"epoch": self.epoch, "train_log_likelihood": float(np.mean(means))}
        if self.validation_play is not None:
            with torch.no_grad():
                row["validation_log_likelihood"] = float(self._mean_log_likelihood(self.validation_play))
        value = row.get("validation_log_likelihood", float(self.epoch))  # nothing held out: the last epoch is kept
        if value > self.best_value:
            self.best_value, self.best_epoch, self.best_state = value, self.epoch, self._state()
        self.seconds += time.perf_counter() - begun
        self.history.append({**row, "seconds": self.seconds})

    def _batches(self) -> list[ObservedPlay]:
        size, episodes = self.settings["batch_size"], len(self.training_episodes)
        if size is None or size >= episodes:
            return [self.training_play]
        telling = self.training_play.scored.any(-1).any(-1).cpu().numpy()  # the others have no decision to score
        order = self.rng.permutation(np.flatnonzero(telling))
        return [self._observe(self.training_episodes[order[i : i + size]]) for i in range(0, len(order), size)]

    def _mean_log_likelihood(self, play: ObservedPlay) -> Tensor:
        return total_log_likelihood(self.mechanism, self.dynamics, play) / play.scored.sum()

    def _gradient_step(self, play: ObservedPlay) -> float:
        mean = self._mean_log_likelihood(play)
        self.optimizer.zero_grad()
        (-mean).backward()
        fitted = (*self.mechanism.parameters(), *self.dynamics.parameters())
        finite = [parameter.grad.isfinite().all() for parameter in fitted if parameter.grad is not None]
        if not (mean.isfinite() and all(finite)):
            place = nonfinite_place(self.mechanism, self.dynamics, play)
            raise FloatingPointError(
                f"epoch {self.epoch + 1}: NaN or infinity in {place}; a smaller step_size than "
                f"{self.settings['step_size']} may help"
            )
        self.optimizer.step()
        return float(mean.detach())

    def last_row(self) -> dict[str, float]:
        """Log-likelihoods of the last epoch, for a progress bar."""
        return {name.split("_")[0]: round(self.history[-1][name], 4) for name in self.history[-1] if "log_" in name}

    def best(self) -> tuple[Mechanism, Dynamics]:
        """Mechanism and dynamics in their best state so far, parameters frozen."""
        mechanism, dynamics = copy.deepcopy(self.mechanism), copy.deepcopy(self.dynamics)
        _load(mechanism, dynamics, self.best_state)
        return mechanism.requires_grad_(False), dynamics.requires_grad_(False)

    def _fingerprint(self) -> str:
        """Identifies the fit by where it starts, its settings and its traces; epochs and members may be raised."""
        settings = {name: value for name, value in self.settings.items() if name not in ("max_epochs", "members")}
        digest = hashlib.sha256()
        for text in (type(self.mechanism).__name__, repr(self.dynamics), json.dumps(settings), str(self.member)):
            digest.update(text.encode())
        for name, tensor in (*self.best_state.items(), *self.dynamics.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode() + tensor.cpu().numpy().tobytes())
        digest.update(self.traces.actions.tobytes() + self.traces.lengths.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write everything a resumed fit needs, whole or not at all."""
        tensors = {f"best.{name}": tensor for name, tensor in self.best_state.items()}
        tensors |= {f"now.{name}": tensor for name, tensor in self._state().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in values.items()}
        numbers = {
            "fingerprint": self.fingerprint,
            "rng": self.rng.bit_generator.state,
            "history": self.history,
            **{name: getattr(self, name) for name in ("epoch", "best_epoch", "best_value", "seconds")},
        }
        with atomic_write(path) as temporary:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            save_file(tensors, temporary, metadata={"checkpoint": json.dumps(numbers)})

    def restore(self, path: Path) -> None:
        """Take up what `save` wrote.

        Raises:
            ValueError: not a checkpoint, or one of another fit.
        """
        try:
            with safe_open(path, framework="pt") as file:
                numbers = json.loads((file.metadata() or {})["checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            fingerprint = numbers["fingerprint"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a checkpoint of a fit; remove it or name another ({error})") from error
        if fingerprint != self.fingerprint:
            raise ValueError(
                f"{path} is the checkpoint of another fit (other traces, mechanism, dynamics or settings); "
                "remove it or name another"
            )
        for name in ("epoch", "best_epoch", "best_value", "seconds", "history"):
            setattr(self, name, numbers[name])
        self.rng.bit_generator.state = numbers["rng"]
        self.best_state = _below(tensors, "best.", self.best_state)
        self._set_state(_below(tensors, "now.", self.best_state))
        self._restore_optimizer(tensors)

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        whole = self.optimizer.state_dict()
        whole["state"] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, quantity = name.split(".")
                whole["state"].setdefault(int(index), {})[quantity] = tensor
        self.optimizer.load_state_dict(whole)


def _below(tensors: dict[str, Tensor], prefix: str, like: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensors[prefix + name].to(tensor.device) for name, tensor in like.items()}


def _load(mechanism: Mechanism, dynamics: Dynamics, state: dict[str, Tensor]) -> None:
    """Put a state back."""
    mechanism.load_state_dict({name: tensor for name, tensor in state.items() if not name.startswith(LEARNERS)})
    fitted = dict(dynamics.named_parameters())
    with torch.no_grad():
        for name, parameter in fitted.items():
            parameter.copy_(state[LEARNERS + name])
