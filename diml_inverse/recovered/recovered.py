"""`Recovered`: a mechanism found, with the dynamics it was found under; what inference and prediction start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import save_file
from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Label, Traces
from diml_envs.traces.atomic import atomic_write
from diml_inverse import likelihood
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.recovered import file as estimate_file
from diml_inverse.recovered import uncertainty_file
from diml_inverse.recovered.file import FORMAT, UNCERTAINTY
from diml_inverse.uncertainty.base import Uncertainty


def given_in(traces: Traces) -> dict[str, Any]:
    """For `Recovered.info`: agents whose moves were given, of whom nothing was recovered; empty if none."""
    return {"given": list(traces.given)} if traces.given else {}


@dataclass(frozen=True)
class Recovered:
    """What an estimator found. Users meet it as `Estimate`, which adds intervals and predictions.

    Attributes:
        mechanism: the fitted mechanism.
        dynamics: the surrogate dynamics it was fitted under.
        history: a row for each epoch or iteration.
        agents, action_labels: those of the traces it was fitted to.
        info: JSON values: estimator, settings, seed, why it stopped.
        uncertainty: how precisely the mechanism is known, where the estimator says.
    """

    mechanism: Mechanism
    dynamics: Dynamics
    history: pd.DataFrame
    agents: tuple[str, ...]
    action_labels: tuple[tuple[Label, ...], ...]
    info: Mapping[str, Any] = field(default_factory=dict)
    uncertainty: Uncertainty | None = field(default=None, compare=False, repr=False)

    def payoff_differences(self, actions: ArrayLike | Tensor) -> Tensor:
        """Counterfactual payoffs less their mean over the agent's own actions: the part that choices identify.

        int64 [*B, N] -> [*B, N, A], payoff units of the fitted precision; NaN where an agent has no such action.
        Under full feedback nothing more is identified: adding any function of the others' actions to an agent's
        payoffs leaves its choices as they are.

        Raises:
            ValueError: an action outside its range.
        """
        with torch.no_grad():
            profile = torch.as_tensor(
                actions if isinstance(actions, Tensor) else np.array(actions), device=self.mechanism.device
            )
            payoffs = self.mechanism.counterfactual_payoffs(profile)
        return payoffs - payoffs.nanmean(-1, keepdim=True)

    def log_likelihood(self, traces: Traces) -> float:
        """Mean nats per scored decision; see `diml_inverse.log_likelihood`."""
        with torch.no_grad():
            return float(likelihood.log_likelihood(self.mechanism, self.dynamics, traces))

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]:
        """Predicted choice probabilities along the play, given all earlier rounds. [E, T, N, A]; 0 for no action."""
        play = likelihood.observe(self.mechanism, self.dynamics, traces)
        with torch.no_grad():
            log_probs = likelihood.log_choice_probs(self.mechanism, self.dynamics, play)
        return log_probs.double().exp().cpu().numpy()

    def save(self, path: str | Path) -> None:
        """Write one file (safetensors: numbers and JSON, nothing that could run), whole or not at all.

        The covariance goes with it if it was computed before, by `standard_errors` or what rests on them, and with it
        the ends of intervals where an action was hardly chosen, and whatever models of learning were not told apart;
        the play that these are computed from does not. What is lacking then, `summary()` says.
        """
        header: dict[str, Any] = {
            "format": FORMAT,
            "mechanism": type(self.mechanism).__name__,
            "mechanism_config": self.mechanism.config(),
            "dynamics": type(self.dynamics).__name__,
            "dynamics_config": self.dynamics.config(),
            "history": self.history.to_dict("list"),
            "agents": self.agents,
            "action_labels": self.action_labels,
            "info": dict(self.info),
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.mechanism.state_dict().items()}
        if self.uncertainty is not None and self.uncertainty.computed:
            covariance, header["uncertainty"] = uncertainty_file.packed(self.uncertainty)
            tensors |= {UNCERTAINTY + name: tensor.contiguous() for name, tensor in covariance.items()}
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata={"diml": json.dumps(header)})

    @classmethod
    def load(cls, path: str | Path, mechanism: Mechanism | None = None, dynamics: Dynamics | None = None) -> Self:
        """Read what `save` wrote.

        Args:
            path: the file.
            mechanism: needed if it is of a class of your own: one built as the fitted one was; its parameters
                are overwritten.
            dynamics: likewise.

        Raises:
            ValueError: not such a file, or another class than the one given.
            FileNotFoundError: no file.
        """
        header, tensors = estimate_file.read(Path(path))
        covariance = {name: tensors.pop(name) for name in list(tensors) if name.startswith(UNCERTAINTY)}
        try:
            estimate_file.check_sizes(header["mechanism_config"], tensors, len(header["agents"]))
            mechanism = estimate_file.mechanism_in(header, mechanism)
            dynamics = estimate_file.dynamics_in(header, dynamics)
            dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
            if len(dtypes) == 1:
                mechanism = mechanism.to(dtypes.pop())
            # Assigned, since terms of a sum may differ in precision; copied, since a file's tensors may lie unaligned.
            mechanism.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
            return cls(
                mechanism.requires_grad_(False),
                dynamics,
                estimate_file.history_in(header),
                *estimate_file.names_in(header, mechanism),
                dict(header["info"]),
                _uncertainty_in(header, covariance, mechanism, dynamics),
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(f"{path}: the estimate in this file is damaged or of another version ({error})") from error


def _uncertainty_in(
    header: Mapping[str, Any], tensors: Mapping[str, Tensor], mechanism: Mechanism, dynamics: Dynamics
) -> Uncertainty | None:
    """As it was saved; None if it was not."""
    if "uncertainty" not in header:
        return None
    named = {name.removeprefix(UNCERTAINTY): tensor for name, tensor in tensors.items()}
    return uncertainty_file.unpacked(header["uncertainty"], named, mechanism, dynamics)
