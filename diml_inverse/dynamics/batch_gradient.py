"""`BatchGradientDynamics`: policy-gradient learners that update in batches, by adaptive steps."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from diml_inverse.dynamics.learner import LearnerDynamics
from diml_inverse.dynamics.parameters import Value
from diml_inverse.dynamics.scan import scan

# Below these, payoffs and gradients count as too small to tell apart: the start of a fit, all payoffs equal, is smooth.
# The first is also the unit of payoffs, which have no other: without one a ridge would shrink their scale alone.
LEAST_VARIANCE = 1.0  # of payoffs within a block
LEAST_SQUARE = 1e-6  # of gradients


class Memory(NamedTuple):
    """round; sums [4, *B, A] over the block under way; momentum, squares and attractions, [*B, A]; blocks done."""

    round: int
    sums: Tensor
    momentum: Tensor
    squares: Tensor
    attractions: Tensor


class BatchGradientDynamics(LearnerDynamics):
    """PPO (Schulman et al. 2017) and its like, seen from outside: a step of the policy gradient after each block.

    From the own payoffs y of a block, standardised, and the share c_j of rounds in which action j was chosen,

        g_j(k) = mean over rounds of c_j (y - mean y) / sd y            (the policy gradient; its baseline the mean)
        m_j(k) = momentum m_j(k-1) + (1 - momentum) g_j(k),     v_j(k) = mean of g_j^2 over the blocks so far
        A_j(k+1) = A_j(k) + m_j(k) / sqrt(v_j(k)) + tracking (c_j - pi_j)      (Adam: Kingma & Ba 2015)
        pi = (1 - exploration) softmax(precision A) + exploration / number of actions.

    A real learner's steps hold what cannot be seen from outside: drawn minibatches, a critic that is itself learning,
    clipping. As nothing is forgotten, such noise adds up to a policy far from the one followed here, unless that is
    corrected by the choices it makes: tracking is the gain of that correction (an innovations model, as the steady
    Kalman filter: Anderson & Moore 1979). It knows no payoffs, so it takes nothing from what choices say of them.

    Standardising hides level and scale of the payoffs: only ratios of payoff differences are identified.

    Args:
        block: rounds between updates.
        momentum: in [0, 1].
        precision: size of a step, in logits.
        exploration: share of choices made uniformly at random.
        tracking: of the choices of the block, in steps; 0: none.
        shared: one policy for all agents, who have the same actions, learnt from the play of all (parameter sharing):
            means are then over agents too.
        fit: names of parameters to be fitted with the mechanism.

    Raises:
        ValueError: a parameter outside its range, or a block of fewer than two rounds.
    """

    def __init__(
        self,
        block: int = 64,
        momentum: Value = 0.8,
        precision: Value = 0.1,
        exploration: Value = 0.0,
        tracking: Value = 0.0,
        *,
        shared: bool = False,
        fit: Collection[str] = (),
    ) -> None:
        if block < 2:
            raise ValueError(f"block must be at least 2, for payoffs to be compared within it; got {block}")
        given = {"momentum": momentum, "precision": precision, "exploration": exploration, "tracking": tracking}
        super().__init__(given, fit)
        self.block, self.learns_together = block, shared

    def config(self) -> dict[str, Any]:
        return {"block": self.block, "shared": self.learns_together, **super().config()}

    def start(self, like: Tensor) -> Memory:
        zero = torch.zeros_like(like)
        return Memory(0, torch.zeros(4, *like.shape).to(like), zero, zero, zero)

    def update(self, memory: Memory, payoffs: Tensor, actions: Tensor) -> Memory:
        passed, sums = memory.round + 1, memory.sums + _lesson(payoffs, actions)
        if passed % self.block:
            return memory._replace(round=passed, sums=sums)
        means = self._pooled(sums / self.block)
        gradient = _gradient(means)
        keep = self.value("momentum", gradient)
        momentum = keep * memory.momentum + (1 - keep) * gradient
        squares = memory.squares + gradient**2
        step = momentum / (squares / (passed // self.block) + LEAST_SQUARE).sqrt()
        after = self._moved(memory.attractions, step, means[0])
        return Memory(passed, torch.zeros_like(sums), momentum, squares, after)

    def _pooled(self, means: Tensor) -> Tensor:
        """Of a block, [..., N, A]: over all agents where they share a policy."""
        return means.mean(-2, keepdim=True).expand_as(means) if self.learns_together else means

    def _moved(self, attractions: Tensor, step: Tensor, share: Tensor) -> Tensor:
        """After a block, [*B, A]. share: of its rounds in which each action was chosen."""
        if "tracking" not in self._used:
            return attractions + step
        surprise = share - self.log_choice_probs(attractions).exp()
        return attractions + step + self.value("tracking", step) * surprise

    def attractions_of(self, memory: Memory) -> Tensor:
        return memory.attractions

    def attractions(self, payoffs: Tensor, actions: Tensor) -> Tensor:
        rounds = payoffs.shape[1]
        means = self._pooled(_block_means(payoffs, actions, self.block))
        gradient = _gradient(means)  # [E, K, N, A]
        keep = self.value("momentum", gradient)
        momentum = scan(keep.expand_as(gradient), (1 - keep) * gradient)
        blocks = torch.arange(1, gradient.shape[1] + 1).to(gradient)[:, None, None]
        steps = momentum / ((gradient**2).cumsum(1) / blocks + LEAST_SQUARE).sqrt()
        path = [torch.zeros_like(steps[:, 0])]
        for step, share in zip(steps[:, :-1].unbind(1), means[0].unbind(1), strict=False):
            path.append(self._moved(path[-1], step, share))
        return torch.stack(path, 1).repeat_interleave(self.block, 1)[:, :rounds]


def _block_means(payoffs: Tensor, actions: Tensor, block: int) -> Tensor:
    """Means of `_lesson` over blocks; the last may be cut off, it moves nothing. [E, T, N, A] -> [4, E, K, N, A]"""
    missing = -payoffs.shape[1] % block
    own = pad(payoffs.gather(-1, actions[..., None]), (0, 0, 0, 0, 0, missing)).unflatten(1, (-1, block))
    chosen = pad(one_hot(actions, payoffs.shape[-1]).to(payoffs), (0, 0, 0, 0, 0, missing)).unflatten(1, (-1, block))
    parts = (chosen, chosen * own, own, own**2)
    return torch.stack([part.mean(2).expand(-1, -1, -1, payoffs.shape[-1]) for part in parts])


def _lesson(payoffs: Tensor, actions: Tensor) -> Tensor:
    """Choice, choice x own payoff, own payoff and its square, [4, *B, A]."""
    chosen = one_hot(actions, payoffs.shape[-1]).to(payoffs)
    own = (chosen * payoffs).sum(-1, keepdim=True).expand_as(payoffs)
    return torch.stack([chosen, chosen * own, own, own**2])


def _gradient(means: Tensor) -> Tensor:
    """From the means of `_lesson` over a block, [*B, A]."""
    share, earned, own, squared = means
    return (earned - own * share) / (squared - own**2 + LEAST_VARIANCE).sqrt()
