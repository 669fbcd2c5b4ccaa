"""`MaximumEntropyIRL`: inverse reinforcement learning in each agent's seat, the others taken for its environment."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from diml_envs.mechanisms.tabular import TabularMechanism
from diml_envs.traces import Traces
from diml_inverse.baselines.last_profile import (
    choice_shares,
    choices_after,
    independent,
    mixtures,
    number_of_profiles,
)
from diml_inverse.baselines.logit_regression import NEXT_TO_NOTHING
from diml_inverse.baselines.policy_estimate import PolicyEstimate
from diml_inverse.dynamics.logit import LogitDynamics

MOST_TRANSITIONS = 2**24  # states times choices of the others
NEGLIGIBLE = 1e-3  # weight of what comes later than the rounds that are looked ahead


class MaximumEntropyIRL:
    """Maximum causal entropy inverse reinforcement learning (Ziebart, Bagnell & Dey 2010), one agent at a time.

    Agent i's state is the last joint profile s; the others make the choice o with the shares p(o | s) that they were
    seen to choose with after s, whatever i does now, and the next state is (a, o). Its reward is u_i(a, o), free for
    each profile. It plays the soft optimum

        Q(s, a) = sum over o of p(o | s) (u_i(a, o) + discount V(a, o)),    V(s) = log sum_a exp Q(s, a)
        pi(a | s) = exp(Q(s, a) - V(s)),

    and u_i is the one under which its choices are most likely: the dual of matching expected with seen frequencies of
    profiles at the greatest causal entropy. The others' shares are the product of each one's own, drawn towards those
    of all its play, since most of the profiles are rarely seen.

    What it can recover: payoffs of agents who respond to the last round alone, or plan while nobody answers them. What
    it cannot: payoffs of learners, whose choices rest on more than the last round, so that its answer to that one is
    weak and drowned in habits; with a discount above 0, payoff differences where the others answer one's own last
    choice: a taste for what they do then looks like one for what makes them do it, and the smallest payoffs that
    explain the choices are taken. Payoffs come out in units of 1 / precision.

    Args:
        discount: of the next round against this one, in [0, 1). With 0 agents answer what they expect of this round.
        precision: inverse temperature, 1 / payoff, where the unit of payoffs is to be the true one. Default 1.
        ridge: weight of the penalty ridge / 2 * |precision u_i|^2 against the log-likelihood (nats), but for the part
            of u_i along the others' mean choice, which is hardly penalised.
        pseudo_count: choices, distributed as in all play, added to those seen after each profile.

    Raises:
        ValueError: a setting outside its range.
    """

    def __init__(
        self, discount: float = 0.9, precision: float = 1.0, ridge: float = 3.0, pseudo_count: float = 20.0
    ) -> None:
        if not 0 <= discount < 1:
            raise ValueError(f"discount must be in [0, 1); got {discount}")
        for name, value in (("precision", precision), ("ridge", ridge), ("pseudo_count", pseudo_count)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite; got {value}")
        self.discount, self.precision, self.ridge, self.pseudo_count = discount, precision, ridge, pseudo_count

    def fit(self, traces: Traces) -> PolicyEstimate:
        """Fit each agent's rewards to its choices after profiles that were observed whole.

        Raises:
            ValueError: too large a game, or no such choice of an agent.
            FloatingPointError: NaN or infinity, with the agent.
        """
        counts = traces.action_counts
        states = number_of_profiles(counts)
        if states * states // min(counts) > MOST_TRANSITIONS:
            raise ValueError(f"needs a game of fewer joint actions (its states); got agents with {counts} actions")
        begun = time.perf_counter()
        shares = choice_shares(traces, 1.0)
        chosen = choices_after(traces)
        after = [mixtures(seen, share, self.pseudo_count) for seen, share in zip(chosen, shares, strict=True)]
        mechanism = TabularMechanism(counts).double()
        policy, rows = np.zeros((states + 1, len(counts), max(counts))), []
        for i, agent in enumerate(traces.agents):
            seat = _Seat(
                torch.from_numpy(independent([*after[:i], *after[i + 1 :]], (states,))),
                torch.from_numpy(chosen[i]),
                counts[:i] + counts[i + 1 :],
                i,
            )
            rewards, iterations = self._rewards(seat, agent)
            policy[:-1, i, : counts[i]] = seat.log_policy(rewards, self.discount).exp().numpy()
            policy[-1, i, : counts[i]] = shares[i]
            table = (rewards - rewards.mean(1, keepdim=True)) / self.precision
            mechanism.table.data[..., i] = seat.by_profile(table)
            rows.append({"agent": agent, "iterations": iterations, "seconds": time.perf_counter() - begun})
        settings = {name: getattr(self, name) for name in ("discount", "precision", "ridge", "pseudo_count")}
        return PolicyEstimate(
            mechanism.requires_grad_(False),
            LogitDynamics(learning_rate=1.0, precision=self.precision, exploration=0.0),
            pd.DataFrame(rows),
            traces.agents,
            traces.action_labels,
            {"estimator": type(self).__name__, **settings},
            policy=policy,
        )

    def _rewards(self, seat: _Seat, agent: str) -> tuple[Tensor, int]:
        """The most likely rewards [prod of the others' A_j, A_i], in logits."""
        if not seat.chosen.any():
            raise ValueError(f"agent {agent!r} has no observed choice after a round that was observed whole")
        shape = seat.others.shape[1], seat.chosen.shape[1]
        mean = seat.chosen.sum(1) @ seat.others
        mean = mean / mean.norm()

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            rewards = torch.from_numpy(flat.reshape(shape)).requires_grad_()
            loss = -(seat.chosen * seat.log_policy(rewards, self.discount)).sum()
            loss = loss + self.ridge / 2 * (rewards - mean[:, None] * (mean @ rewards)).square().sum()
            loss = loss + NEXT_TO_NOTHING / 2 * rewards.square().sum()
            loss.backward()
            assert rewards.grad is not None
            return float(loss.detach()), rewards.grad.numpy().ravel()

        found = minimize(objective, np.zeros(math.prod(shape)), jac=True, method="L-BFGS-B", options={"maxiter": 500})
        if not (math.isfinite(found.fun) and np.isfinite(found.x).all()):
            raise FloatingPointError(
                f"agent {agent!r}: rewards are not finite; a larger ridge than {self.ridge} or a smaller discount than "
                f"{self.discount} helps"
            )
        return torch.from_numpy(found.x.reshape(shape)), int(found.nit)


@dataclass(frozen=True)
class _Seat:
    """One agent's decision problem.

    others: [S, O], probability of each joint choice of the others after each profile.
    chosen: [S, A], how often the agent chose each action after each profile.
    others_counts: actions of each of the others.
    agent: place among all.
    """

    others: Tensor
    chosen: Tensor
    others_counts: tuple[int, ...]
    agent: int

    def by_profile(self, values: Tensor) -> Tensor:
        """[O, A] -> [A_1, ..., A_N]."""
        return values.reshape(*self.others_counts, -1).movedim(-1, self.agent)

    def by_choice(self, values: Tensor) -> Tensor:
        """[S] -> [O, A]."""
        counts = list(self.others_counts)
        counts.insert(self.agent, self.chosen.shape[1])
        return values.reshape(counts).movedim(self.agent, -1).reshape(self.others.shape[1], -1)

    def log_policy(self, rewards: Tensor, discount: float) -> Tensor:
        """Soft-optimal choices under rewards [O, A], log probabilities [S, A]."""
        later = torch.zeros_like(rewards)
        rounds = math.ceil(math.log(NEGLIGIBLE) / math.log(discount)) if discount else 0
        for _ in range(rounds):
            later = self.by_choice((self.others @ (rewards + discount * later)).logsumexp(1))
        return (self.others @ (rewards + discount * later)).log_softmax(1)
