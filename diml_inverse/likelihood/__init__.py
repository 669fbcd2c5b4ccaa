"""Likelihood of observed play under a mechanism and surrogate dynamics, exact over whole episodes."""

from diml_inverse.likelihood.likelihood import (
    MOST_PAYOFFS,
    ObservedPlay,
    decision_log_likelihoods,
    log_choice_probs,
    log_likelihood,
    nonfinite_place,
    observe,
    total_log_likelihood,
)

__all__ = [
    "MOST_PAYOFFS",
    "ObservedPlay",
    "decision_log_likelihoods",
    "log_choice_probs",
    "log_likelihood",
    "nonfinite_place",
    "observe",
    "total_log_likelihood",
]
