"""The paper's counterfactual test: does play simulated with changed learners look like the truth's?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diml_envs.mechanisms.base import Mechanism
from diml_envs.traces import Traces
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.metrics.bootstrap import EpisodeSums, Interval, bootstrap_interval
from diml_inverse.prediction.simulation import changed_learners, simulate

PSEUDO_COUNT = 0.5  # added to every cell, so that a cell empty by chance does not make the divergence infinite
LARGEST_HISTOGRAM = 4096  # cells; in games with more joint actions, counts are compared

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class CounterfactualKL:
    """A histogram KL with what it would be were the estimate right; both in nats, with 95 % intervals.

    Attributes:
        histogram_kl: of the estimate's play from the truth's; best: about the noise floor.
        noise_floor: of the truth's play from the truth simulated once more, at the same size.
    """

    histogram_kl: Interval
    noise_floor: Interval


def counterfactual_kl(
    mechanism: Mechanism,
    dynamics: Dynamics,
    truth: Mechanism,
    true_dynamics: Dynamics,
    num_episodes: int = 200,
    num_rounds: int = 35,
    seed: int = 0,
) -> CounterfactualKL:
    """Simulate truth and estimate, each with its learners changed in the same way, and compare the play.

    Learning rate x 0.6, precision x 1.4, exploration x 1.5 (An & Du 2026). An estimate's values below the noise floor
    or a little above it say only that the simulation is too small to tell it from the truth; `choice_kl` can.

    Args:
        mechanism, dynamics: the estimate's, before the change.
        truth, true_dynamics: likewise.
        num_episodes, num_rounds: of each simulation; the defaults are the paper's.
        seed: decides all three simulations.

    Raises:
        ValueError: dynamics without these parameters, or other action counts than the truth's.
    """
    changed = changed_learners(true_dynamics)
    true_play, again = (simulate(truth, changed, num_episodes, num_rounds, 3 * seed + i) for i in (0, 1))
    prediction = simulate(mechanism, changed_learners(dynamics), num_episodes, num_rounds, 3 * seed + 2)
    intervals = [bootstrap_interval(histogram_kl_by_episode(play, true_play)) for play in (prediction, again)]
    return CounterfactualKL(*intervals)


def histogram_kl(prediction: Traces, truth: Traces) -> float:
    """KL divergence of the histogram of predicted play from that of true play, in nats; best: near its noise floor.

    In games of at most 4096 joint actions: of the joint actions of all rounds and episodes together. In larger ones:
    for each action, of the number of agents who choose it in a round, averaged over actions. Half a count is added
    to every cell. Rounds in which an action was not observed are left out.

    The noise floor is the value for the truth simulated once more: about (cells) / (rounds simulated) for as many
    rounds on both sides. Order and time are lost: play that differs only in them is not told apart.

    Args:
        prediction: play simulated from the estimate, or from anything else.
        truth: play of the true mechanism under the same learners.

    Raises:
        ValueError: other action counts than the truth's, or no round observed completely.
    """
    for traces in (prediction, truth):
        _check(traces, truth)
    return _divergence(np.stack([_histograms(truth).sum(0), _histograms(prediction).sum(0)]))


def histogram_kl_by_episode(prediction: Traces, truth: Traces) -> EpisodeSums:
    """`histogram_kl` with what each pair of episodes adds (they are independent, so any pairing will do).

    Raises:
        ValueError: as `histogram_kl`, or other numbers of episodes.
    """
    for traces in (prediction, truth):
        _check(traces, truth)
    if len(prediction) != len(truth):
        raise ValueError(f"an interval needs as many predicted as true episodes; got {len(prediction)}, {len(truth)}")
    return EpisodeSums(np.stack([_histograms(truth), _histograms(prediction)], 1), _divergence).of(truth)


def _check(traces: Traces, truth: Traces) -> None:
    if traces.action_counts != truth.action_counts:
        raise ValueError(f"action counts differ: predicted {traces.action_counts}, true {truth.action_counts}")
    if not traces.observed.all(-1).any():
        raise ValueError("no round in which every agent's action was observed")


def _histograms(traces: Traces) -> FloatArray:
    """Counts of each episode, [E, H, cells]: one histogram of joint actions, or one for each action."""
    complete = traces.observed.all(-1)
    episode = np.nonzero(complete)[0]
    profiles = traces.actions[complete]  # [M, N]
    if math.prod(traces.action_counts) <= LARGEST_HISTOGRAM:
        cells = np.ravel_multi_index(tuple(profiles.T), traces.action_counts)[:, None]  # [M, 1]
        num_cells = math.prod(traces.action_counts)
    else:
        cells = np.stack([(profiles == action).sum(1) for action in range(max(traces.action_counts))], 1)  # [M, A]
        num_cells = traces.num_agents + 1
    shape = (len(traces), cells.shape[1], num_cells)
    place = np.ravel_multi_index((episode[:, None], np.arange(shape[1]), cells), shape)
    return np.bincount(place.ravel(), minlength=math.prod(shape)).reshape(shape).astype(np.float64)


def _divergence(counts: FloatArray) -> float:
    """Mean over histograms of KL(first || second). [2, H, cells]"""
    p, q = (counts + PSEUDO_COUNT) / (counts + PSEUDO_COUNT).sum(-1, keepdims=True)
    return float((p * np.log(p / q)).sum(-1).mean())
