"""The file of an `Estimate`: its header and tensors read, and what they say built, nothing of it taken on trust."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from safetensors import SafetensorError, safe_open
from torch import Tensor

import diml_envs.mechanisms
import diml_inverse.dynamics
from diml_envs.mechanisms.base import Mechanism, SumMechanism
from diml_envs.mechanisms.ensemble import EnsembleMechanism
from diml_envs.traces import Label
from diml_envs.traces.labels import checked_labels, label_kind
from diml_inverse.dynamics.base import Dynamics

FORMAT = "diml-estimate-1"
UNCERTAINTY = "uncertainty."  # before the names of the covariance's tensors in a file

Module = TypeVar("Module", Mechanism, Dynamics)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors; raises as `Estimate.load`."""
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


def check_sizes(config: Any, tensors: Mapping[str, Tensor], num_agents: int) -> None:
    """Nothing is built that the file could not fill: a few bytes could ask for all of the memory."""
    numbers = re.findall(r"(?<![\w.])\d+(?![\w.])", json.dumps(config))
    most = max(sum(tensor.numel() for tensor in tensors.values()), num_agents)
    if too_large := [number for number in numbers if len(number) > 18 or int(number) > most]:
        raise ValueError(f"its mechanism has a size of {too_large[0][:20]}, more than the file can hold")


def history_in(header: dict[str, Any]) -> pd.DataFrame:
    """The course of the fit."""
    columns = header["history"]
    if not isinstance(columns, dict) or not all(isinstance(column, list) for column in columns.values()):
        raise ValueError(f"its history must be lists by name; got {str(columns)[:80]}")
    return pd.DataFrame(columns)


def names_in(header: dict[str, Any], mechanism: Mechanism) -> tuple[tuple[str, ...], tuple[tuple[Label, ...], ...]]:
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


def mechanism_in(header: dict[str, Any], given: Mechanism | None) -> Mechanism:
    """The one given, if it is of the file's class; else built, its parameters yet to be filled in."""
    name, config = header["mechanism"], header["mechanism_config"]
    if name == "EnsembleMechanism":
        one = {"mechanism": config["member"], "mechanism_config": config["member_config"]}
        return EnsembleMechanism([copy.deepcopy(mechanism_in(one, given)) for _ in range(config["num_members"])])
    if name == "SumMechanism" and given is None:
        terms = [{"mechanism": term["mechanism"], "mechanism_config": term["config"]} for term in config["terms"]]
        return SumMechanism([mechanism_in(term, None) for term in terms])
    return _given(given, name) or _build(diml_envs.mechanisms, name, config, Mechanism)


def dynamics_in(header: dict[str, Any], given: Dynamics | None) -> Dynamics:
    """Those given, if they are of the file's class; else built."""
    name = header["dynamics"]
    found: Dynamics = _given(given, name) or _build(diml_inverse.dynamics, name, header["dynamics_config"], Dynamics)
    return found


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
