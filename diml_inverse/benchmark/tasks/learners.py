"""Learners of every kind, on the mechanisms of E1 and E2; estimators are told nothing of how they learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import agents
from diml_envs.mechanisms import OwnLoadTableMechanism, TabularMechanism
from diml_inverse.benchmark.tasks.task import PAPER, Task

# Two differ from their defaults, which hardly learn in 30 rounds.
SHORT: dict[str, Callable[[], Any]] = {
    "logit-q": agents.LogitQ,
    "logit-q-own": partial(agents.LogitQ, feedback="own"),
    "epsilon-greedy": agents.EpsilonGreedy,
    "softmax": agents.Softmax,
    "ucb1": agents.UCB1,
    "exp3": agents.EXP3,
    "thompson": agents.ThompsonSampling,
    "gradient-bandit": partial(agents.GradientBandit, learning_rate=0.4),
    "q-learning": partial(agents.QLearning, uses_observation=True, learning_rate=0.3),
    "ewa": agents.EWA,
    "hedge": agents.Hedge,
    "fictitious-play": agents.FictitiousPlay,
    "regret-matching": agents.RegretMatching,
}


def _sb3(algorithm: str, **options: Any) -> Any:
    import stable_baselines3

    network = {"net_arch": [16]}
    return agents.SB3(getattr(stable_baselines3, algorithm), gamma=0.0, policy_kwargs=network, **options)


LONG: dict[str, Callable[[], Any]] = {
    "ppo": partial(_sb3, "PPO", n_steps=64, batch_size=64, n_epochs=4, learning_rate=2e-3),
    "ppo-shared": partial(_sb3, "PPO", n_steps=64, batch_size=256, n_epochs=4, learning_rate=2e-3, shared=True),
    "a2c": partial(_sb3, "A2C", n_steps=16, learning_rate=2e-3),
    "dqn": partial(
        _sb3,
        "DQN",
        learning_rate=2e-3,
        learning_starts=64,
        train_freq=16,
        gradient_steps=8,
        target_update_interval=64,
        batch_size=64,
        exploration_initial_eps=0.1,  # as at the end: no model of learning here explores less and less
        exploration_final_eps=0.1,
    ),
}


def _tasks() -> list[Task]:
    congestion = replace(PAPER["E2"], form=partial(OwnLoadTableMechanism, 4, 5), form_ridge=0.01)
    unstructured = replace(PAPER["E1"], form=partial(TabularMechanism, [6, 6, 6]), form_ridge=None)
    short = [
        replace(
            game,
            name=f"{game.name}-{name}",
            about=f"{game.about} {name}.",
            learner=learner,
            num_episodes=300,
            num_rounds=30,
        )
        for game in (congestion, unstructured)
        for name, learner in SHORT.items()
    ]
    long = [
        replace(
            congestion,
            name=f"E2-{name}",
            about=f"{congestion.about} {name}, 12 runs of 3,200 rounds.",
            learner=learner,
            observation="constant",
            num_episodes=12,
            num_rounds=3200,
        )
        for name, learner in LONG.items()
    ]
    return [*short, *long]


LEARNERS: dict[str, Task] = {task.name: task for task in _tasks()}
