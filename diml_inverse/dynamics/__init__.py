"""Surrogate dynamics: models of learning agents that the likelihood differentiates through."""

from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.check import check_dynamics
from diml_inverse.dynamics.logit import LogitDynamics, logit_response

__all__ = ["Dynamics", "LogitDynamics", "check_dynamics", "logit_response"]
