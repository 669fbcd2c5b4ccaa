"""Inverse mechanism learning: recover payoffs from the recorded choices of agents that learn while they play."""

from typing import TYPE_CHECKING

from diml_envs.lazy import on_first_use

if TYPE_CHECKING:  # for editors and type checkers; at run time each is imported when it is first asked for
    from diml_inverse import baselines, bounds, identification, metrics, structure
    from diml_inverse.bounds import PayoffBounds, payoff_bounds
    from diml_inverse.diagnosis import Diagnosis, diagnose
    from diml_inverse.dynamics import AttractionDynamics, Dynamics, LogitDynamics, check_dynamics
    from diml_inverse.estimate.estimate import Estimate
    from diml_inverse.estimators.check import check_estimator
    from diml_inverse.estimators.cross_validation import CrossValidation, cross_validate
    from diml_inverse.estimators.diml import DIML
    from diml_inverse.estimators.dynamics_comparison import DynamicsComparison
    from diml_inverse.estimators.family_comparison import FamilyComparison
    from diml_inverse.estimators.maximum_likelihood import StructuredMLE, TabularMLE
    from diml_inverse.identification import Identification, identify
    from diml_inverse.inspection import Finding, Inspection, inspect
    from diml_inverse.likelihood import log_likelihood
    from diml_inverse.prediction import Prediction
    from diml_inverse.prediction.equilibria import Equilibria, equilibria
    from diml_inverse.prediction.simulation import simulate
    from diml_inverse.recovered.protocol import Estimator, Predictor
    from diml_inverse.structure import InteractionEvidence

__getattr__, __dir__ = on_first_use(
    __name__,
    {
        "bounds": ("PayoffBounds", "payoff_bounds"),
        "diagnosis": ("Diagnosis", "diagnose"),
        "dynamics": ("AttractionDynamics", "Dynamics", "LogitDynamics", "check_dynamics"),
        "estimate.estimate": ("Estimate",),
        "estimators.check": ("check_estimator",),
        "estimators.cross_validation": ("CrossValidation", "cross_validate"),
        "estimators.diml": ("DIML",),
        "estimators.dynamics_comparison": ("DynamicsComparison",),
        "estimators.family_comparison": ("FamilyComparison",),
        "estimators.maximum_likelihood": ("StructuredMLE", "TabularMLE"),
        "recovered.protocol": ("Estimator", "Predictor"),
        "identification": ("Identification", "identify"),
        "inspection": ("Finding", "Inspection", "inspect"),
        "likelihood": ("log_likelihood",),
        "prediction": ("Prediction",),
        "prediction.equilibria": ("Equilibria", "equilibria"),
        "prediction.simulation": ("simulate",),
        "structure": ("InteractionEvidence",),
    },
)

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
    "Finding",
    "Identification",
    "Inspection",
    "InteractionEvidence",
    "LogitDynamics",
    "PayoffBounds",
    "Prediction",
    "Predictor",
    "StructuredMLE",
    "TabularMLE",
    "baselines",
    "bounds",
    "check_dynamics",
    "check_estimator",
    "cross_validate",
    "diagnose",
    "equilibria",
    "identification",
    "identify",
    "inspect",
    "log_likelihood",
    "metrics",
    "payoff_bounds",
    "simulate",
    "structure",
]
