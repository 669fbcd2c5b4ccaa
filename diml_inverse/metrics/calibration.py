"""Calibration: whether actions predicted with probability p are taken in a share p of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from diml_envs.traces import Traces
from diml_inverse.drawing.palette import BLUE, GREY
from diml_inverse.metrics.bootstrap import EpisodeSums
from diml_inverse.metrics.decisions import checked_probs, checked_scored

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]


def expected_calibration_error(
    predicted: ArrayLike, traces: Traces, num_bins: int = 15, scored: ArrayLike | None = None
) -> float:
    """Mean gap between predicted probability and share of choices, as a probability; best 0.

    Every action of every decision is one prediction. They are sorted into bins by their probability, about as many
    in each (with equally wide bins, all predictions of a game with many actions would fall into the first), and

        sum over bins of (share of predictions in it) * |mean probability - share of them taken|   (Naeini et al. 2015)

    Zero says that probabilities can be taken at their word, not that they tell much: predicting overall shares is
    calibrated too. Noise alone makes it positive, by about sqrt(bins / predictions) times a typical sqrt(p (1 - p)).

    Args:
        predicted: [E, T, N, A].
        traces: the play that was predicted.
        num_bins: at most; predictions of the same probability stay in one bin.
        scored: bool [E, T, N]; default: `scored_decisions`.

    Raises:
        ValueError: shapes that do not fit, rows that are no probabilities, or no bin.
    """
    return calibration_by_episode(predicted, traces, num_bins, scored).value


def calibration_by_episode(
    predicted: ArrayLike, traces: Traces, num_bins: int = 15, scored: ArrayLike | None = None
) -> EpisodeSums:
    """`expected_calibration_error` with what each episode adds: predictions, probability, taken, [E, bins, 3]."""
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1; got {num_bins}")
    counted = checked_scored(scored, traces)
    probs = checked_probs(predicted, traces, counted)
    exists = np.arange(probs.shape[-1]) < np.array(traces.action_counts)[:, None]
    used = counted[..., None] & exists  # [E, T, N, A]
    taken = traces.actions[..., None] == np.arange(probs.shape[-1])
    bins = _bins(probs[used], num_bins)
    place = np.nonzero(used)[0] * num_bins + bins
    length = len(traces) * num_bins
    sums = [np.bincount(place, weights, length) for weights in (None, probs[used], taken[used])]
    return EpisodeSums(np.stack(sums, 1).reshape(len(traces), num_bins, 3).astype(np.float64), _error).of(traces)


def reliability(
    predicted: ArrayLike, traces: Traces, num_bins: int = 15, scored: ArrayLike | None = None
) -> pd.DataFrame:
    """Data of a reliability plot, a row for each bin of `expected_calibration_error` that holds predictions.

    Columns: predicted (mean probability), taken (share of these actions that were chosen), predictions (how many),
    standard_error (of taken, were the predictions independent and right). Perfect: taken = predicted.

    Raises:
        ValueError: as `expected_calibration_error`.
    """
    sums = calibration_by_episode(predicted, traces, num_bins, scored).sums.sum(0)
    number, probability, taken = sums[sums[:, 0] > 0].T
    mean = probability / number
    return pd.DataFrame(
        {
            "predicted": mean,
            "taken": taken / number,
            "predictions": number.astype(int),
            "standard_error": np.sqrt(mean * (1 - mean).clip(min=0) / number),
        }
    )


def reliability_plot(bins: pd.DataFrame, title: str = "Reliability of predicted choices") -> Figure:
    """Share taken against predicted probability, with two standard errors, beside the line of perfect calibration.

    Args:
        bins: of `reliability`.
        title: above the plot; the expected calibration error is added.
    """
    from matplotlib.figure import Figure  # only a plot needs it, and it takes long to load

    figure = Figure(figsize=(5.4, 5.2), layout="constrained")
    draw_reliability(figure.subplots(), bins, title)
    return figure


def draw_reliability(axes: Axes, bins: pd.DataFrame, title: str) -> None:
    """`reliability_plot` on axes that are there."""
    largest = 1.05 * max(bins["predicted"].max(), bins["taken"].max())
    axes.axline((0, 0), slope=1, color=GREY, linewidth=1, label="perfect")
    axes.errorbar(
        bins["predicted"],
        bins["taken"],
        yerr=2 * bins["standard_error"],
        fmt="o-",
        color=BLUE,
        markersize=4,
        linewidth=1,
        label="bins of predictions, ± 2 standard errors",
    )
    gap = (bins["predicted"] - bins["taken"]).abs()
    error = np.average(gap, weights=bins["predictions"])
    axes.set(xlim=(0, largest), ylim=(0, largest), aspect="equal")
    axes.set(xlabel="predicted probability", ylabel="share taken", title=f"{title}\ncalibration error {error:.2g}")
    axes.grid(color="0.92")
    axes.legend(frameon=False, loc="upper left", fontsize="small")


def _bins(probs: FloatArray, num_bins: int) -> NDArray[np.int64]:
    """Bin of each probability, by its rank; equal ones share the bin of the first."""
    _, place, times = np.unique(probs, return_inverse=True, return_counts=True)
    rank = np.cumsum(times) - times
    bins: NDArray[np.int64] = (rank * num_bins // len(probs))[place]
    return bins


def _error(sums: FloatArray) -> float:
    return float(np.abs(sums[:, 1] - sums[:, 2]).sum() / sums[:, 0].sum())
