"""E2's game with ever more episodes."""

from __future__ import annotations

from dataclasses import replace

from diml_inverse.benchmark.tasks.task import PAPER, Task

EPISODES = (5, 10, 20, 40, 80, 160, 320)


def _task(num_episodes: int) -> Task:
    about = f"Congestion as in E2, {num_episodes} episodes."
    return replace(PAPER["E2"], name=f"consistency-n{num_episodes}-v0", about=about, num_episodes=num_episodes)


CONSISTENCY: dict[str, Task] = {task.name: task for task in map(_task, EPISODES)}
