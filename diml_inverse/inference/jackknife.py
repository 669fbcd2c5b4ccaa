"""Delete-a-group jackknife: standard errors where episodes share people, so that groups of them are independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diml_envs.traces import Label, Traces
from diml_inverse.recovered.protocol import FitsMechanism, Found
from diml_inverse.uncertainty.base import quantile


@dataclass(frozen=True)
class Jackknife:
    """A statistic of an estimate, and of estimates that left out one group each.

    Attributes:
        value: from all episodes, [*S].
        left_out: [G, *S].
    """

    value: NDArray[np.float64]
    left_out: NDArray[np.float64]

    @property
    def degrees(self) -> int:
        """Of freedom of Student's t in intervals: G - 1. With a handful of groups they are wide, as they should be."""
        return len(self.left_out) - 1

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """sqrt((G - 1) / G sum (left out - their mean)^2), [*S]."""
        errors: NDArray[np.float64] = np.sqrt(self.degrees * self.left_out.var(0))
        return errors

    def intervals(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high ends, by Student's t, [*S] each.

        Raises:
            ValueError: a level outside (0, 1).
        """
        half = quantile(level, self.degrees) * self.standard_errors
        return self.value - half, self.value + half


def jackknife(
    estimator: FitsMechanism[Found],
    traces: Traces,
    groups: Sequence[Label] | None,
    function: Callable[[Found], ArrayLike],
) -> Jackknife:
    """Fit to all episodes, then without each group in turn (Efron & Tibshirani 1993, ch. 11; Shao & Tu 1995).

    The standard errors of a maximum-likelihood fit and the bootstrap take episodes to be independent. Where the same
    people play in several, group the episodes by people and use this.

    Args:
        estimator: `fit(traces)` gives an `Estimate`.
        traces: the play.
        groups: of each episode, [E]; None: `Traces.units`, the units that share nobody.
        function: of an estimate, numbers [*S].

    Raises:
        ValueError: fewer than two groups, or another number of labels than episodes.
    """
    if groups is None:
        count = traces.num_units
        if count < 2:
            raise ValueError(f"a jackknife needs two units that share nobody, or two persons; got {traces}")
        kept = (traces.of_units(np.arange(count) != unit) for unit in range(count))
    else:
        names = tuple(dict.fromkeys(groups))
        if len(groups) != len(traces) or len(names) < 2:
            raise ValueError(
                f"a group for each of the {len(traces)} episodes is needed, two different ones at least; "
                f"got {len(groups)} labels, {len(names)} different"
            )
        group_of = np.array([names.index(group) for group in groups])
        kept = (traces[np.flatnonzero(group_of != group)] for group in range(len(names)))
    value, *left_out = (np.asarray(function(estimator.fit(part)), np.float64) for part in (traces, *kept))
    return Jackknife(value, np.stack(left_out))
