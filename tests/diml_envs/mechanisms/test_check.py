"""`check_mechanism` finds what is broken, and says what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from diml_envs import check_mechanism
from diml_envs.mechanisms import MISSING, Contexts, Mechanism, TabularMechanism


def table() -> TabularMechanism:
    """Three agents with 2, 3 and 4 actions."""
    generator = torch.Generator().manual_seed(0)
    return TabularMechanism.from_payoffs(torch.randn(2, 3, 4, 3, generator=generator).numpy())


class Wrapped(Mechanism):
    """A right mechanism, whose subclasses each break one thing."""

    def __init__(self) -> None:
        super().__init__([2, 3, 4])
        self.right = table()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, actions: Tensor) -> Tensor:
        return self.scale * self.right(actions)


class IgnoresDeviations(Wrapped):
    def counterfactual_payoffs(self, actions: Tensor) -> Tensor:
        exists = self.action_mask.expand(*actions.shape, -1)
        return self(actions)[..., None].expand(exists.shape).masked_fill(~exists, torch.nan)


class PadsWithZeros(Wrapped):
    def counterfactual_payoffs(self, actions: Tensor) -> Tensor:
        return super().counterfactual_payoffs(actions).nan_to_num(0)


class LosesGradients(Wrapped):
    def context_payoffs(self, contexts: Contexts) -> Tensor:
        return super().context_payoffs(contexts).detach() + 0 * self.scale


class GuessesUnobservedActions(Wrapped):
    def contexts(self, actions: Tensor) -> Contexts:
        return super().contexts(actions.clamp(min=0))


class DropsContexts(Wrapped):
    def contexts(self, actions: Tensor) -> Contexts:
        right = super().contexts(actions)
        if not (actions == MISSING).any():
            return right
        return replace(right, index=torch.full_like(right.index, MISSING))


class HasInfinity(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        payoffs = super().forward(actions)
        return payoffs.masked_fill(actions.sum(-1, keepdim=True) == 3, torch.inf)


class HasNoAgents(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        return super().forward(actions).sum(-1)


class PaysIntegers(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        return super().forward(actions).long()


class LooksAtItsBatch(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        payoffs = super().forward(actions)
        return payoffs + (payoffs.numel() if actions.dim() == 3 else 0)


class TakesAnyAction(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        inside = torch.minimum(actions.clamp(min=0), torch.tensor(self.action_counts)[: actions.shape[-1]])
        return super().forward(inside.minimum(torch.tensor([1, 2, 3])))


class TakesUnobservedActions(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        return super().forward(torch.where(actions == MISSING, 0, actions))


class LetsTheIndexFail(Wrapped):
    def forward(self, actions: Tensor) -> Tensor:
        return self.scale * self.right.table[tuple(actions.unbind(-1))]


def test_a_right_mechanism_passes() -> None:
    check_mechanism(Wrapped())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (IgnoresDeviations, "counterfactual_payoffs differ from enumeration: at .* against"),
        (PadsWithZeros, "counterfactual_payoffs differ from enumeration: at .* against nan"),
        (LosesGradients, "gradients of scale through counterfactual_payoffs and enumeration differ"),
        (GuessesUnobservedActions, "contexts with unobserved actions differ from enumeration"),
        (DropsContexts, "contexts: an agent whose others were all observed has no context"),
        (HasInfinity, r"payoff at profile \[\d, \d, \d\]: not finite"),
        (HasNoAgents, r"payoffs of \[32, 3\] have shape \[32\]"),
        (PaysIntegers, "payoffs must be floating point, not torch.int64"),
        (LooksAtItsBatch, r"payoffs for batch shape \(2, 16\) differ"),
        (TakesAnyAction, "forward accepts an action outside its range"),
        (TakesUnobservedActions, "forward accepts an unobserved action"),
        (LetsTheIndexFail, "call self.validate"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_mechanism_is_found(broken: Callable[[], Mechanism], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_mechanism(broken())
