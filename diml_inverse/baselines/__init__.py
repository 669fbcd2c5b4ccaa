"""What the paper compares with: estimators that assume something wrong, or no mechanism at all."""

from diml_inverse.baselines.cloning import BehaviouralCloning
from diml_inverse.baselines.equilibrium import EquilibriumInversion
from diml_inverse.baselines.modal import ModalMechanism
from diml_inverse.baselines.policy import ClonedPolicy
from diml_inverse.baselines.wrong_learner import WrongLearner
from diml_inverse.estimator import Predictor

__all__ = [
    "BehaviouralCloning",
    "ClonedPolicy",
    "EquilibriumInversion",
    "ModalMechanism",
    "Predictor",
    "WrongLearner",
]
