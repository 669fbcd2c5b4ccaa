"""How long one gradient pass takes: the likelihood as a filter over contexts against the round-by-round definition.

    python benchmarks/gradient_pass.py --threads 2

A pass is the training likelihood of all episodes and its gradient in every parameter. The definition does what the
paper describes: a Python loop over rounds, in each of which every agent's every deviation is evaluated afresh by the
network, in batch over episodes. Both are timed in turn, and their gradients compared; the median counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import click
import torch
from torch import Tensor

import agents
from diml_envs import RepeatedGameEnv, Traces
from diml_envs.mechanisms import (
    AnonymousMechanism,
    CongestionMechanism,
    Mechanism,
    NeuralMechanism,
    PublicGoodsMechanism,
)
from diml_inverse import LogitDynamics
from diml_inverse.likelihood import observe, total_log_likelihood

Counterfactuals = Callable[[Mechanism, Tensor], Tensor]  # a round's actions [E, N] -> payoffs [E, N, A]


class Task(NamedTuple):
    """A candidate, play to fit it to, and how the definition evaluates a round's deviations."""

    name: str
    candidate: Mechanism
    actions: Tensor  # [E, T, N]
    counterfactuals: Counterfactuals
    dynamics: LogitDynamics
    repeats: tuple[int, int]  # of the filter and of the definition, each time they take turns


def every_deviation(mechanism: Mechanism, actions: Tensor) -> Tensor:
    """Each agent's each action put into the profile, all profiles through the network. [E, N] -> [E, N, A]."""
    episodes, num_agents = actions.shape
    num_actions = mechanism.num_actions
    deviations = actions[:, None, None, :].repeat(1, num_agents, num_actions, 1)
    everyone = torch.arange(num_agents)
    deviations[:, everyone, :, everyone] = torch.arange(num_actions).expand(num_agents, episodes, num_actions)
    return mechanism(deviations)[:, everyone, :, everyone].movedim(0, 1)


def every_row(mechanism: Mechanism, actions: Tensor) -> Tensor:
    """Each agent's shares of the others' actions, with each own action, through the network. [E, N] -> [E, N, A]."""
    assert isinstance(mechanism, AnonymousMechanism)
    num_actions = mechanism.num_actions
    played = torch.nn.functional.one_hot(actions, num_actions).float()
    shares = (played.sum(1, keepdim=True) - played) / (mechanism.num_agents - 1)
    if mechanism.embedding is None:
        # The definition has no short way: the network runs for each own action, of which it keeps one output.
        repeated = shares[..., None, :].expand(-1, -1, num_actions, -1).contiguous()
        return mechanism.network(repeated).diagonal(dim1=-2, dim2=-1)
    shares = shares[..., None, :].expand(-1, -1, num_actions, -1)
    own = mechanism.embedding.weight.expand(*shares.shape[:-1], -1)
    return mechanism.network(torch.cat([own, shares], -1)).squeeze(-1)


def round_by_round(task: Task) -> Tensor:
    """Mean log-likelihood by the paper's recursion."""
    rate, precision, exploration = task.dynamics.config().values()
    episodes, rounds, num_agents = task.actions.shape
    num_actions = task.candidate.num_actions
    attractions = torch.zeros(episodes, num_agents, num_actions)
    total = torch.zeros(())
    for round_ in range(rounds):
        taken = task.actions[:, round_]
        if round_ > 0:
            probs = (1 - exploration) * torch.softmax(precision * attractions, -1) + exploration / num_actions
            total = total + probs.gather(-1, taken[..., None]).log().sum()
        attractions = (1 - rate) * attractions + rate * task.counterfactuals(task.candidate, taken)
    return total / (episodes * (rounds - 1) * num_agents)


def gradient_pass(task: Task, value: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds and gradient of one pass."""
    task.candidate.zero_grad()
    start = time.perf_counter()
    value().backward()
    seconds = time.perf_counter() - start
    gradient = torch.cat([p.grad.flatten() for p in task.candidate.parameters() if p.grad is not None])
    return seconds, gradient


def compare(task: Task, turns: int) -> None:
    """Print medians, their ratio and how far the gradients are apart."""
    traces = Traces(task.actions.numpy(), action_labels=[range(c) for c in task.candidate.action_counts])
    play = observe(task.candidate, task.dynamics, traces)
    decisions = play.scored.sum()

    def filtered() -> Tensor:
        return total_log_likelihood(task.candidate, task.dynamics, play) / decisions

    fast, slow = [], []
    gradient_pass(task, filtered)  # warm
    for _ in range(turns):
        for _ in range(task.repeats[0]):
            seconds, gradient = gradient_pass(task, filtered)
            fast.append(seconds)
        for _ in range(task.repeats[1]):
            seconds, expected = gradient_pass(task, lambda: round_by_round(task))
            slow.append(seconds)
    apart = float((gradient - expected).norm() / expected.norm())
    contexts = play.contexts.inputs[0].shape[0]
    filter_ms, loop_ms = 1e3 * statistics.median(fast), 1e3 * statistics.median(slow)
    click.echo(
        f"{task.name:28} {filter_ms:10.1f} {loop_ms:12.1f} {loop_ms / filter_ms:8.0f} {contexts:10d} {apart:10.1e}"
    )


def small_task(name: str, truth: Mechanism) -> Task:
    """One of the paper's small experiments: 48 episodes of 60 rounds, a free-form candidate."""
    dynamics = LogitDynamics()
    env = RepeatedGameEnv(truth, max_cycles=60)
    traces = agents.rollout(env, agents.LogitQ(**dynamics.config()), num_episodes=48).traces
    candidate = NeuralMechanism(truth.num_agents, truth.num_actions)
    return Task(name, candidate, torch.tensor(traces.actions), every_deviation, dynamics, (10, 2))


def large_task(own_action: str) -> Task:
    """The paper's largest experiment: a batch of 8 episodes of 25 rounds, 300 agents, 40 actions."""
    dynamics = LogitDynamics(learning_rate=0.2, precision=6.0, exploration=0.02)
    env = RepeatedGameEnv(AnonymousMechanism.random(300, 40, embedding_dim=32), max_cycles=25)
    traces = agents.rollout(env, agents.LogitQ(**dynamics.config()), num_episodes=8).traces
    candidate = AnonymousMechanism(300, 40, embedding_dim=32, own_action=own_action)
    return Task(
        f"n=300, own action as {own_action}", candidate, torch.tensor(traces.actions), every_row, dynamics, (2, 1)
    )


TASKS: dict[str, Callable[[], Task]] = {
    "E1": lambda: small_task("E1", NeuralMechanism.random(3, 6)),
    "E2": lambda: small_task("E2", CongestionMechanism.random(4, 5)),
    "E3": lambda: small_task("E3", PublicGoodsMechanism.random(3, 7)),
    "n300-input": lambda: large_task("input"),
    "n300-output": lambda: large_task("output"),
}


@click.command()
@click.option("--threads", default=1, show_default=True, help="Threads torch may use.")
@click.option("--turns", default=5, show_default=True, help="How often the two take turns (once or twice when large).")
@click.argument("tasks", nargs=-1, type=click.Choice(list(TASKS)))
def main(threads: int, turns: int, tasks: tuple[str, ...]) -> None:
    """Time TASKS (default: all)."""
    torch.set_num_threads(threads)
    click.echo(f"torch {torch.__version__}, {threads} thread{'s' * (threads > 1)}, medians")
    click.echo(f"{'':28} {'filter ms':>10} {'by round ms':>12} {'ratio':>8} {'contexts':>10} {'gradients':>10}")
    for name in tasks or TASKS:
        compare(TASKS[name](), turns if not name.startswith("n300") else min(turns, 2))


if __name__ == "__main__":
    main()
