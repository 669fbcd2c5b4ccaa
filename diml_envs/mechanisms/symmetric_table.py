"""`SymmetricTableMechanism`: a free payoff for every own action and every way in which the others may act."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from diml_envs.mechanisms.initialisation import seeded_generator
from diml_envs.mechanisms.symmetric import SymmetricMechanism

MOST_ROWS = 2**20


class SymmetricTableMechanism(SymmetricMechanism):
    """payoff = payoffs[others, own action], `others` how many of the others chose each action; one table for all seats.

    The table of a symmetric game such as a prisoner's dilemma between any two people. Parameters, zero when built:
    `payoffs` [M, A]. The M rows are the multisets of the others' actions in lexicographic order: with one other, his
    action; with two of two actions (0, 0), (0, 1), (1, 1).

    Args:
        num_agents: N.
        num_actions: A.

    Raises:
        ValueError: more than 2**20 rows.
    """

    keys: Tensor

    def __init__(self, num_agents: int, num_actions: int) -> None:
        super().__init__(num_agents, num_actions)
        rows = torch.tensor(_multisets(num_agents - 1, num_actions), dtype=torch.int64)
        rows = rows.reshape(-1, num_actions)
        self.register_buffer("keys", self._keys(rows), persistent=False)
        self.payoffs = nn.Parameter(torch.zeros(len(rows), num_actions))

    @classmethod
    def from_payoffs(cls, payoffs: ArrayLike) -> SymmetricTableMechanism:
        """The game of two with these payoffs, [own action, other's action].

        Raises:
            ValueError: not a finite square table.
        """
        array = np.asarray(payoffs, dtype=np.float64)
        if array.ndim != 2 or array.shape[0] != array.shape[1] or not np.isfinite(array).all():
            raise ValueError(f"payoffs must be a finite square, [own action, other's]; got shape {list(array.shape)}")
        made = cls(2, len(array))
        made.payoffs.data = torch.tensor(array.T.copy())
        return made

    @classmethod
    def random(cls, num_agents: int, num_actions: int, seed: int = 0) -> SymmetricTableMechanism:
        """Payoffs drawn independently, standard normal."""
        made = cls(num_agents, num_actions)
        made.payoffs.data = torch.randn(made.payoffs.shape, generator=seeded_generator(seed, "symmetric table"))
        return made

    def config(self) -> dict[str, Any]:
        return {"num_agents": self.num_agents, "num_actions": self.num_actions}

    def reset_parameters(self, generator: torch.Generator) -> None:
        """All payoffs zero: an entry that no observed choice speaks about stays there."""
        nn.init.zeros_(self.payoffs)

    def payoffs_given_counts(self, others: Tensor) -> Tensor:
        rows = torch.searchsorted(self.keys, self._keys(others))
        return self.payoffs[rows.clamp(max=len(self.keys) - 1)]  # counts of others some of whom were not observed: any

    def _keys(self, counts: Tensor) -> Tensor:
        """Numbers that ascend with the rows; counts [K, A]."""
        radix = self.num_agents ** torch.arange(self.num_actions - 1, -1, -1, device=counts.device)
        return -(counts * radix).sum(1)


def _multisets(size: int, num_actions: int) -> list[list[int]]:
    """Counts of each action, of every multiset of so many actions."""
    if num_actions > 1 and np.prod([(size + k) / k for k in range(1, num_actions)]) > MOST_ROWS:
        raise ValueError(
            f"{size} others of {num_actions} actions can act in more than {MOST_ROWS} ways: use AnonymousMechanism"
        )
    found = itertools.combinations_with_replacement(range(num_actions), size)
    return [[actions.count(action) for action in range(num_actions)] for actions in found]
