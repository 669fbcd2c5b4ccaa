"""`DIML`: differentiable inverse mechanism learning, gradient ascent on the likelihood of whole episodes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from tqdm.auto import tqdm

from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.ensemble import EnsembleMechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison, EstimatorUnder, quick_tables, rising
from diml_inverse.estimators.training import Training
from diml_inverse.inference.network import NetworkUncertainty
from diml_inverse.likelihood import observe

TRIAL_PATIENCE, TRIAL_EPOCHS = 20, 300  # of a network: enough to rank it

# Between full and own-payoff feedback, to find a form of the mechanism under which models of learning are compared.
UNKNOWN_FEEDBACK = AttractionDynamics(
    0.25, 0.5, exploration=0.05, forgets="updated", fit=("learning_rate", "forgone_weight", "exploration")
)


class DIML:
    """Fit any differentiable mechanism by Adam, stopping where held-out likelihood stops rising.

    Goes beyond the published training (An & Du 2026): whole episodes instead of windows restarted from zero
    attractions, early stopping with the best state kept, and the mean of several fits, each with episodes of its own
    held out, so that none is lost and their errors partly cancel.

    Args:
        mechanism: the candidate's form; each fit starts afresh from its `reset_parameters`, so the values it
            happens to hold are not used. Or `"auto"`: the structure too is learnt, in a small game by
            `InteractionEvidence`, in a large one by comparing families on held-out episodes (`info["route"]`
            says which, `info["kinds"]` or `info["families"]` what was found).
        dynamics: the surrogate learners; what of their parameters is fitted, is fitted with the mechanism. Or `"auto"`:
            the best predicting one of `default_members` (`info["learners"]`; see `DynamicsComparison`).
        max_epochs: passes over the training episodes at most.
        batch_size: episodes for each gradient step; default: all of them.
        step_size: of Adam.
        weight_decay: of AdamW; pulls payoffs towards no differences.
        members: fits whose mean is the estimate; 1 for a single one.
        validation_fraction: share of episodes held out to decide when to stop (of a single episode, its last
            rounds); 0 trains on everything for `max_epochs`.
        patience: epochs without a better held-out likelihood before stopping; unused if none are held out.
        seed: of the start, the held-out episodes and the order of batches.
        device: where to compute.
        progress: show a progress bar on stderr.
        checkpoint: a folder to keep the state in, every `checkpoint_every` epochs, and to resume from if it has
            one. A resumed fit reaches the numbers of an uninterrupted one.

    Raises:
        ValueError: a setting outside its range, or a mechanism without parameters.
    """

    def __init__(
        self,
        mechanism: Mechanism | Literal["auto"],
        dynamics: Dynamics | Literal["auto"],
        *,
        max_epochs: int = 2000,
        batch_size: int | None = None,
        step_size: float = 3e-3,
        weight_decay: float = 1.0,
        members: int = 5,
        validation_fraction: float = 0.2,
        patience: int = 50,
        seed: int = 0,
        device: str = "cpu",
        progress: bool = False,
        checkpoint: str | Path | None = None,
        checkpoint_every: int = 50,
    ) -> None:
        if isinstance(mechanism, str):
            if mechanism != "auto":
                raise ValueError(f'mechanism must be a Mechanism or "auto"; got {mechanism!r}')
        elif not any(True for _ in mechanism.parameters()):
            raise ValueError(f"{type(mechanism).__name__} has no parameters to fit")
        if isinstance(dynamics, str) and dynamics != "auto":
            raise ValueError(f'dynamics must be a Dynamics or "auto"; got {dynamics!r}')
        for name, value, least in (
            ("max_epochs", max_epochs, 1),
            ("batch_size", 1 if batch_size is None else batch_size, 1),
            ("members", members, 1),
            ("patience", patience, 1),
            ("checkpoint_every", checkpoint_every, 1),
            ("weight_decay", weight_decay, 0),
            ("seed", seed, 0),
        ):
            if not value >= least:
                raise ValueError(f"{name} must be at least {least}; got {value}")
        if not (step_size > 0 and 0 <= validation_fraction < 1):
            raise ValueError(
                f"step_size {step_size} must be above 0, validation_fraction {validation_fraction} in [0, 1)"
            )
        self.mechanism, self.dynamics = mechanism, dynamics
        self.max_epochs, self.batch_size, self.step_size, self.weight_decay = (
            max_epochs,
            batch_size,
            step_size,
            weight_decay,
        )
        self.validation_fraction, self.patience = validation_fraction, patience
        self.members, self.seed = members, seed
        self.device, self.progress = device, progress
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_every = checkpoint_every

    def fit(self, traces: Traces) -> Estimate:
        """Fit to the traces, part of them held out for early stopping.

        Raises:
            ValueError: mechanism and traces do not fit together, or the checkpoint is of another fit.
            FloatingPointError: NaN or infinity, with the epoch, round and agent at which it arose.
        """
        if isinstance(self.dynamics, str):
            return self._fit_learners(traces)
        if isinstance(self.mechanism, str):
            return self._fit_auto(traces)
        total = self.members * self.max_epochs
        with tqdm(total=total, disable=not self.progress, unit="epoch") as bar:
            trainings = [self._train(traces, member, bar) for member in range(self.members)]
        mechanisms, members_dynamics = zip(*(training.best() for training in trainings), strict=True)
        mechanism = mechanisms[0] if self.members == 1 else EnsembleMechanism(mechanisms)
        dynamics = _mean(members_dynamics)
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
            },
            NetworkUncertainty(mechanism, dynamics, observe(mechanism, dynamics, traces), self._of_learners()),
        )

    def _fit_learners(self, traces: Traces) -> Estimate:
        """How the agents learn is found under a likely form of the mechanism, then the form asked for is fitted."""
        trials = self._likely_form(traces) if isinstance(self.mechanism, str) else self._trials_under(self.mechanism)
        comparison = DynamicsComparison(lambda dynamics: self._with(dynamics=dynamics), trials=trials, seed=self.seed)
        return comparison.fit(traces)

    def _likely_form(self, traces: Traces) -> list[EstimatorUnder]:
        """The table that predicts best under learners of unknown feedback, if any table applies; else a network."""
        from diml_inverse.estimators.family_comparison import FamilyComparison  # which fits networks by this class
        from diml_inverse.structure import default_families

        families = default_families()
        tables = [family for family in families if not family.network and family.build(traces) is not None]
        comparison = FamilyComparison(UNKNOWN_FEEDBACK, tables or families, self.seed, self._network_settings())
        chosen = next(row for row in comparison.fit(traces).info["families"] if row["chosen"])
        form = next(family.build(traces) for family in families if family.name == chosen["family"])
        assert form is not None
        ridge = chosen["ridge"]
        return self._trials_under(form) if ridge is None else quick_tables(form, ridge)

    def _trials_under(self, form: Mechanism) -> list[EstimatorUnder]:
        patience, most = min(self.patience, TRIAL_PATIENCE), min(self.max_epochs, TRIAL_EPOCHS)
        limits = [{"patience": patience, "max_epochs": epochs} for epochs in rising(most)]
        return [partial(self._under, form, limit) for limit in limits]

    def _under(self, form: Mechanism, limits: Mapping[str, int], dynamics: Dynamics) -> DIML:
        return self._with(mechanism=form, dynamics=dynamics, members=1, checkpoint=None, **limits)

    def _with(self, **changes: Any) -> DIML:
        changed = copy.copy(self)
        for name, value in changes.items():
            setattr(changed, name, value)
        return changed

    def _network_settings(self) -> dict[str, Any]:
        names = ("device", "progress", "checkpoint", "checkpoint_every")
        return {**self.settings(), **{name: getattr(self, name) for name in names}}

    def _fit_auto(self, traces: Traces) -> Estimate:
        from diml_inverse.estimators.family_comparison import FamilyComparison  # which fits networks by this class
        from diml_inverse.structure import InteractionEvidence
        from diml_inverse.structure.interactions import fits

        assert isinstance(self.dynamics, Dynamics)
        evidence = isinstance(self.dynamics, LogitDynamics) and fits(traces)
        fitted = any(parameter.requires_grad for parameter in self.dynamics.parameters())
        estimate, dynamics, route = None, self.dynamics, ""
        if fitted or not evidence:
            estimate = FamilyComparison(self.dynamics, network_settings=self._network_settings()).fit(traces)
            dynamics, route = estimate.dynamics, "families by held-out likelihood"
        if evidence:  # with the learners' parameters as just fitted, if they were not known
            estimate = InteractionEvidence(dynamics).fit(traces)
            route = "interactions by evidence: a small game of logit-Q learners"
        assert estimate is not None
        return replace(estimate, info={**estimate.info, "estimator": type(self).__name__, "route": route})

    def _of_learners(self) -> list[str]:
        assert isinstance(self.dynamics, Dynamics)
        return [name for name, parameter in self.dynamics.named_parameters() if parameter.requires_grad]

    def _train(self, traces: Traces, member: int, bar: tqdm[Any]) -> Training:
        assert not isinstance(self.mechanism, str)
        assert not isinstance(self.dynamics, str)
        training = Training(self.mechanism, self.dynamics, traces, self.settings(), member, self.device)
        path = None if self.checkpoint is None else self.checkpoint / f"member_{member}.safetensors"
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        if path is not None and path.exists():
            training.restore(path)
        while not training.finished:
            training.run_epoch()
            bar.update()
            bar.set_postfix(training.last_row(), refresh=False)
            if path is not None and (training.finished or training.epoch % self.checkpoint_every == 0):
                training.save(path)
        bar.update((member + 1) * self.max_epochs - bar.n)  # epochs that were not needed, or restored
        return training

    def settings(self) -> dict[str, Any]:
        """What decides the result besides mechanism, dynamics and traces, as JSON values."""
        return {
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "step_size": self.step_size,
            "weight_decay": self.weight_decay,
            "validation_fraction": self.validation_fraction,
            "patience": self.patience,
            "members": self.members,
            "seed": self.seed,
        }


def _mean(members: Sequence[Dynamics]) -> Dynamics:
    """The first of the members' dynamics, with the mean of their fitted parameters on the scales they are fitted on."""
    for fitted in zip(*(dynamics.parameters() for dynamics in members), strict=True):
        fitted[0].copy_(torch.stack(fitted).mean(0))
    return members[0]
