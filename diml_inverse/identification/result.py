"""`Identification`: what `identify` found, as tables, as text and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOW = {
    "exactly": "exactly, with every payoff free",
    "structure": "only through the mechanism's structure",
    "smoothness": "only through the network's smoothness",
    "partly": "in part: against some of the own actions",
    "no": "not at all",
    "unknown": "not known",
}
WIDTH = 100
LISTED = 12  # invariances
FEW = 10  # observations below which normal intervals are not to be trusted


@dataclass(frozen=True)
class Identification:
    """Which payoff differences play pins down, and what it cannot tell. `str` of it is the report.

    Attributes:
        table: a row for each payoff difference (payoff of an own action less the mean over own actions), of agents
            with a choice. Columns: agent; others (`student=honest;...`); action; visits; identified (a key of `HOW`);
            observations (effective number, see `identify`; 0 if not identified, payoffs being free);
            observations_with_form (the same, through the mechanism's parameters); comparable (of how many other own
            actions the difference from this one is identified, payoffs being free; -1 if not examined);
            payoff_identified (the payoff itself is, level included).
        invariances: a row for each kind of change that no choice along the play tells. Columns: of (whose payoffs, or
            the mechanism's parameters), what, directions (how many), step (size of the largest change of a parameter
            that was tried; payoffs that are multiplied, by 1.65), change (largest of any decision's log-likelihood,
            nats, for that step), change_elsewhere (for one of the same length at right angles to all invariances).
        spaces: parameters examined. Columns: of, parameters, identified (rank of the information), condition_number
            (of the information where it is not zero, parameters in units of their own).
        facts: mechanism, learners, episodes, decisions, contexts_visited, contexts_possible.
        notes: what could not be examined.
    """

    table: pd.DataFrame
    invariances: pd.DataFrame
    spaces: pd.DataFrame
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """The report as text."""
        rule = "=" * WIDTH
        parts = [
            ["What play identifies".center(WIDTH).rstrip(), rule],
            self._header(),
            ["", "Payoff differences", *self._counts()],
            [
                "",
                "What no choice shows (change of log-likelihood in nats; beside it, that of an equal step elsewhere)",
            ],
            self._gauge(),
            ["", "Information", *_indented(_text(self.spaces))] if len(self.spaces) else [],
            ["", *(f"Note: {note}" for note in self.notes)] if self.notes else [],
            [rule],
        ]
        return "\n".join(line for part in parts for line in part)

    __str__ = summary
    __repr__ = summary

    def plot(self) -> Figure:
        """Heat map of effective observations: own action by context, a panel for each of few agents; else agent by
        context."""
        from diml_inverse.identification.picture import heat_map  # only a picture needs matplotlib, slow to load

        return heat_map(self.table)

    def _header(self) -> list[str]:
        text = (
            "Mechanism: {mechanism}. Learners: {learners}.\n{decisions} decisions in {episodes} episodes; "
            "{contexts_visited} contexts visited of {contexts_possible:.6g} possible."
        )
        return text.format(**self.facts).splitlines()

    def _counts(self) -> Iterator[str]:
        for how, words in HOW.items():
            part = self.table[self.table["identified"] == how]
            if len(part) or how in ("exactly", "no"):
                yield f"  {words:<46}{len(part):>7} of {len(self.table)}{_observations(part, how)}"
        weak = self.table["observations"].where(self.table["identified"] == "exactly")
        if number := int((weak < FEW).sum()):
            yield f"  Of those identified exactly, {number} rest on fewer than {FEW} effective observations."

    def _gauge(self) -> list[str]:
        if self.invariances.empty:
            return ["  nothing: all is identified" if len(self.spaces) else "  not examined"]
        shown = self.invariances.head(LISTED)
        more = len(self.invariances) - len(shown)
        lines = _indented(_text(shown[["of", "what", "directions", "change", "change_elsewhere"]]))
        return [*lines, f"  and {more} more in .invariances"] if more else lines


def _observations(part: pd.DataFrame, how: str) -> str:
    column = "observations" if how == "exactly" else "observations_with_form"
    values = part[column].replace(np.inf, np.nan).dropna()
    if how in ("no", "partly") or values.empty:
        return ""
    low, middle, high = values.quantile([0, 0.5, 1])
    return f"   effective observations {middle:.3g} ({low:.3g} to {high:.3g})"


def _text(frame: pd.DataFrame) -> str:
    left = {name: max(len(name), int(frame[name].str.len().max())) for name in ("of", "what") if name in frame}
    formats = {name: (lambda text, width=width: f"{text:<{width}}") for name, width in left.items()}
    return frame.to_string(index=False, formatters=formats, float_format=lambda value: f"{value:.3g}", na_rep="-")


def _indented(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.splitlines()]
