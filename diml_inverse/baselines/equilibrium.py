"""`EquilibriumInversion`: payoffs from choice shares, as if nobody learned."""

from __future__ import annotations

import math
import time

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from diml_envs.mechanisms.base import MISSING, Mechanism
from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.baselines.modal import ModalMechanism, modal_action
from diml_inverse.dynamics.logit import LogitDynamics
from diml_inverse.estimate.estimate import Estimate

LARGEST_GAME = 10_000  # joint actions whose choice shares are told apart


class EquilibriumInversion:
    """Static logit inversion (after An & Du 2026): no learning, agents answer what the others do by logit response.

    For each agent and each summary s of what the others did, with n(b, s) its choices of action b facing s,

        share(b | s) = (n(b, s) + pseudo_count) / (n(s) + A pseudo_count)
        payoff(b, s) = log share(b | s) / precision,    less its mean over b

    The summary is the others' full profile where the game has at most 10,000 joint actions (a `TabularMechanism`), and
    else their most frequent action, with shares pooled over agents (a `ModalMechanism`).

    A choice is set beside what the others did in the round *before* it: simultaneous choices are independent given
    the past, so that those of the same round are answered only as far as they resemble earlier ones. That also makes
    the shares a prediction that can be scored: that of `LogitDynamics` with learning rate 1 and no exploration, whose
    choice probabilities are share(. | s).

    What it gets wrong is the point of it: learners look back further than one round, so that the response to a single
    round, and with it the differences, comes out too small; and payoffs of other contexts leak in, since what the
    others did before resembles what they do now.

    Args:
        precision: inverse temperature that is assumed, 1 / payoff.
        pseudo_count: choices added to each action of each summary; without them an action never chosen would be worth
            minus infinity. A summary never met has no differences.

    Raises:
        ValueError: either not above 0 and finite.
    """

    def __init__(self, precision: float = 3.0, pseudo_count: float = 1.0) -> None:
        for name, value in (("precision", precision), ("pseudo_count", pseudo_count)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite; got {value}")
        self.precision, self.pseudo_count = precision, pseudo_count

    def fit(self, traces: Traces) -> Estimate:
        """Count choices and take logs.

        Raises:
            ValueError: a large game whose agents have different numbers of actions or that has a single agent.
        """
        begun = time.perf_counter()
        small = math.prod(traces.action_counts) <= LARGEST_GAME
        mechanism = self._tabular(traces) if small else self._modal(traces)
        return Estimate(
            mechanism.requires_grad_(False),
            LogitDynamics(learning_rate=1.0, precision=self.precision, exploration=0.0),
            pd.DataFrame({"iteration": [0], "seconds": [time.perf_counter() - begun]}),
            traces.agents,
            traces.action_labels,
            {
                "estimator": type(self).__name__,
                "precision": self.precision,
                "pseudo_count": self.pseudo_count,
                "summary": "others' profile" if small else "others' modal action",
            },
        )

    def _tabular(self, traces: Traces) -> Mechanism:
        """Each agent's differences given the others' whole profile."""
        mechanism = TabularMechanism(traces.action_counts).double()
        before, after = torch.tensor(traces.actions[:, :-1]), torch.tensor(traces.actions[:, 1:])
        for agent in range(traces.num_agents):
            cells = before.clone()
            cells[..., agent] = after[..., agent]  # the choice, facing what the others did
            seen = cells[(cells != MISSING).all(-1)]
            counts = torch.zeros(traces.action_counts, dtype=torch.float64)
            counts.index_put_(tuple(seen.T), torch.ones(len(seen), dtype=torch.float64), accumulate=True)
            mechanism.table.data[..., agent] = self._differences(counts, agent)
        return mechanism

    def _modal(self, traces: Traces) -> Mechanism:
        """Differences given the others' modal action, the same for all agents."""
        num_actions = traces.action_counts[0]
        if len(set(traces.action_counts)) > 1:
            raise ValueError(
                f"a game of more than {LARGEST_GAME} joint actions needs agents with the same number of actions here; "
                f"got {traces.action_counts}"
            )
        mechanism = ModalMechanism(traces.num_agents, num_actions).double()
        actions = torch.tensor(traces.actions)
        before, after = actions[:, :-1], actions[:, 1:]
        # Of a round with unobserved actions, the agents whose others were all observed still count.
        missing = before == MISSING
        faced = (missing.sum(-1, keepdim=True) - missing.long()) == 0
        used = faced & (after != MISSING)
        modal = modal_action(_others_counts(before, num_actions))
        place = (modal * num_actions + after)[used]
        counts = torch.bincount(place, minlength=num_actions**2).reshape(num_actions, num_actions).double()
        mechanism.table.data = self._differences(counts, 1)
        return mechanism

    def _differences(self, counts: Tensor, axis: int) -> Tensor:
        """Payoff differences from counts of choices, own actions along `axis`."""
        logs = (counts + self.pseudo_count).log() / self.precision
        return logs - logs.mean(axis, keepdim=True)


def _others_counts(actions: Tensor, num_actions: int) -> Tensor:
    """How many of the others chose each action, int64 [*B, N] -> [*B, N, A]."""
    chosen = one_hot(actions.clamp(min=0), num_actions) * (actions != MISSING)[..., None]
    return chosen.sum(-2, keepdim=True) - chosen
