"""How much faster a batched rollout is than stepping the same env through PettingZoo. Run by hand:

    python benchmarks/rollout.py

Both ways play the same 60 episodes of 60 rounds of the congestion game (4 agents, 5 actions), in turn; the fastest
of several runs of each counts, since whatever else the machine does can only slow a run down.
"""

from __future__ import annotations

import time

import pettingzoo

import agents
import diml_envs  # noqa: F401  (registers the games)

REPEATS = 10


def seconds(env: pettingzoo.ParallelEnv, learner: agents.Learner, batched: bool) -> float:
    """Wall time of one rollout."""
    start = time.perf_counter()
    agents.rollout(env, learner, num_episodes=60, batched=batched)
    return time.perf_counter() - start


def main() -> None:
    """Print the time of both ways and their ratio, learner by learner."""
    env = pettingzoo.make("parallel", "diml/congestion_v0", num_agents=4, num_actions=5, max_cycles=60)
    learners = (agents.LogitQ(), agents.Hedge(), agents.EpsilonGreedy(), agents.QLearning(uses_observation=True))
    for learner in learners:
        times = [(seconds(env, learner, batched=True), seconds(env, learner, batched=False)) for _ in range(REPEATS)]
        batched, stepped = (min(column) for column in zip(*times, strict=True))
        print(f"{learner}: batched {1e3 * batched:.1f} ms, stepped {1e3 * stepped:.0f} ms, {stepped / batched:.0f}x")


if __name__ == "__main__":
    main()
