"""Payoffs and learners in another unit of payoffs.

Play shows payoffs only times the learners' precision: payoffs s times as large, chosen by with a precision s times as
small, give the same play. So whatever an estimator takes for granted about size (ridge, prior, start, step) is stated
in logits, precision x payoff, by fitting in the unit in which the precision is `INSIDE`.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.parameters import LearnerParameters
from diml_inverse.dynamics.state_learning import StateLearning

INSIDE = 3.0  # precision while fitting: that of E1 to E3, on which steps and starts of networks were tried
IN_PAYOFFS, PER_PAYOFF = ("bonus", "habit"), ("precision",)  # learners' parameters with a unit
PROBE = 2.0
SAME = 1e-9  # relative to the largest payoff


def payoff_unit(dynamics: Dynamics) -> float:
    """`INSIDE` over the precision (of several the geometric mean); 1 where there is none above zero."""
    if not isinstance(dynamics, LearnerDynamics) or "precision" not in dynamics.learner.names:
        return 1.0
    precision = dynamics.learner.value("precision").detach().double().reshape(-1)
    known = precision[precision > 0]
    if not len(known):
        return 1.0
    return INSIDE / (float(known[0]) if bool((known == known[0]).all()) else float(known.log().mean().exp()))


def learners_in_unit(dynamics: Dynamics, unit: float) -> Dynamics:
    """A copy for payoffs counted in this unit; dynamics without known parameters are just copied."""
    changed = copy.deepcopy(dynamics)
    if unit == 1 or not isinstance(changed, LearnerDynamics):
        return changed
    for name in changed.learner.names:
        if name in PER_PAYOFF:
            _multiply(changed.learner, name, unit)
        elif name in IN_PAYOFFS:
            _multiply(changed.learner, name, 1 / unit)
    _scale_first(changed, 1 / unit)
    return changed


@torch.no_grad()
def _scale_first(dynamics: Dynamics, factor: float) -> None:
    """First attractions are payoffs of a kind."""
    if isinstance(dynamics, StateLearning) and dynamics.first is not None:
        dynamics.first.mul_(factor)


@torch.no_grad()
def _multiply(learner: LearnerParameters, name: str, factor: float) -> None:
    if name not in learner.fitted:
        known = getattr(learner, name)
        # A precision that is the same for all is exactly INSIDE, so that play in any unit gives the same numbers.
        exact = name in PER_PAYOFF and bool(torch.isclose(known * factor, torch.full_like(known, INSIDE)).all())
        learner.register_buffer(name, torch.full_like(known, INSIDE) if exact else known * factor)
    elif name == "habit":
        learner.get_parameter(f"raw_{name}").mul_(factor)
    else:  # fitted in logarithms
        learner.get_parameter(f"raw_{name}").add_(math.log(factor))


def learners_back(fitted: Dynamics, original: Dynamics, unit: float) -> Dynamics:
    """What was fitted in this unit in payoff units again; what was known exactly as it was."""
    back = learners_in_unit(fitted, 1 / unit)
    if isinstance(back, LearnerDynamics) and isinstance(original, LearnerDynamics):
        for name in back.learner.names:
            if name not in back.learner.fitted:
                back.learner.register_buffer(name, getattr(original.learner, name).clone())
    if isinstance(back, StateLearning) and isinstance(original, StateLearning) and not back.fits_first:
        back.first = None if original.first is None else original.first.clone()
    return back


def unit_of_fit(mechanism: Mechanism, dynamics: Dynamics, contexts: Contexts) -> float:
    """`payoff_unit`, or 1 where the mechanism cannot be brought into another."""
    unit = payoff_unit(dynamics)
    return unit if unit == 1 or _scales(mechanism, contexts) else 1.0


def into_unit(mechanism: Mechanism, dynamics: Dynamics, unit: float) -> Dynamics:
    """Payoffs of the mechanism counted in this unit, in place; the learners' counterpart."""
    if unit != 1:
        mechanism.scale_payoffs(1 / unit)
    return learners_in_unit(dynamics, unit)


def out_of_unit(mechanism: Mechanism, dynamics: Dynamics, original: Dynamics, unit: float) -> Dynamics:
    """The way back, of mechanism and learners as fitted."""
    if unit != 1:
        mechanism.scale_payoffs(unit)
    return learners_back(dynamics, original, unit)


def ridges_in_payoff_units(mechanism: Mechanism, ridge: float, unit: float) -> Tensor:
    """What a ridge within this unit amounts to for each parameter in payoff units, float64 [P]."""
    sizes = [parameter.numel() for parameter in mechanism.parameters()]
    pairs = zip(in_payoff_units(mechanism, unit), sizes, strict=True)
    parts = [torch.full((size,), ridge / (unit**2 if scaled else 1.0), dtype=torch.float64) for scaled, size in pairs]
    return torch.cat([torch.zeros(0, dtype=torch.float64), *parts])


def in_payoff_units(mechanism: Mechanism, unit: float) -> list[bool]:
    """For each parameter tensor whether `scale_payoffs` multiplies it; others, such as hidden layers, have no unit."""
    if unit == 1:
        return [True for _ in mechanism.parameters()]
    probe = copy.deepcopy(mechanism)
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.fill_(1.0)
    probe.scale_payoffs(PROBE)
    return [bool((parameter == PROBE).all()) for parameter in probe.parameters()]


def _scales(mechanism: Mechanism, contexts: Contexts) -> bool:
    """Whether `scale_payoffs` multiplies the payoffs of these contexts, as it should."""
    moved = copy.deepcopy(mechanism).double()
    with torch.no_grad():
        for number, parameter in enumerate(moved.parameters()):  # off a start that may be all zeros
            spread = torch.linspace(0.3, 0.9, parameter.numel() + 1, dtype=parameter.dtype, device=parameter.device)
            parameter.add_(spread[:-1].reshape(parameter.shape) / (1 + number))
        before = moved.context_payoffs(contexts)
        try:
            moved.scale_payoffs(PROBE)
        except NotImplementedError:
            return False
        after = moved.context_payoffs(contexts)
    size = float(before.nan_to_num().abs().max())
    return bool(torch.isclose(after, PROBE * before, rtol=0, atol=SAME * size, equal_nan=True).all())
