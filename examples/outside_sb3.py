"""A stable-baselines3 model trained by its own loop, in one seat among logit learners; then all four are recorded.

To train models inside the rollout, all agents at once and every round recorded, see `agents.SB3`.
"""

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO

import agents
import diml_envs

torch.set_num_threads(1)
GAME = {"num_agents": 4, "num_actions": 5, "max_cycles": 60, "mechanism_seed": 0}
others = {f"agent_{i}": agents.LogitQ() for i in (1, 2, 3)}
seat = gymnasium.make("diml/Congestion-v0", agent="agent_0", opponents=others, **GAME)
model = PPO("MlpPolicy", seat, n_steps=256, learning_rate=3e-3, gamma=0.0, seed=0, device="cpu").learn(5_120)


def policy(seen: np.ndarray) -> int:
    """The trained model's choice."""
    return int(model.predict(seen, deterministic=True)[0])


env = diml_envs.congestion_v0.parallel_env(**GAME)
trained = agents.rollout(env, {"agent_0": policy, **others}, num_episodes=20, seed=1)
uniform = agents.rollout(env, {"agent_0": agents.Uniform(), **others}, num_episodes=20, seed=1)
print(trained.traces)
print(f"agent_0 earns {trained.payoffs[..., 0].mean():.3f} a round", end="; ")
print(f"choosing uniformly it would earn {uniform.payoffs[..., 0].mean():.3f}")
