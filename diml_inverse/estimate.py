"""`Estimate`: a recovered mechanism with the dynamics it was recovered under."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import diml_envs.mechanisms
import diml_inverse.dynamics
from diml_envs.atomic import atomic_write
from diml_envs.labels import checked_labels, label_kind
from diml_envs.mechanisms.base import Mechanism
from diml_envs.mechanisms.ensemble import EnsembleMechanism
from diml_envs.mechanisms.sum import SumMechanism
from diml_envs.traces import Label, Traces
from diml_inverse import likelihood
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.inference import intervals
from diml_inverse.inference.maximum import MaximumUncertainty
from diml_inverse.inference.network import NetworkUncertainty
from diml_inverse.inference.posterior import PosteriorUncertainty
from diml_inverse.inference.summary import Summary
from diml_inverse.inference.uncertainty import Uncertainty
from diml_inverse.prediction.change import Change, LearnerChange, MechanismChange
from diml_inverse.prediction.predict import Draws, predict_under
from diml_inverse.prediction.prediction import Prediction

FORMAT = "diml-estimate-1"
UNCERTAINTY = "uncertainty."  # before the names of the covariance's tensors in a file

Module = TypeVar("Module", Mechanism, Dynamics)


@dataclass(frozen=True)
class Estimate:
    """What an estimator found.

    Attributes:
        mechanism: the fitted mechanism.
        dynamics: the surrogate dynamics it was fitted under.
        history: a row for each epoch or iteration.
        agents, action_labels: those of the traces it was fitted to.
        info: JSON values: estimator, settings, seed, why it stopped.
        uncertainty: how precisely play pins the mechanism down, if it was fitted by maximum likelihood.
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

    def standard_errors(self, actions: ArrayLike | Tensor, covariance: str | None = None) -> Tensor:
        """Of `payoff_differences(actions)`; infinite where play does not identify the difference.

        int64 [*B, N] -> float64 [*B, N, A], payoff units; NaN where an agent has no such action.

        Args:
            actions: profiles.
            covariance: "clustered" (by episode) or "information"; None takes the first where there are enough
                episodes, see `Uncertainty`.

        Raises:
            ValueError: no maximum-likelihood fit, loaded from a file without its covariance, or too many parameters.
        """
        profile = torch.as_tensor(actions if isinstance(actions, Tensor) else np.array(actions))
        return intervals.standard_errors(self, profile.to(self.mechanism.device), covariance)

    def intervals(
        self, actions: ArrayLike | Tensor, level: float = 0.95, covariance: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """Low and high ends of intervals for `payoff_differences(actions)`, each [*B, N, A]; see there.

        Raises:
            ValueError: as `standard_errors`, or a level outside (0, 1).
        """
        centre = self.payoff_differences(actions).double().cpu()
        errors = self.standard_errors(actions, covariance)
        half = intervals.quantile(level, intervals.uncertainty_of(self).degrees(covariance)) * errors
        return centre - half, centre + half

    def summary(self, level: float = 0.95, covariance: str | None = None, max_rows: int = 40) -> Summary:
        """What was estimated, with standard errors, as a table to print: `print(estimate.summary())`.

        A row for each parameter of the mechanism (for a table of payoffs: for each payoff difference), then for each
        fitted parameter of the learners.

        Raises:
            ValueError: as `standard_errors`.
        """
        return Summary.of(self, level, covariance, max_rows)

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

    def predict_under(
        self,
        mechanism: MechanismChange | None = None,
        learners: LearnerChange | None = None,
        num_agents: int | None = None,
        num_rounds: int = 60,
        num_episodes: int = 200,
        draws: Draws = 40,
        seed: int = 0,
    ) -> Prediction:
        """Predict play in a changed world: simulated traces, expected choice shares, welfare, with bands.

        The same seed gives the same luck: two predictions of one seed differ by what was changed, see
        `Prediction.difference`.

        Args:
            mechanism: the changed one, `estimate.mechanism + policy` say; or a function that makes it from the
                recovered one, `lambda recovered: recovered + policy`.
            learners: the changed `Dynamics`; or factors, `{"precision": 1.4}`; or a function of the fitted ones.
            num_agents: for mechanisms whose payoff function all agents share, see `Mechanism.with_num_agents`.
            num_rounds: T.
            num_episodes: simulated side by side.
            draws: of mechanism and learners from the normal approximation to what is uncertain about them (0: none);
                or estimates to take for them, such as `bootstrap(...).replicates`.
            seed: of all draws, 0 or more.

        Raises:
            ValueError: sizes below 1, a negative seed, a change that does not fit the game, or payoffs that the
                mechanism does not know.
            TypeError: a function that returns no mechanism.
        """
        change = Change(self.mechanism, mechanism, learners, num_agents)
        return predict_under(self, change, num_rounds, num_episodes, draws, seed)

    def save(self, path: str | Path) -> None:
        """Write one file (safetensors: numbers and JSON, nothing that could run), whole or not at all.

        The covariance goes with it if it was computed before, by `standard_errors` or what rests on them; the play
        that it is computed from does not.
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
            covariance, facts = self.uncertainty.saved()
            header["uncertainty"] = {"class": type(self.uncertainty).__name__, **facts}
            tensors |= {UNCERTAINTY + name: tensor.contiguous() for name, tensor in covariance.items()}
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata={"diml": json.dumps(header)})

    @classmethod
    def load(cls, path: str | Path, mechanism: Mechanism | None = None, dynamics: Dynamics | None = None) -> Estimate:
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
        header, tensors = _read(Path(path))
        covariance = {name: tensors.pop(name) for name in list(tensors) if name.startswith(UNCERTAINTY)}
        try:
            _check_sizes(header["mechanism_config"], tensors, len(header["agents"]))
            mechanism = _mechanism(header, mechanism)
            dynamics = _given(dynamics, header["dynamics"]) or _build(
                diml_inverse.dynamics, header["dynamics"], header["dynamics_config"], Dynamics
            )
            dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
            if len(dtypes) == 1:
                mechanism = mechanism.to(dtypes.pop())
            # Assigned, since terms of a sum may differ in precision; copied, since a file's tensors may lie unaligned.
            mechanism.load_state_dict({name: tensor.clone() for name, tensor in tensors.items()}, assign=True)
            return cls(
                mechanism.requires_grad_(False),
                dynamics,
                _history(header),
                *_names(header, mechanism),
                dict(header["info"]),
                _uncertainty(header, covariance, mechanism, dynamics),
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise ValueError(f"{path}: the estimate in this file is damaged or of another version ({error})") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise FileNotFoundError(f"no estimate at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["diml"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not an estimate written by Estimate.save, or is cut short ({error})") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by Estimate.save in format {FORMAT}")
    return header, tensors


def _uncertainty(
    header: dict[str, Any], tensors: Mapping[str, Tensor], mechanism: Mechanism, dynamics: Dynamics
) -> Uncertainty | None:
    if "uncertainty" not in header:
        return None
    named = {name.removeprefix(UNCERTAINTY): tensor for name, tensor in tensors.items()}
    kinds = {kind.__name__: kind for kind in (MaximumUncertainty, PosteriorUncertainty, NetworkUncertainty)}
    return kinds[header["uncertainty"]["class"]].restored(mechanism, dynamics, named, header["uncertainty"])


def _check_sizes(config: Any, tensors: Mapping[str, Tensor], num_agents: int) -> None:
    """Nothing is built that the file could not fill: a few bytes could ask for all of the memory."""
    numbers = re.findall(r"(?<![\w.])\d+(?![\w.])", json.dumps(config))
    most = max(sum(tensor.numel() for tensor in tensors.values()), num_agents)
    if too_large := [number for number in numbers if len(number) > 18 or int(number) > most]:
        raise ValueError(f"its mechanism has a size of {too_large[0][:20]}, more than the file can hold")


def _history(header: dict[str, Any]) -> pd.DataFrame:
    columns = header["history"]
    if not isinstance(columns, dict) or not all(isinstance(column, list) for column in columns.values()):
        raise ValueError(f"its history must be lists by name; got {str(columns)[:80]}")
    return pd.DataFrame(columns)


def _names(header: dict[str, Any], mechanism: Mechanism) -> tuple[tuple[str, ...], tuple[tuple[Label, ...], ...]]:
    """Agents and action labels, as many as the mechanism has."""
    agents = checked_labels(header["agents"], "agents")
    labels = tuple(map(tuple, header["action_labels"]))
    for label in (label for of_agent in labels for label in of_agent):
        label_kind(label, "actions")
    counts = tuple(map(len, labels))
    if counts != mechanism.action_counts or len(agents) != len(counts):
        raise ValueError(
            f"it names {len(agents)} agents with {counts} actions, its mechanism {mechanism.action_counts}"
        )
    return tuple(map(str, agents)), labels


def _mechanism(header: dict[str, Any], given: Mechanism | None) -> Mechanism:
    name, config = header["mechanism"], header["mechanism_config"]
    if name == "EnsembleMechanism":
        one = {"mechanism": config["member"], "mechanism_config": config["member_config"]}
        return EnsembleMechanism([copy.deepcopy(_mechanism(one, given)) for _ in range(config["num_members"])])
    if name == "SumMechanism" and given is None:
        terms = [{"mechanism": term["mechanism"], "mechanism_config": term["config"]} for term in config["terms"]]
        return SumMechanism([_mechanism(term, None) for term in terms])
    return _given(given, name) or _build(diml_envs.mechanisms, name, config, Mechanism)


def _given(module: Module | None, name: str) -> Module | None:
    if module is not None and type(module).__name__ != name:
        raise ValueError(f"the file holds a {name}, not a {type(module).__name__}")
    return module


def _build(module: Any, name: str, config: dict[str, Any], base: type) -> Any:
    # Only classes this package exports are built, whatever name the file holds.
    kind = getattr(module, name, None) if name in module.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, base)):
        what = base.__name__.lower()
        raise ValueError(f"{what} {name!r} is not one of diml's; pass one: Estimate.load(path, {what}=...)")
    return kind(**config)
