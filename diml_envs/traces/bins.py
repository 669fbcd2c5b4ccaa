"""Bins for actions that are amounts: prices, bids, contributions to the cent."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_WIDTH = re.compile(r"width=(\d*\.?\d+(?:[eE][+-]?\d+)?)")
MOST_BINS = 1000


def parse_bins(bins: int | str) -> int | float:
    """A number of bins with equal counts as int, or the width of each as float.

    Args:
        bins: 5 or "5", or "width=0.25".

    Raises:
        ValueError: neither of these, fewer than two bins, a width of zero.
    """
    if found := _WIDTH.fullmatch(str(bins).replace(" ", "")):
        if (width := float(found[1])) > 0:
            return width
    elif not isinstance(bins, bool) and re.fullmatch(r"\d+", str(bins)) and 2 <= int(bins) <= MOST_BINS:
        return int(bins)
    raise ValueError(
        f"bins must be a number from 2 to {MOST_BINS} (equal counts), or width=W (equal widths); got {bins!r}"
    )


def binned(actions: pd.Series[Any], agents: pd.Series[Any], bins: int | str) -> Any:
    """Each number [R] replaced by the label of its bin, a categorical in the bins' order; empty cells stay empty.

    Agents whose ranges overlap share their bins, so that sellers' prices stay comparable; others have bins of their
    own. Equal counts means quantiles: fewer bins where one amount is so common that edges coincide.

    Labels are the edges, `0.25 to 0.50`: an amount on an edge belongs to the bin above it, but the largest to the last.

    Raises:
        ValueError: actions that are not numbers.
    """
    how = parse_bins(bins)
    try:
        amounts = pd.to_numeric(actions.astype(object)).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise ValueError(f"bins are for actions that are numbers: {error}") from error
    if np.isinf(amounts).any():
        raise ValueError("bins are for actions that are finite numbers; some are infinite")
    labels = np.full(len(amounts), None, dtype=object)
    order: list[str] = []
    for rows in _groups(amounts, agents.to_numpy()):
        edges = _edges(amounts[rows], how)
        names = _names(edges)
        labels[rows] = np.array(names, dtype=object)[_places(amounts[rows], edges)]
        order += [name for name in names if name not in order]
    return pd.Categorical(labels, order)


def _groups(amounts: NDArray[np.float64], agents: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Rows with an amount, one array for each set of agents whose ranges overlap."""
    known = np.flatnonzero(~np.isnan(amounts))
    table = pd.DataFrame({"agent": agents[known], "amount": amounts[known]})
    ranges = table.groupby("agent", observed=True)["amount"].agg(["min", "max"]).sort_values("min")
    apart = ranges["min"].to_numpy()[1:] > ranges["max"].cummax().to_numpy()[:-1]
    number = dict(zip(ranges.index, np.cumsum(np.append(0, apart)) if len(ranges) else [], strict=True))
    group = table["agent"].map(number).to_numpy()
    return [known[group == g] for g in np.unique(group)]


def _edges(amounts: NDArray[np.float64], how: int | float) -> NDArray[np.float64]:
    """Edges of the bins [K + 1], increasing."""
    low, high = amounts.min(), amounts.max()
    if isinstance(how, int):
        return np.unique(np.quantile(amounts, np.linspace(0, 1, how + 1)))
    first, last = np.floor(low / how + 1e-9), np.floor(high / how + 1e-9) + 1
    if last - first > MOST_BINS:
        raise ValueError(
            f"bins of width {how:g} from {low:g} to {high:g} are {last - first:.0f}, more than {MOST_BINS}"
        )
    return np.asarray(how * np.arange(first, last + 1))


def _places(amounts: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    slack = 1e-9 * max(np.abs(edges).max(), 1e-300)  # 3 * 0.1 is not 0.3
    return np.clip(np.searchsorted(edges, amounts + slack, side="right") - 1, 0, max(len(edges) - 2, 0))


def _names(edges: NDArray[np.float64]) -> list[str]:
    """As many decimals as tell the edges apart, the same for all: such labels sort as the numbers do."""
    if len(edges) == 1:
        return [f"{edges[0]:g}"]
    decimals = next((d for d in range(12) if len({f"{edge:.{d}f}" for edge in edges}) == len(edges)), 12)
    exact = next(
        (d for d in range(decimals, decimals + 3) if np.allclose(edges, np.round(edges, d), rtol=1e-9, atol=0)),
        decimals + 1,
    )
    return [f"{low:.{exact}f} to {high:.{exact}f}" for low, high in itertools.pairwise(edges)]
