"""Linear rows, low <= matrix x <= high, and the linear programmes over them (HiGHS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csc_array, csr_array, hstack, vstack
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]

OPTIMAL, INFEASIBLE, UNBOUNDED = 0, 2, 3


@dataclass(frozen=True)
class Rows:
    """low <= matrix x <= high. matrix [M, X]."""

    matrix: csr_array
    low: FloatArray
    high: FloatArray

    def __getitem__(self, which: NDArray[np.int64]) -> Rows:
        return Rows(csr_array(self.matrix[which]), self.low[which], self.high[which])

    def widened(self, num_columns: int) -> Rows:
        """The same rows among so many variables: the new ones do not occur."""
        rows, columns = self.matrix.shape
        return replace(self, matrix=hstack([self.matrix, csr_array((rows, num_columns - columns))], format="csr"))

    def holds(self, x: FloatArray, tolerance: float) -> NDArray[np.bool_]:
        """bool [M]."""
        value = self.matrix @ x
        return (value >= self.low - tolerance) & (value <= self.high + tolerance)


def stacked(parts: Sequence[Rows]) -> Rows:
    """All rows, those of fewer variables widened."""
    columns = max(part.matrix.shape[1] for part in parts)
    wide = [part.widened(columns) for part in parts]
    return Rows(
        vstack([part.matrix for part in wide], format="csr"),
        np.concatenate([part.low for part in wide]),
        np.concatenate([part.high for part in wide]),
    )


@dataclass(frozen=True)
class Programme:
    """The x with `rows` and low <= x <= high."""

    rows: Rows
    low: FloatArray
    high: FloatArray

    def minimise(self, direction: FloatArray) -> tuple[float, FloatArray | None]:
        """Least of direction . x, and where: -inf and None if there is no least, inf and None if there is no x.

        Raises:
            ArithmeticError: the solver gives up.
        """
        for presolve in (False, True):  # these are small and many; and with it HiGHS may say "unbounded or infeasible"
            constraints, bounds = self._limits
            found = milp(direction, constraints=constraints, bounds=bounds, options={"presolve": presolve})
            if found.status == OPTIMAL:
                return float(found.fun), np.asarray(found.x, float)
            if found.status == INFEASIBLE:
                return np.inf, None
            if found.status == UNBOUNDED:
                return -np.inf, None
        raise ArithmeticError(f"the linear programme was not solved: {found.message}")

    @cached_property
    def _limits(self) -> tuple[list[LinearConstraint], Bounds]:
        constraint = LinearConstraint(csc_array(self.rows.matrix), self.rows.low, self.rows.high)
        return [constraint] if len(self.rows.low) else [], Bounds(self.low, self.high)

    def with_rows(self, rows: Rows) -> Programme:
        """Those rows besides."""
        return replace(self, rows=stacked([self.rows, rows]))

    def with_high(self, place: NDArray[np.int64], high: FloatArray) -> Programme:
        """Other upper ends of some variables."""
        changed = self.high.copy()
        changed[place] = high
        return replace(self, high=changed)

    def restricted(self, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> Programme:
        """To some variables, and rows in which no others occur."""
        part = self.rows[rows]
        return Programme(
            replace(part, matrix=csr_array(part.matrix[:, columns])), self.low[columns], self.high[columns]
        )


def components(matrix: csr_array) -> NDArray[np.int64]:
    """The group of each variable [X]: variables of different groups have no row in common."""
    entries = coo_array(matrix)
    rows, columns = matrix.shape
    graph = coo_array(
        (np.ones(entries.nnz), (entries.coords[0], rows + entries.coords[1])), shape=(rows + columns,) * 2
    )
    label = connected_components(graph, directed=False)[1][rows:]
    return np.asarray(label, np.int64)
