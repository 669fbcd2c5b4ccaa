"""The uncertainty of an estimate in its file: tensors and JSON values, of one model or of several not told apart."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from diml_envs.mechanisms.base import Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.recovered.file import check_sizes, dynamics_in, mechanism_in
from diml_inverse.uncertainty.base import Uncertainty
from diml_inverse.uncertainty.choice import ChoiceUncertainty
from diml_inverse.uncertainty.maximum import MaximumUncertainty
from diml_inverse.uncertainty.network import NetworkUncertainty
from diml_inverse.uncertainty.posterior import PosteriorUncertainty

KINDS = {kind.__name__: kind for kind in (MaximumUncertainty, PosteriorUncertainty, NetworkUncertainty)}


def packed(uncertainty: Uncertainty) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and the header."""
    if not isinstance(uncertainty, ChoiceUncertainty):
        tensors, header = uncertainty.saved()
        return tensors, {"class": type(uncertainty).__name__, **header}
    tensors, header = packed(uncertainty.chosen)
    others, missing = list[dict[str, Any]](), list(uncertainty.missing)
    for name, other in uncertainty.others.items():
        other.facts()  # what is computed when first asked for
        if not other.computed:
            missing.append(name)
            continue
        own, described = _packed_with_model(other)
        tensors |= {_prefix(len(others)) + place: tensor for place, tensor in own.items()}
        others.append({"name": name, "factor": uncertainty.factors[name], **described})
    return tensors, {**header, "others": others, "missing": missing}


def unpacked(
    header: Mapping[str, Any], tensors: Mapping[str, Tensor], mechanism: Mechanism, dynamics: Dynamics
) -> Uncertainty:
    """What `packed` gave, of this mechanism and these dynamics; the others' are built as they were."""
    of_others = _prefix("")
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(of_others)}
    chosen = KINDS[header["class"]].restored(mechanism, dynamics, own, header)
    if "others" not in header:
        return chosen
    others, factors = dict[str, Uncertainty](), dict[str, float]()
    for number, part in enumerate(header["others"]):
        within = _named(_prefix(number), tensors)
        others[part["name"]] = _with_model(part, within, mechanism, dynamics)
        factors[part["name"]] = float(part["factor"])
    return ChoiceUncertainty(chosen, others, factors, header["missing"])


def _packed_with_model(uncertainty: Uncertainty) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """With the mechanism and the dynamics as fitted."""
    mechanism, dynamics = uncertainty.fitted.mechanism, uncertainty.fitted.dynamics
    if isinstance(uncertainty, PosteriorUncertainty):
        mechanism = uncertainty.origin[0]  # the table; features and weights are its own
    tensors, header = packed(uncertainty)
    tensors |= {f"mechanism.{name}": tensor.detach().cpu() for name, tensor in mechanism.state_dict().items()}
    model = {"mechanism": type(mechanism).__name__, "mechanism_config": mechanism.config()}
    model |= {"dynamics": type(dynamics).__name__, "dynamics_config": dynamics.config()}
    return tensors, {**model, "uncertainty": header}


def _with_model(
    part: dict[str, Any], tensors: Mapping[str, Tensor], given: Mechanism, given_dynamics: Dynamics
) -> Uncertainty:
    state = _named("mechanism.", tensors)
    check_sizes(part["mechanism_config"], state, given.num_agents)
    alike = copy.deepcopy(given) if type(given).__name__ == part["mechanism"] else None
    mechanism = mechanism_in(part, alike).double()
    mechanism.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, assign=True)
    dynamics = dynamics_in(part, None)
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith("mechanism.")}
    return unpacked(part["uncertainty"], rest, mechanism.requires_grad_(False), dynamics)


def _prefix(number: int | str) -> str:
    return f"other.{number}" + ("." if number != "" else "")


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
