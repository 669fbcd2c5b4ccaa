"""`RememberedEnds`: what the likelihood said of linear functions, kept for when the play is no longer at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diml_inverse.uncertainty.profile import Ends

FloatArray = NDArray[np.float64]

SAME = 1e-9  # relative difference of slopes that are of one function
BEYOND = 1.5  # times as far from the point as the remembered end, draws may reach


class RememberedEnds:
    """Point and ends of linear functions of P parameters, each at the half width z that it was asked for with."""

    def __init__(self, size: int) -> None:
        self.slopes: FloatArray = np.zeros((0, size))
        self.numbers: FloatArray = np.zeros((0, 4))  # z, point, low, high

    def put(self, slope: FloatArray, z: float, ends: Ends) -> None:
        """Keep one."""
        self.slopes = np.concatenate([self.slopes, slope[None]])
        self.numbers = np.concatenate([self.numbers, [[z, *ends]]])

    def ends(self, slopes: FloatArray, z: float) -> list[Ends | None]:
        """Of functions with these slopes, [M, P]; None of those not kept.

        Those of the next larger z; where none so large was asked for, nothing bounds the function that is known.
        """
        return [self._one(slope, z) if slope.any() else None for slope in slopes]

    def _one(self, slope: FloatArray, z: float) -> Ends | None:
        same = self.numbers[np.abs(self.slopes - slope).max(1, initial=0) <= SAME * np.abs(slope).max()]
        if not len(same):
            return None
        wide = same[same[:, 0] >= z * (1 - SAME)]
        if not len(wide):
            return Ends(float(same[0, 1]), -math.inf, math.inf)
        _, point, low, high = wide[wide[:, 0].argmin()].tolist()
        return Ends(point, low, high)

    def beyond(self, theta: FloatArray) -> float:
        """How many times as far as `BEYOND` allows a function is from its point, the worst; 0 where all are near."""
        _, point, low, high = self.numbers.T
        off = self.slopes @ theta - point
        reach = np.where(off < 0, point - low, high - point)
        known = np.isfinite(reach) & (reach > 0)
        return float((np.abs(off[known]) / (BEYOND * reach[known])).max(initial=0.0))

    def tensors(self) -> dict[str, Tensor]:
        """For a file; slopes mostly hold few numbers that are not zero."""
        row, column = np.nonzero(self.slopes)
        return {
            "ends.place": torch.tensor(np.stack([row, column])),
            "ends.slope": torch.tensor(self.slopes[row, column]),
            "ends.numbers": torch.tensor(self.numbers),
        }

    @classmethod
    def of(cls, size: int, tensors: Mapping[str, Tensor]) -> RememberedEnds:
        """What `tensors` gave."""
        made = cls(size)
        made.numbers = tensors["ends.numbers"].numpy()
        made.slopes = np.zeros((len(made.numbers), size))
        made.slopes[tuple(tensors["ends.place"].numpy())] = tensors["ends.slope"].numpy()
        return made
