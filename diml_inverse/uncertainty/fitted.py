"""`Fitted`: the parameters that were fitted, as one vector, with names and what may be differentiated in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from diml_envs.mechanisms.base import Contexts, Mechanism
from diml_inverse.dynamics.base import Dynamics
from diml_inverse.dynamics.learner import LearnerDynamics

Function = Callable[[Mechanism, Dynamics], Tensor]

AT_ONCE = 64  # gradients taken by one batched pass backward


class Fitted:
    """A fitted mechanism and its learners, their parameters free to be differentiated in; copies, in float64.

    The vector theta holds the mechanism's parameters in the order of `named_parameters`, then the learners' raw ones
    (those fitted, on transformed scales).

    Args:
        mechanism, dynamics: as fitted.
        of_learners: names of the learners' parameters that were fitted, as in `dynamics.named_parameters()`.
    """

    def __init__(self, mechanism: Mechanism, dynamics: Dynamics, of_learners: Sequence[str] = ()) -> None:
        self.mechanism = copy.deepcopy(mechanism).double().requires_grad_(True)
        self.dynamics = copy.deepcopy(dynamics).requires_grad_(False)
        self.of_learners = tuple(of_learners)
        learners = dict(self.dynamics.named_parameters())
        on_payoffs = list(self.mechanism.parameters())
        self.on_learners = [learners[name].requires_grad_(True) for name in self.of_learners]
        self.parameters = [*on_payoffs, *self.on_learners]
        self.num_on_payoffs = sum(parameter.numel() for parameter in on_payoffs)
        self.size = sum(parameter.numel() for parameter in self.parameters)

    def vector(self) -> Tensor:
        """theta, [P]."""
        return nn.utils.parameters_to_vector(self.parameters).detach()

    def moved(self, step: Tensor) -> tuple[Mechanism, Dynamics]:
        """Frozen copies with theta a step [P] away."""
        mechanism, dynamics = copy.deepcopy((self.mechanism, self.dynamics))
        learners = dict(dynamics.named_parameters())
        parameters = [*mechanism.parameters(), *(learners[name] for name in self.of_learners)]
        moved = self.vector().to(mechanism.device) + step.to(mechanism.device)
        nn.utils.vector_to_parameters(moved, parameters)
        return mechanism.requires_grad_(False), dynamics.requires_grad_(False)

    def names(self) -> list[str]:
        """A name for each of the P parameters: `toll_rate[2]`, `learning_rate`."""
        mechanisms = [f"{name}{place}" for name, value in self.mechanism.named_parameters() for place in _places(value)]
        learners = dict(self.dynamics.named_parameters())
        return mechanisms + [f"{plain(name)}{place}" for name in self.of_learners for place in _places(learners[name])]

    def value(self, function: Function) -> Tensor:
        """What a function makes of them, any shape; differentiable in `parameters`.

        Raises:
            ValueError: it returns no tensor of floating-point numbers.
        """
        value = function(self.mechanism, self.dynamics)
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise ValueError(f"the function must return a tensor of floating-point numbers; got {value!r}")
        return value

    def jacobian(self, values: Tensor) -> Tensor:
        """d values / d theta, [M] -> [M, P]."""
        return jacobian(values, self.parameters)

    def centred_payoffs(self, contexts: Contexts, exists: Tensor, against: int | None = None) -> Tensor:
        """Payoffs of contexts less their mean over the agent's own actions, or less that of one action.

        bool [K, A] -> [K, A], 0 for no action.
        """
        payoffs = torch.where(exists, self.mechanism.context_payoffs(contexts).nan_to_num(), 0.0)
        mean = payoffs.sum(1, keepdim=True) / exists.sum(1, keepdim=True)
        if against is not None:
            mean = payoffs[:, against : against + 1]
        return torch.where(exists, payoffs - mean, 0.0)


def plain(name: str) -> str:
    """`learning_rate` of `learner.raw_learning_rate`."""
    return name.rpartition(".")[2].removeprefix("raw_")


def learner_values(dynamics: Dynamics, of_learners: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Natural values of the fitted learners' parameters by name, [] or [N]; raw ones of dynamics without ranges."""
    raw = dict(dynamics.named_parameters())
    for name in of_learners:
        if isinstance(dynamics, LearnerDynamics) and plain(name) in dynamics.learner.fitted:
            yield plain(name), dynamics.learner.value(plain(name))
        else:
            yield plain(name), raw[name]


def jacobian(values: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """d values / d parameters, [M] -> float64 [M, their number]."""
    if not values.requires_grad:
        return torch.zeros(len(values), sum(one.numel() for one in parameters), dtype=torch.float64)
    return torch.cat([*jacobian_rows(values, parameters)]).double().cpu()


def jacobian_rows(values: Tensor, parameters: Sequence[Tensor], at_once: int = AT_ONCE) -> Iterator[Tensor]:
    """Rows of d values / d parameters, [M] -> some [m, P] at a time; the graph of values is kept."""
    one_by_one = False
    for start in range(0, len(values), at_once):
        seeds = torch.zeros(min(at_once, len(values) - start), len(values), dtype=values.dtype, device=values.device)
        seeds[torch.arange(len(seeds)), start + torch.arange(len(seeds))] = 1
        if not one_by_one:
            try:
                yield flat(gradients(values, parameters, seeds, batched=True), len(seeds))
                continue
            except RuntimeError:  # a step of the graph that cannot be batched
                one_by_one = True
        yield torch.cat([flat(gradients(values, parameters, seed)) for seed in seeds])


def gradients(values: Tensor, parameters: Sequence[Tensor], seed: Tensor, batched: bool = False) -> tuple[Tensor, ...]:
    """Vector-Jacobian products, zero where a parameter does not matter; the graph is kept."""
    found = torch.autograd.grad(
        values, parameters, seed, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    rows = seed.shape[:1] if batched else ()
    pairs = zip(found, parameters, strict=True)
    return tuple(parameter.new_zeros(*rows, *parameter.shape) if one is None else one for one, parameter in pairs)


def flat(parts: Sequence[Tensor], rows: int = 1) -> Tensor:
    """One matrix [rows, P] of gradients by parameter."""
    return torch.cat([part.reshape(rows, -1) for part in parts], 1)


def _places(parameter: Tensor) -> list[str]:
    if parameter.dim() == 0:
        return [""]
    return [f"[{','.join(map(str, place))}]" for place in torch.ones_like(parameter).nonzero().tolist()]
