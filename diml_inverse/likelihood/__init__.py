"""Likelihood of observed play under a mechanism and surrogate dynamics, exact over whole episodes."""

from diml_inverse.likelihood.play import ObservedPlay, observe
from diml_inverse.likelihood.scored import MOST_PAYOFFS
from diml_inverse.likelihood.scoring import decision_log_likelihoods, is_compiled, log_choice_probs, nonfinite_place
from diml_inverse.likelihood.total import log_likelihood, total_log_likelihood

__all__ = [
    "MOST_PAYOFFS",
    "ObservedPlay",
    "decision_log_likelihoods",
    "is_compiled",
    "log_choice_probs",
    "log_likelihood",
    "nonfinite_place",
    "observe",
    "total_log_likelihood",
]
