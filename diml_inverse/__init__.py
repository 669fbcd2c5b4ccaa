"""Inverse mechanism learning: recover payoffs from the recorded choices of agents that learn while they play."""

from diml_inverse import baselines, identification, metrics, structure
from diml_inverse.cross_validation import CrossValidation, cross_validate
from diml_inverse.diagnosis import Diagnosis, diagnose
from diml_inverse.diml import DIML
from diml_inverse.dynamics import AttractionDynamics, Dynamics, LogitDynamics, check_dynamics
from diml_inverse.dynamics_comparison import DynamicsComparison
from diml_inverse.equilibria import Equilibria, equilibria
from diml_inverse.estimate import Estimate
from diml_inverse.estimator import Estimator, Predictor
from diml_inverse.estimator_check import check_estimator
from diml_inverse.identification import Identification, identify
from diml_inverse.likelihood import log_likelihood
from diml_inverse.maximum_likelihood import StructuredMLE, TabularMLE
from diml_inverse.prediction import Prediction
from diml_inverse.simulation import simulate
from diml_inverse.structure import FamilyComparison, InteractionEvidence

__all__ = [
    "DIML",
    "AttractionDynamics",
    "CrossValidation",
    "Diagnosis",
    "Dynamics",
    "DynamicsComparison",
    "Equilibria",
    "Estimate",
    "Estimator",
    "FamilyComparison",
    "Identification",
    "InteractionEvidence",
    "LogitDynamics",
    "Prediction",
    "Predictor",
    "StructuredMLE",
    "TabularMLE",
    "baselines",
    "check_dynamics",
    "check_estimator",
    "cross_validate",
    "diagnose",
    "equilibria",
    "identification",
    "identify",
    "log_likelihood",
    "metrics",
    "simulate",
    "structure",
]
