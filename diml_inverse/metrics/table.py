"""`METRICS`: what each reported number means, its unit and its best value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricMeaning:
    """One metric as reports name it.

    Attributes:
        name: as in results files.
        meaning: one sentence.
        unit: of its values.
        best: the value that nothing beats.
        source: who introduced it; empty where it is plain arithmetic.
    """

    name: str
    meaning: str
    unit: str
    best: str
    source: str = ""


PAPER = "An & Du 2026"

METRICS: tuple[MetricMeaning, ...] = (
    MetricMeaning(
        "payoff_difference_mse",
        "Squared error of payoff differences between pairs of own actions, over the contexts of the test episodes.",
        "payoff units squared",
        "0",
        PAPER,
    ),
    MetricMeaning(
        "payoff_difference_mse_relative",
        "The same, divided by the error of predicting no differences: 1 is knowing nothing.",
        "share",
        "0",
    ),
    MetricMeaning(
        "payoff_difference_mse_rescaled",
        "Error that the best multiple of the payoff differences leaves, over that of knowing nothing: for learners "
        "whose precision is not known.",
        "share",
        "0",
    ),
    MetricMeaning(
        "payoff_difference_correlation",
        "Correlation of recovered and true payoff differences over the contexts of the test episodes.",
        "correlation",
        "1",
    ),
    MetricMeaning(
        "payoff_mse_on_support",
        "Squared error of payoffs, levels included, at profiles that occurred in the play; levels are not identified.",
        "payoff units squared",
        "0",
        PAPER,
    ),
    MetricMeaning(
        "payoff_mse_off_support", "The same at profiles that did not occur.", "payoff units squared", "0", PAPER
    ),
    MetricMeaning(
        "log_likelihood",
        "Mean log probability that was given to the choices made in the test episodes.",
        "nats per decision",
        "truth_log_likelihood, up to luck",
        PAPER,
    ),
    MetricMeaning(
        "truth_log_likelihood",
        "The same for the probabilities that the choices were drawn with.",
        "nats per decision",
        "a yardstick",
    ),
    MetricMeaning(
        "negative_log_likelihood_seen",
        "Minus the log-likelihood of decisions after contexts that the agent met in training too.",
        "nats per decision",
        "that of the truth",
        PAPER,
    ),
    MetricMeaning(
        "negative_log_likelihood_unseen",
        "The same after contexts that are new.",
        "nats per decision",
        "that of the truth",
    ),
    MetricMeaning(
        "choice_kl",
        "KL divergence of predicted from true choice probabilities, both given the same play so far; the luck of the "
        "draws does not enter.",
        "nats per decision",
        "0, only when right",
    ),
    MetricMeaning(
        "histogram_kl",
        "KL divergence between histograms of play simulated with changed learners, estimate from truth.",
        "nats",
        "near histogram_kl_noise_floor",
        PAPER,
    ),
    MetricMeaning(
        "histogram_kl_noise_floor",
        "The same for the truth simulated twice: smaller differences from it mean nothing.",
        "nats",
        "a yardstick",
    ),
    MetricMeaning(
        "expected_calibration_error",
        "Gap between predicted probabilities and the share of such predictions that came true, over 15 equally full "
        "bins; says nothing of how much is predicted.",
        "probability",
        "0, up to noise",
        "Naeini et al. 2015",
    ),
    MetricMeaning(
        "accuracy",
        "Share of decisions in which the action predicted as most probable was taken.",
        "share",
        "that of the truth",
        PAPER,
    ),
    MetricMeaning("fit_seconds", "Wall-clock time of the fit, selection included.", "seconds", "0"),
)
