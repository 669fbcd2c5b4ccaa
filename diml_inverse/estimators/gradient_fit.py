"""`GradientFit`: any differentiable mechanism by gradient ascent on the likelihood of whole episodes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.ensemble import EnsembleMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.units import into_unit, out_of_unit, unit_of_fit
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.training import Training
from diml_inverse.likelihood import observe
from diml_inverse.recovered.course import Stages, current
from diml_inverse.recovered.recovered import given_in
from diml_inverse.uncertainty.network import NetworkUncertainty

TRIAL_PATIENCE, TRIAL_EPOCHS = 20, 300  # of a network: enough to rank it
ASIDE = ("device", "progress", "checkpoint", "checkpoint_every")  # settings that decide nothing of the result


@dataclass(eq=False, repr=False, kw_only=True)
class GradientSettings:
    """How a gradient fit goes; see `DIML` for what each setting is.

    Raises:
        ValueError: a setting outside its range.
    """

    max_epochs: int = 2000
    batch_size: int | None = None
    step_size: float = 3e-3
    weight_decay: float = 1.0
    members: int = 5
    validation_fraction: float = 0.2
    patience: int = 50
    seed: int = 0
    device: str = "cpu"
    progress: bool = False
    checkpoint: str | Path | None = None
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        least = {"max_epochs": 1, "batch_size": 1, "members": 1, "patience": 1, "checkpoint_every": 1}
        for name, lowest in {**least, "weight_decay": 0, "seed": 0}.items():
            value = getattr(self, name)
            if not (value is None or value >= lowest):
                raise ValueError(f"{name} must be at least {lowest}; got {value}")
        if not (self.step_size > 0 and 0 <= self.validation_fraction < 1):
            raise ValueError(
                f"step_size {self.step_size} must be above 0, validation_fraction {self.validation_fraction} in [0, 1)"
            )

    def settings(self) -> dict[str, Any]:
        """What decides the result besides mechanism, dynamics and traces, as JSON values."""
        return {name: value for name, value in self.all_settings().items() if name not in ASIDE}

    def all_settings(self) -> dict[str, Any]:
        """These, where it is computed, and what is shown and kept meanwhile: keyword arguments."""
        return {field.name: getattr(self, field.name) for field in fields(GradientSettings)}

    def trial_settings(self) -> dict[str, Any]:
        """Of a single quick fit, enough to rank a network."""
        patience, epochs = min(self.patience, TRIAL_PATIENCE), min(self.max_epochs, TRIAL_EPOCHS)
        quick = {"patience": patience, "max_epochs": epochs, "members": 1, "checkpoint": None}
        return {**self.all_settings(), **quick}


@dataclass(eq=False, repr=False)
class GradientFit(GradientSettings):
    """Fit a mechanism of a given form under given learners by Adam; see `DIML`, which calls this.

    Raises:
        ValueError: as `GradientSettings`, or a mechanism without parameters.
    """

    mechanism: Mechanism
    dynamics: Dynamics

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fittable(self.mechanism)

    def fit(self, traces: Traces) -> Estimate:
        """As `DIML.fit`."""
        form, original = copy.deepcopy(self.mechanism), self.dynamics
        unit = unit_of_fit(form, original, observe(form, original, traces).contexts)
        inside = replace(self, mechanism=form, dynamics=into_unit(form, original, unit))
        total = self.members * self.max_epochs
        course, trainings = current(), list[Training]()
        with course.stages(total, "epoch", show=self.progress) as stages:
            while len(trainings) < self.members and not (trainings and course.over):
                trainings.append(inside._train(traces, len(trainings), stages))
        cut_short = len(trainings) < self.members or not all(training.finished for training in trainings)
        mechanisms, members_dynamics = zip(*(training.best() for training in trainings), strict=True)
        mechanism = mechanisms[0] if len(mechanisms) == 1 else EnsembleMechanism(mechanisms)
        dynamics = out_of_unit(mechanism, _mean(members_dynamics), copy.deepcopy(original).to(self.device), unit)
        return Estimate(
            mechanism,
            dynamics,
            pd.concat([pd.DataFrame(t.history).assign(member=m) for m, t in enumerate(trainings)], ignore_index=True),
            traces.agents,
            traces.action_labels,
            {
                "estimator": type(self).__name__,
                **self.settings(),
                "epochs": [training.epoch for training in trainings],
                "best_epochs": [training.best_epoch for training in trainings],
                **({"stopped": course.why} if cut_short else {}),
                **given_in(traces),
            },
            NetworkUncertainty(mechanism, dynamics, observe(mechanism, dynamics, traces), self._of_learners()),
        )

    def _of_learners(self) -> list[str]:
        return [name for name, parameter in self.dynamics.named_parameters() if parameter.requires_grad]

    def _train(self, traces: Traces, member: int, stages: Stages) -> Training:
        training = Training(self.mechanism, self.dynamics, traces, self.settings(), member, self.device)
        path = None if self.checkpoint is None else Path(self.checkpoint) / f"member_{member}.safetensors"
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path is not None and path.exists():
            training.restore(path)
        over = False
        while not (training.finished or over):
            training.run_epoch()
            stages.done(training.last_row())
            over = current().over
            if path is not None and (training.finished or over or training.epoch % self.checkpoint_every == 0):
                training.save(path)
        stages.skip_to((member + 1) * self.max_epochs)  # epochs that were not needed, or restored
        return training


def check_fittable(mechanism: Mechanism) -> None:
    """Raise ValueError for a mechanism without parameters."""
    if not any(True for _ in mechanism.parameters()):
        raise ValueError(f"{type(mechanism).__name__} has no parameters to fit")


def _mean(members: Sequence[Dynamics]) -> Dynamics:
    """The first of the members' dynamics, with the mean of their fitted parameters on the scales they are fitted on."""
    for fitted in zip(*(dynamics.parameters() for dynamics in members), strict=True):
        fitted[0].copy_(torch.stack(fitted).mean(0))
    return members[0]
