"""`PosteriorUncertainty`: of a table of payoffs that is linear in weights with a normal posterior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism, payoff_table
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.uncertainty.base import Uncertainty
from diml_inverse.uncertainty.covariance import Covariance
from diml_inverse.uncertainty.fitted import Fitted

MADE = "posterior of the weights of kinds of interaction, prior variances chosen by evidence"
LARGEST_SAVED = 2**23  # features that go into a file, 64 MB
AT_ONCE = 1024  # contexts whose features are held together


InContexts = Callable[[int, Tensor], Tensor]  # agent, others' actions int64 [K, N - 1] -> features [K, A_i, W]


class WeightedTable(TabularMechanism):
    """A table of payoffs that is the product of features and weights, [W].

    Only the features of contexts that are asked for are ever made: a whole game's would fill the memory.

    Args:
        action_counts: number of actions of each agent.
        features: what each weight adds to an agent's payoffs in some contexts.
        weights: the parameters.
    """

    def __init__(self, action_counts: Sequence[int], features: InContexts, weights: Tensor) -> None:
        Mechanism.__init__(self, action_counts)
        self.features, self.weights = features, nn.Parameter(weights)

    @property
    def table(self) -> Tensor:  # type: ignore[override]
        """[A_1, ..., A_N, N]"""
        return payoff_table(self)

    def forward(self, actions: Tensor) -> Tensor:
        contexts = self.contexts(actions)
        return self.context_payoffs(contexts)[contexts.index, actions]

    def context_payoffs(self, contexts: Contexts) -> Tensor:
        rows, parts = zip(*((rows, slopes @ self.weights) for rows, slopes in self.slopes(contexts)), strict=True)
        width = self.num_actions
        payoffs = torch.cat([pad(part, (0, width - part.shape[1]), value=torch.nan) for part in parts])
        return payoffs[torch.cat(rows).argsort()]

    def slopes(self, contexts: Contexts) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of contexts [m], and derivatives of their payoffs in the weights [m, A_i, W]; some at a time."""
        distinct, gather, _ = contexts.inputs
        agents, profiles = gather[:, 0] % self.num_agents, distinct[gather[:, 0] // self.num_agents]
        for agent in range(self.num_agents):
            of_agent = (agents == agent).nonzero()[:, 0]
            for rows in of_agent.split(AT_ONCE) if len(of_agent) else ():
                yield rows, self.features(agent, torch.cat([profiles[rows, :agent], profiles[rows, agent + 1 :]], 1))


class PosteriorUncertainty(Uncertainty):
    """The normal posterior of the weights of which a table of payoffs is made.

    Its intervals are credible intervals: they count the prior as knowledge, also where nobody played, and take the
    prior's variances and the learners' parameters as given. Each agent's payoffs sum to zero over its own actions;
    this level is a convention, of which nothing is known.

    Args:
        mechanism: the table at the posterior mode.
        dynamics: the learners, parameters known.
        features: what each weight adds to the payoffs of an agent, given the others' actions: agent and int64
            [K, N - 1] -> [K, A_i, W].
        weights: posterior mode, [W].
        covariance: [W, W].
        facts: as `Uncertainty.facts` has them.
    """

    kinds: ClassVar[tuple[str, ...]] = ("posterior",)

    def __init__(
        self,
        mechanism: Mechanism,
        dynamics: Dynamics,
        features: InContexts,
        weights: Tensor,
        covariance: Tensor,
        facts: Mapping[str, Any],
    ) -> None:
        super().__init__(mechanism, dynamics)
        self._counts, self._features, self._weights = mechanism.action_counts, features, weights
        self._matrix, self._facts = covariance, {**facts, "covariance": "posterior", "parameters": len(weights)}

    @cached_property
    def fitted(self) -> Fitted:
        return Fitted(self._linear(), self._origin[1])

    def _linear(self) -> WeightedTable:
        return WeightedTable(self._counts, self._features, self._weights)

    def variances_of_contexts(self, contexts: Contexts, exists: Tensor, kind: str | None = None) -> Tensor:
        """Payoffs are linear in the weights: nothing need be differentiated."""
        covariance = self.covariance(kind)
        variances = torch.full(exists.shape, torch.nan, dtype=torch.float64)
        for rows, slopes in self._linear().slopes(contexts):
            off = slopes - slopes.mean(1, keepdim=True)
            variances[rows, : off.shape[1]] = covariance.variances(off.flatten(0, 1)).reshape(off.shape[:2])
        return variances

    def covariance(self, kind: str | None = None) -> Covariance:
        self._check(kind)
        size = len(self._weights)
        ones, zeros = torch.ones(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
        return Covariance("posterior", self._matrix, self._matrix, ones, zeros[:, None][:, :0], zeros)

    def facts(self) -> Mapping[str, Any]:
        return self._facts

    def made(self, kind: str | None = None) -> str:
        return str(self._facts.get("made", MADE))

    def draws(self, num: int, seed: int = 0, kind: str | None = None) -> list[tuple[Mechanism, Dynamics]]:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(num, len(self._weights), generator=generator, dtype=torch.float64)
        drawn = self._weights + self.covariance(kind).steps(noise)  # [num, W]
        tables = self._over_the_game(lambda slopes: slopes @ drawn.T).movedim(-1, 0)
        dynamics = self.fitted.dynamics
        return [(TabularMechanism.from_payoffs(table).requires_grad_(False), deepcopy(dynamics)) for table in tables]

    def _over_the_game(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function makes of the features [K, A_i, W] -> [K, A_i, M], everywhere: [A_1, ..., A_N, N, M]."""
        of_agents = []
        for agent, count in enumerate(self._counts):
            rest = [other for j, other in enumerate(self._counts) if j != agent]
            others = torch.cartesian_prod(*map(torch.arange, [1, 1, *rest]))[:, 2:]
            found = torch.cat([function(self._features(agent, some)) for some in others.split(AT_ONCE)])
            of_agents.append(found.reshape(*rest, count, -1).movedim(-2, agent))
        return torch.stack(of_agents, -2)

    @property
    def computed(self) -> bool:
        entries = math.prod(self._counts) * len(self._counts) * len(self._weights)
        return entries <= LARGEST_SAVED

    def saved(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = {
            "weights": self._weights,
            "matrix": self._matrix,
            "features": self._over_the_game(lambda slopes: slopes),
        }
        return tensors, {"facts": self._facts}

    @classmethod
    def restored(
        cls, mechanism: Mechanism, dynamics: Dynamics, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> Self:
        kept = tensors["features"]

        def features(agent: int, others: Tensor) -> Tensor:
            return kept[..., agent, :].movedim(agent, -2)[others.unbind(1)]

        return cls(mechanism, dynamics, features, tensors["weights"], tensors["matrix"], facts["facts"])
