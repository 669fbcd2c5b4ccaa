"""`check_mechanism`: does a mechanism keep the contract? Fast paths against plain enumeration."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from diml_envs.mechanisms.base import MISSING, Mechanism

SCALED_BY = 4.0


def enumerated_counterfactual_payoffs(mechanism: Mechanism, actions: Tensor) -> Tensor:
    """The slow definition: each agent's each deviation put into the profile and paid. int64 [B, N] -> [B, N, A]."""
    shape = (*actions.shape, mechanism.num_actions)
    payoffs = torch.full(shape, torch.nan, dtype=mechanism(actions[:1]).dtype, device=actions.device)
    for agent, count in enumerate(mechanism.action_counts):
        for action in range(count):
            deviation = actions.clone()
            deviation[:, agent] = action
            payoffs[:, agent, action] = mechanism(deviation)[:, agent]
    return payoffs


def check_mechanism(mechanism: Mechanism, num_profiles: int = 32, seed: int = 0) -> None:
    """Check any mechanism, built-in or one's own, on random profiles.

    Shapes, types and finiteness; batch dimensions; counterfactual payoffs and contexts against enumeration, with
    unobserved actions too; gradients with respect to the parameters by both ways; payoffs in another
    unit; bad actions rejected.

    Raises:
        AssertionError: says what differs, at which profile, agent and action.
    """
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.integers(count, size=num_profiles) for count in mechanism.action_counts], 1)
    actions = torch.as_tensor(drawn, device=mechanism.device)
    _check_forward(mechanism, actions)
    slow = enumerated_counterfactual_payoffs(mechanism, actions)
    _check_same("counterfactual_payoffs differ from enumeration", mechanism.counterfactual_payoffs(actions), slow)
    own = mechanism.counterfactual_payoffs(actions).gather(-1, actions[..., None]).squeeze(-1)
    _check_same("counterfactual_payoffs at the own action differ from forward", own, mechanism(actions))
    _check_missing(mechanism, actions, slow, rng)
    _check_gradients(mechanism, actions)
    _check_scaling(mechanism, actions)
    _check_rejects(mechanism, actions)


def _check_forward(mechanism: Mechanism, actions: Tensor) -> None:
    payoffs = mechanism(actions)
    assert payoffs.shape == actions.shape, f"payoffs of {list(actions.shape)} have shape {list(payoffs.shape)}"
    assert payoffs.is_floating_point(), f"payoffs must be floating point, not {payoffs.dtype}"
    assert payoffs.isfinite().all(), (
        f"payoff at profile {actions[(~payoffs.isfinite()).any(1)][0].tolist()}: not finite"
    )
    for shape in ((mechanism.num_agents,), (2, len(actions) // 2, mechanism.num_agents)):
        some = actions.reshape(-1)[: int(np.prod(shape))].reshape(shape)
        _check_same(
            f"payoffs for batch shape {shape[:-1]} differ",
            mechanism(some),
            mechanism(some.reshape(-1, shape[-1])),
        )
        expected = (*shape, mechanism.num_actions)
        found = tuple(mechanism.counterfactual_payoffs(some).shape)
        assert found == expected, f"counterfactual_payoffs of {shape} have shape {found}, not {expected}"


def _check_missing(mechanism: Mechanism, actions: Tensor, slow: Tensor, rng: np.random.Generator) -> None:
    # About one action a row, so that rows with none, one and several occur however many agents there are.
    hidden = torch.as_tensor(rng.random(actions.shape) < min(0.3, 1 / mechanism.num_agents), device=actions.device)
    contexts = mechanism.contexts(actions.masked_fill(hidden, MISSING))
    known = contexts.index != MISSING
    others_known = (hidden.sum(1, keepdim=True) - hidden.long()) == 0
    assert known[others_known].all(), "contexts: an agent whose others were all observed has no context"
    found = mechanism.context_payoffs(contexts)[contexts.index]
    _check_same("contexts with unobserved actions differ from enumeration", found[known], slow[known])


def _check_gradients(mechanism: Mechanism, actions: Tensor) -> None:
    parameters = [parameter for parameter in mechanism.parameters() if parameter.requires_grad]
    if not parameters:
        return
    weights = torch.linspace(-1, 1, actions.numel() * mechanism.num_actions, device=actions.device)
    weights = weights.reshape(*actions.shape, -1)
    gradients = []
    for payoffs in (
        mechanism.counterfactual_payoffs(actions),
        enumerated_counterfactual_payoffs(mechanism, actions),
    ):
        total = (payoffs.nan_to_num() * weights.to(payoffs.dtype)).sum()
        gradients.append(torch.autograd.grad(total, parameters, materialize_grads=True))
    for (name, _), fast, slow in zip(mechanism.named_parameters(), *gradients, strict=False):
        _check_same(f"gradients of {name} through counterfactual_payoffs and enumeration differ", fast, slow)


def _check_scaling(mechanism: Mechanism, actions: Tensor) -> None:
    if type(mechanism).scale_payoffs is Mechanism.scale_payoffs or not any(True for _ in mechanism.parameters()):
        return  # the default is tried where it is used, and need not suit every formula
    scaled = copy.deepcopy(mechanism)
    try:
        scaled.scale_payoffs(SCALED_BY)
    except NotImplementedError:  # a part whose unit is fixed, such as a plain function
        return
    what = "scale_payoffs does not multiply payoffs by the factor"
    _check_same(what, scaled(actions), SCALED_BY * mechanism(actions))


def _check_rejects(mechanism: Mechanism, actions: Tensor) -> None:
    outside, unobserved = actions.clone(), actions.clone()
    outside[0, -1] = mechanism.action_counts[-1]
    unobserved[0, 0] = MISSING
    for wrong, what in (
        (outside, "an action outside its range"),
        (unobserved, "an unobserved action"),
        (actions[:, :-1], "a missing column"),
    ):
        try:
            mechanism(wrong)
        except ValueError:
            continue
        except (IndexError, RuntimeError) as error:
            raise AssertionError(f"forward fails on {what} ({error}); call self.validate(actions) first") from error
        raise AssertionError(f"forward accepts {what}; call self.validate(actions) first")


def _check_same(what: str, found: Tensor, expected: Tensor) -> None:
    found, expected = found.detach(), expected.detach().reshape(found.shape)
    tolerance = 1e-9 if found.dtype == torch.float64 else 1e-4 * max(1.0, float(expected.nan_to_num().abs().max()))
    same = torch.isclose(found, expected, rtol=0, atol=tolerance, equal_nan=True)
    if not same.all():
        place = tuple((~same).nonzero()[0].tolist())
        raise AssertionError(f"{what}: at {list(place)} {float(found[place])} against {float(expected[place])}")
