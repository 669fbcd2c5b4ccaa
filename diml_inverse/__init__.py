"""Inverse mechanism learning: recover payoffs from the recorded choices of agents that learn while they play."""

from diml_inverse import identification, metrics
from diml_inverse.diml import DIML
from diml_inverse.dynamics import Dynamics, LogitDynamics, check_dynamics
from diml_inverse.estimate import Estimate
from diml_inverse.estimator import Estimator
from diml_inverse.likelihood import log_likelihood
from diml_inverse.maximum_likelihood import StructuredMLE, TabularMLE

__all__ = [
    "DIML",
    "Dynamics",
    "Estimate",
    "Estimator",
    "LogitDynamics",
    "StructuredMLE",
    "TabularMLE",
    "check_dynamics",
    "identification",
    "log_likelihood",
    "metrics",
]
