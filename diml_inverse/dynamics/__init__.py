"""Surrogate dynamics: models of learning agents that the likelihood differentiates through."""

from diml_inverse.dynamics.attraction import AttractionDynamics
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.batch_gradient import BatchGradientDynamics
from diml_inverse.dynamics.check import check_dynamics
from diml_inverse.dynamics.choice import logit_response
from diml_inverse.dynamics.logit import LogitDynamics

__all__ = [
    "AttractionDynamics",
    "BatchGradientDynamics",
    "Dynamics",
    "LogitDynamics",
    "check_dynamics",
    "logit_response",
]
