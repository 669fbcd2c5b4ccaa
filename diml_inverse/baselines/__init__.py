"""What others would do, and the paper compares with: estimators that assume something else, or no mechanism at all."""

from diml_inverse.baselines.cloning import BehaviouralCloning
from diml_inverse.baselines.equilibrium import EquilibriumInversion
from diml_inverse.baselines.frequencies import ChoiceFrequencies, FrequencyPolicy
from diml_inverse.baselines.maximum_entropy import MaximumEntropyIRL
from diml_inverse.baselines.modal import ModalMechanism
from diml_inverse.baselines.policy import ClonedPolicy
from diml_inverse.baselines.policy_estimate import PolicyEstimate
from diml_inverse.baselines.quantal_response import QuantalResponseInversion
from diml_inverse.baselines.wrong_learner import WrongLearner
from diml_inverse.recovered.protocol import Predictor

__all__ = [
    "BehaviouralCloning",
    "ChoiceFrequencies",
    "ClonedPolicy",
    "EquilibriumInversion",
    "FrequencyPolicy",
    "MaximumEntropyIRL",
    "ModalMechanism",
    "PolicyEstimate",
    "Predictor",
    "QuantalResponseInversion",
    "WrongLearner",
]
