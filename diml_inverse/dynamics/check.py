"""`check_dynamics`: fast attractions and choice probabilities against their definitions."""

from __future__ import annotations

import torch

from diml_inverse.dynamics.base import Dynamics


def check_dynamics(dynamics: Dynamics, num_rounds: int = 150, num_actions: int = 3, seed: int = 0) -> None:
    """Check any dynamics, built-in or one's own, on random payoffs and play, in float64.

    `attractions` against `update` round by round, with gradients; choice probabilities sum to one, with unequal
    action counts too; `chosen_log_probs` against `log_choice_probs`.

    Raises:
        AssertionError: says what differs.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (2, num_rounds, 3, num_actions)
    payoffs = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    actions = torch.randint(num_actions, shape[:3], generator=generator)
    fast, slow = dynamics.attractions(payoffs, actions), dynamics.unrolled_attractions(payoffs, actions)
    assert fast.shape == shape, f"attractions of payoffs {shape} have shape {tuple(fast.shape)}"
    assert torch.allclose(fast, slow, rtol=0, atol=1e-9), (
        f"attractions differ from the round-by-round update by up to {float((fast - slow).detach().abs().max()):.2g}"
    )
    if not dynamics.learns_together:
        alone = dynamics.of_agents(slice(1, 2)).attractions(payoffs[:, :, 1:2], actions[:, :, 1:2])
        assert torch.allclose(alone, fast[:, :, 1:2], rtol=0, atol=1e-9), (
            "an agent's attractions differ when it is followed alone: many agents are taken a few at a time; "
            "if they are meant to differ, set learns_together"
        )
    for mask in (None, (torch.arange(num_actions) < num_actions - torch.tensor([[0], [1], [0]]))):
        _check_choices(dynamics, fast, actions, mask)
    nothing = 0 * payoffs.sum()  # so that attractions cut off from the payoffs have gradients, of zero
    through_fast, through_slow = (
        torch.autograd.grad(dynamics.chosen_log_probs(path, actions).sum() + nothing, payoffs, retain_graph=True)[0]
        for path in (fast, slow)
    )
    assert torch.allclose(through_fast, through_slow, rtol=0, atol=1e-9), (
        "gradients of attractions and of update differ"
    )


def _check_choices(
    dynamics: Dynamics, attractions: torch.Tensor, actions: torch.Tensor, mask: torch.Tensor | None
) -> None:
    log_probs = dynamics.log_choice_probs(attractions, mask)
    total = log_probs.exp().sum(-1)
    assert torch.allclose(total, torch.ones_like(total)), "choice probabilities do not sum to one"
    if mask is not None:
        assert (log_probs.isneginf() == ~mask).all(), "actions that do not exist must have log probability -inf"
        actions = actions.clamp(max=mask.sum(-1) - 1)
    expected = log_probs.gather(-1, actions[..., None]).squeeze(-1)
    chosen = dynamics.chosen_log_probs(attractions, actions, mask)
    assert torch.allclose(chosen, expected, rtol=0, atol=1e-9), "chosen_log_probs differ from log_choice_probs"
