"""Inverse mechanism learning: recover payoffs from the recorded choices of agents that learn while they play."""

from diml_inverse import baselines, identification, metrics, structure
from diml_inverse.diagnosis import Diagnosis, diagnose
from diml_inverse.dynamics import AttractionDynamics, Dynamics, LogitDynamics, check_dynamics
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.estimators.check import check_estimator
from diml_inverse.estimators.cross_validation import CrossValidation, cross_validate
from diml_inverse.estimators.diml import DIML
from diml_inverse.estimators.dynamics_comparison import DynamicsComparison
from diml_inverse.estimators.family_comparison import FamilyComparison
from diml_inverse.estimators.maximum_likelihood import StructuredMLE, TabularMLE
from diml_inverse.estimators.protocol import Estimator, Predictor
from diml_inverse.identification import Identification, identify
from diml_inverse.likelihood import log_likelihood
from diml_inverse.prediction import Prediction
from diml_inverse.prediction.equilibria import Equilibria, equilibria
from diml_inverse.prediction.simulation import simulate
from diml_inverse.structure import InteractionEvidence

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
