"""Heat maps of how well payoff differences are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from diml_inverse.drawing.palette import MUCH

MOST_PANELS = 6  # agents; of more, one panel shows agent by context
NAMED = 40  # contexts of an agent, or agents, up to which they are named
MOST_CONTEXTS = 200  # of an agent, most visited first
WIDEST = 30  # letters of a name
NORM = LogNorm(0.1, 1000, clip=True)  # observations
COLOURS = matplotlib.colormaps[MUCH].with_extremes(bad="white")
GREY, HATCH = "0.8", "///"


class _Grid(NamedTuple):
    """observations, and whether only through the form, and whether not at all; each [rows, columns]."""

    observations: NDArray[np.float64]
    by_form: NDArray[np.bool_]
    unknown: NDArray[np.bool_]


def heat_map(table: pd.DataFrame) -> Figure:
    """Effective observations of `Identification.table`: context by own action, a panel for each agent.

    Of more than six agents: agent by context, the least known difference of each. Contexts by falling visits.
    """
    agents = list(dict.fromkeys(table["agent"]))
    if len(agents) > MOST_PANELS:
        figure, panels = _crowd(table, agents)
    else:
        figure, panels = _few(table, agents)
    figure.colorbar(ScalarMappable(NORM, COLOURS), ax=panels, label="effective observations", extend="both", shrink=0.8)
    form = "identified only through the mechanism's form\n(white: how well is not known)"
    handles = [
        Patch(facecolor="white", edgecolor="black", hatch=HATCH, label=form),
        Patch(facecolor=GREY, label="not identified"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle("How well play pins down payoff differences")
    return figure


def _few(table: pd.DataFrame, agents: list[str]) -> tuple[Figure, list[Axes]]:
    parts = [part for _, part in table.groupby("agent", sort=False)]
    shown = [min(part["others"].nunique(), MOST_CONTEXTS) for part in parts]
    tall = max([*shown, 1])
    named = tall <= NAMED
    height = 2.4 + (0.26 * tall if named else 6.0)
    columns = max(len(parts), 1)
    figure = Figure(figsize=(max(1.6 + columns * (3.4 if named else 2.2), 6.5), height), layout="constrained")
    panels = list(figure.subplots(1, columns, squeeze=False)[0])
    for axes, part, agent in zip(panels, parts, agents, strict=False):
        contexts = list(dict.fromkeys(part["others"]))[:MOST_CONTEXTS]
        actions = list(dict.fromkeys(part["action"]))
        _draw(axes, _grid(part, "others", contexts, "action", actions))
        cut = f"\nthe {len(contexts)} most visited" if part["others"].nunique() > len(contexts) else ""
        axes.set(title=f"{agent}{cut}", xlabel="own action")
        axes.set_xticks(range(len(actions)), [_short(str(action), 8) for action in actions])
        if named:
            axes.set_yticks(range(len(contexts)), [_short(str(name)) for name in contexts], fontsize="small")
    panels[0].set_ylabel("what the others did" + ("" if named else " (most frequent at the top)"))
    return figure, panels


def _crowd(table: pd.DataFrame, agents: list[str]) -> tuple[Figure, list[Axes]]:
    ranked = table.assign(rank=table.groupby("agent")["others"].transform(lambda others: pd.factorize(others)[0]))
    ranks = range(min(int(ranked["rank"].max()) + 1, MOST_CONTEXTS))
    figure = Figure(figsize=(9, 2.4 + min(0.2 * len(agents), 9)), layout="constrained")
    axes = figure.subplots()
    _draw(axes, _grid(ranked, "agent", agents, "rank", list(ranks)))
    axes.set_xlabel("context of the agent, most visited first; the least known difference of each")
    if len(agents) <= NAMED:
        axes.set_yticks(range(len(agents)), [_short(agent) for agent in agents])
    else:
        axes.set_ylabel("agent")
    return figure, [axes]


def _grid(part: pd.DataFrame, rows: str, row_names: Sequence[Any], columns: str, column_names: Sequence[Any]) -> _Grid:
    """The worst of the differences that fall together."""
    exact = part["identified"] == "exactly"
    known = part["identified"].isin(["exactly", "structure", "smoothness"])
    values = part["observations"].where(exact, part["observations_with_form"]).where(known)

    def wide(cells: pd.Series, worst: Literal["min", "max"]) -> NDArray[np.float64]:
        frame = part.assign(cell=cells.astype(float)).pivot_table("cell", rows, columns, worst, sort=False)
        found: NDArray[np.float64] = frame.reindex(index=list(row_names), columns=list(column_names)).to_numpy(float)
        return found

    out = wide(~known, "max") == 1
    return _Grid(np.where(out, np.nan, wide(values, "min")), (wide(known & ~exact, "max") == 1) & ~out, out)


def _draw(axes: Axes, grid: _Grid) -> None:
    axes.imshow(np.ma.masked_invalid(grid.observations), cmap=COLOURS, norm=NORM, aspect="auto", interpolation="none")
    axes.imshow(
        np.ma.masked_where(~grid.unknown, np.ones(grid.unknown.shape)),
        cmap=matplotlib.colors.ListedColormap([GREY]),
        aspect="auto",
        interpolation="none",
    )
    for low, high, column in _runs(grid.by_form):
        axes.fill_between(
            [column - 0.5, column + 0.5], low - 0.5, high + 0.5, facecolor="none", hatch=HATCH, linewidth=0
        )


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """First and last row of each run of marked cells down a column, and the column."""
    for column in range(mask.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask[:, column], [False]]).astype(int)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            yield int(start), int(stop) - 1, column


def _short(name: str, most: int = WIDEST) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
