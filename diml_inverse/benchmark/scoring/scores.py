"""What a cell measures: the metrics of one fit, with intervals over the test episodes where there can be one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from diml_envs.mechanisms import Mechanism
from diml_envs.traces import Traces
from diml_inverse import metrics
from diml_inverse.baselines import ClonedPolicy, Predictor
from diml_inverse.benchmark.scoring.cramer_rao import cramer_rao_bound
from diml_inverse.benchmark.tasks.task import Play, Task
from diml_inverse.estimate.estimate import Estimate
from diml_inverse.metrics import EpisodeSums, MetricMeaning
from diml_inverse.prediction.simulation import changed_learners, simulate

SIMULATED_ROUNDS = 35  # the paper's

# What the suite adds to `diml_inverse.metrics.METRICS`.
SUITE_METRICS = (
    MetricMeaning(
        "cramer_rao",
        "Expected payoff_difference_mse of an efficient estimator that knows the parametric form and the learners.",
        "payoff units squared",
        "a yardstick",
    ),
    MetricMeaning("skipped", "The estimator cannot be applied to the task; the report says why.", "", ""),
    MetricMeaning("error", "The cell failed; its log says how.", "", ""),
)


class PredictsChoices(Protocol):
    """The part of a `Predictor` that is scored."""

    def choice_probs(self, traces: Traces) -> NDArray[np.float64]: ...


class Score(NamedTuple):
    """A metric's value, and the ends of its 95 % interval over test episodes (NaN where there is none)."""

    metric: str
    value: float
    low: float = math.nan
    high: float = math.nan


def scores(result: Predictor, task: Task, play: Play, seed: int) -> list[Score]:
    """All that applies to the result."""
    found = list(of_choices(result, play))
    if isinstance(result, Estimate):
        found = [*_of_payoffs(result, task, play), *found]
    if isinstance(result, Estimate | ClonedPolicy) and play.dynamics is not None:
        found += _of_changed_play(result, task, play, seed)
    return found


def bound(task: Task, play: Play) -> Score:
    """The Cramér-Rao bound of the task's formula, its learners known."""
    assert play.dynamics is not None
    return Score("cramer_rao", cramer_rao_bound(play.truth, play.dynamics, play.train, play.test, task.formula_ridge))


def of_differences(mechanism: Mechanism, play: Play) -> Iterator[Score]:
    """How far payoff differences are from the truth's, in the contexts of the test play."""
    for name, relative in (("payoff_difference_mse", False), ("payoff_difference_mse_relative", True)):
        errors = metrics.payoff_difference_by_episode(mechanism, play.truth, play.test, relative)
        yield _with_interval(name, errors)
    rescaled, correlation = metrics.payoff_difference_agreement(mechanism, play.truth, play.test)
    yield Score("payoff_difference_mse_rescaled", rescaled)
    yield Score("payoff_difference_correlation", correlation)


def _of_payoffs(estimate: Estimate, task: Task, play: Play) -> Iterator[Score]:
    yield from of_differences(estimate.mechanism, play)
    at_random = metrics.payoff_mse_by_support(estimate.mechanism, play.truth, play.train, task.compared_profiles)
    whole = torch.tensor(play.train.actions[play.train.observed.all(-1)])
    visited = torch.unique(whole, dim=0)[: task.compared_profiles]
    yield Score("payoff_mse_on_support", metrics.payoff_mse(estimate.mechanism, play.truth, visited))
    yield Score("payoff_mse_off_support", at_random["off_support"])


def of_choices(result: PredictsChoices, play: Play) -> Iterator[Score]:
    """How well choices of the test play are predicted."""
    predicted = result.choice_probs(play.test)
    test, true = play.test, play.true_choice_probs
    yield _with_interval("log_likelihood", metrics.log_likelihood_by_episode(predicted, test))
    if true is not None:
        yield _with_interval("truth_log_likelihood", metrics.log_likelihood_by_episode(true, test))
    by_context = metrics.negative_log_likelihood_by_context(predicted, test, play.train)
    yield from (Score(f"negative_log_likelihood_{name}", by_context[name]) for name in ("seen", "unseen"))
    if true is not None:
        yield _with_interval("choice_kl", metrics.choice_kl_by_episode(predicted, true, test))
    yield _with_interval("expected_calibration_error", metrics.calibration_by_episode(predicted, test))
    yield _with_interval("accuracy", metrics.accuracy_by_episode(predicted, test))


def _of_changed_play(result: Estimate | ClonedPolicy, task: Task, play: Play, seed: int) -> Iterator[Score]:
    """Play simulated with changed learners, estimate against truth, and truth against truth."""
    assert play.dynamics is not None
    sizes = task.simulated_episodes, SIMULATED_ROUNDS
    changed = changed_learners(play.dynamics)
    true_play, again = (simulate(play.truth, changed, *sizes, 3 * seed + i) for i in (0, 1))
    prediction = _simulated(result, sizes, 3 * seed + 2)
    yield _with_interval("histogram_kl", metrics.histogram_kl_by_episode(prediction, true_play))
    yield _with_interval("histogram_kl_noise_floor", metrics.histogram_kl_by_episode(again, true_play))


def _simulated(result: Estimate | ClonedPolicy, sizes: tuple[int, int], seed: int) -> Traces:
    if isinstance(result, ClonedPolicy):  # knows of no learners that could change
        return result.simulate(*sizes, seed)
    return simulate(result.mechanism, changed_learners(result.dynamics), *sizes, seed)


def _with_interval(name: str, sums: EpisodeSums) -> Score:
    return Score(name, *metrics.bootstrap_interval(sums))
