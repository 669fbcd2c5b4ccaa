"""Adversarial IRL (Fu, Luo & Levine 2018) by the `imitation` library, as a baseline that runs apart.

Its pins exclude today's gymnasium, so it needs an environment of its own, in which nothing of diml is:

    python -m venv airl && . airl/bin/activate
    pip install gymnasium stable-baselines3 torch pandas tensorboard
    pip install --no-deps imitation==1.0.1 seals==0.2.1 huggingface-sb3==3.0
    python benchmarks/airl.py train.csv test.csv -o choice_probabilities.csv

Then, where diml is, `diml score TASK choice_probabilities.csv` (`diml tasks TASK --export FOLDER` writes the tables).

Reads long tables of play (episode, round, agent, action), as `diml rollout` writes them and `task.json` beside them
where a task was exported, which names actions that nobody played. Each agent's seat is a single-agent problem: the
state is the last joint profile, the others choose with the shares that they were seen to choose with after it. Writes
episode, round, agent, action, probability for all rounds of the test play but the first.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pandas as pd
from gymnasium import spaces
from numpy.typing import NDArray

PSEUDO_COUNT = 20.0  # choices, distributed as in all play, added to those seen after each profile


class Play(NamedTuple):
    """actions: int64 [E, T, N], -1 where not observed; names of episodes, agents and actions."""

    actions: NDArray[np.int64]
    lengths: NDArray[np.int64]
    episodes: list[Any]
    agents: list[str]
    labels: list[list[Any]]

    @property
    def counts(self) -> list[int]:
        return [len(labels) for labels in self.labels]


def read(path: Path, labels: dict[str, list[str]]) -> Play:
    """A long table; actions by their text."""
    frame = pd.read_csv(path, dtype={"agent": str, "action": str})
    episodes, agents = list(dict.fromkeys(frame["episode"])), list(labels)
    number = {(agent, label): b for agent in agents for b, label in enumerate(labels[agent])}
    first = frame["round"].min()
    lengths = frame.groupby("episode", sort=False)["round"].max() - first + 1
    actions = np.full((len(episodes), int(lengths.max()), len(agents)), -1)
    places = {episode: e for e, episode in enumerate(episodes)}
    for row in frame.dropna(subset=["action"]).itertuples():
        place = places[row.episode], row.round - first, agents.index(row.agent)
        actions[place] = number[row.agent, row.action]
    return Play(actions, lengths.loc[episodes].to_numpy(), episodes, agents, [labels[agent] for agent in agents])


def labels_of(train: Path, test: Path) -> dict[str, list[str]]:
    """Each agent's actions: those of task.json beside the play, or else those that were played."""
    if (task := train.parent / "task.json").exists():
        return {agent: list(map(str, labels)) for agent, labels in json.loads(task.read_text())["actions"].items()}
    frame = pd.concat([pd.read_csv(path, dtype={"agent": str, "action": str}) for path in (train, test)])
    played = frame.dropna(subset=["action"]).groupby("agent", sort=False)["action"]
    return {str(agent): sorted(set(actions)) for agent, actions in played}


def observations(play: Play) -> NDArray[np.float32]:
    """The last profile, one-hot, [E, T, sum of A_j]; zeros at the start and for what was not observed."""
    before = np.pad(play.actions, ((0, 0), (1, 0), (0, 0)), constant_values=-1)[:, :-1]
    hot = [before[..., j, None] == np.arange(count) for j, count in enumerate(play.counts)]
    return np.concatenate(hot, -1).astype(np.float32)


def choices_after(play: Play) -> list[NDArray[np.float64]]:
    """Shares of each agent's choices after each profile, [S + 1, A_j]; last after none or one not observed whole."""
    before = np.pad(play.actions, ((0, 0), (1, 0), (0, 0)), constant_values=-1)[:, :-1]
    number = np.ravel_multi_index(tuple(np.moveaxis(before.clip(0), -1, 0)), play.counts)
    state = np.where((before >= 0).all(-1), number, np.prod(play.counts))
    found = []
    for j, count in enumerate(play.counts):
        seen = np.zeros((np.prod(play.counts) + 1, count))
        used = play.actions[..., j] >= 0
        np.add.at(seen, (state[used], play.actions[..., j][used]), 1)
        share = (seen.sum(0) + 1) / (seen.sum() + count)
        found.append((seen + PSEUDO_COUNT * share) / (seen.sum(1, keepdims=True) + PSEUDO_COUNT))
    return found


class Seat(gymnasium.Env[Any, Any]):
    """One agent's problem, without a reward: that is what is looked for."""

    def __init__(self, play: Play, agent: int) -> None:
        self.counts, self.agent, self.after, self.rounds = (
            play.counts,
            agent,
            choices_after(play),
            play.actions.shape[1],
        )
        self.observation_space = spaces.Box(0, 1, (sum(play.counts),), np.float32)
        self.action_space = spaces.Discrete(play.counts[agent])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.state, self.round = int(np.prod(self.counts)), 0
        return np.zeros(sum(self.counts), np.float32), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        drawn = [self.np_random.choice(count, p=self.after[j][self.state]) for j, count in enumerate(self.counts)]
        drawn[self.agent] = int(action)
        self.state, self.round = int(np.ravel_multi_index(drawn, self.counts)), self.round + 1
        seen = np.concatenate([np.arange(count) == b for b, count in zip(drawn, self.counts, strict=True)])
        return seen.astype(np.float32), 0.0, False, self.round >= self.rounds, {}


def train_seat(play: Play, agent: int, steps: int, seed: int) -> Any:
    """The policy that AIRL ends with in one agent's seat."""
    from imitation.algorithms.adversarial.airl import AIRL
    from imitation.data.types import Transitions
    from imitation.rewards.reward_nets import BasicShapedRewardNet
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    seen, chosen = observations(play), play.actions[..., agent]
    following = np.concatenate([seen[:, 1:], np.zeros_like(seen[:, :1])], 1)
    last = np.arange(play.actions.shape[1]) == play.lengths[:, None] - 1
    used = (chosen >= 0) & ~last  # what follows the last choice is not seen
    shown = Transitions(
        obs=seen[used],
        acts=chosen[used],
        infos=np.array([{}] * used.sum()),
        next_obs=following[used],
        dones=np.zeros(used.sum(), bool),
    )
    envs = DummyVecEnv([lambda: Seat(play, agent) for _ in range(8)])
    envs.seed(seed)
    ppo = PPO(
        "MlpPolicy",
        envs,
        learning_rate=1e-3,
        n_steps=128,
        batch_size=256,
        n_epochs=5,
        gamma=0.9,
        ent_coef=1.0,  # the library's reward leaves out the policy's entropy, without which no choice would be mixed
        normalize_advantage=False,  # or that weight would have another meaning
        seed=seed,
        device="cpu",
        policy_kwargs={"net_arch": [64]},
    )
    trainer = AIRL(
        demonstrations=shown,
        demo_batch_size=min(1024, int(used.sum())),
        n_disc_updates_per_round=8,
        gen_replay_buffer_capacity=4096,
        disc_opt_kwargs={"lr": 1e-3},
        venv=envs,
        gen_algo=ppo,
        reward_net=BasicShapedRewardNet(envs.observation_space, envs.action_space),
    )
    trainer.train(steps)
    return ppo.policy


def probabilities(policy: Any, play: Play, agent: int) -> pd.DataFrame:
    """The policy's choices along the play, from the second round on."""
    import torch

    rows, cols = np.nonzero(np.arange(1, play.actions.shape[1]) < play.lengths[:, None])
    with torch.no_grad():
        probs = policy.get_distribution(torch.as_tensor(observations(play)[rows, cols + 1])).distribution.probs.numpy()
    count = play.counts[agent]
    return pd.DataFrame(
        {
            "episode": np.repeat([play.episodes[e] for e in rows], count),
            "round": np.repeat(cols + 1, count),
            "agent": play.agents[agent],
            "action": np.tile(play.labels[agent], len(rows)),
            "probability": (probs / probs.sum(1, keepdims=True)).ravel(),
        }
    )


def main() -> None:
    """Train in every seat, one after another."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100_000, help="of PPO in each seat")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    labels = labels_of(given.train, given.test)
    train, test = read(given.train, labels), read(given.test, labels)
    tables = []
    for agent, name in enumerate(train.agents):
        begun = time.perf_counter()
        tables.append(probabilities(train_seat(train, agent, given.steps, given.seed), test, agent))
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
    pd.concat(tables).to_csv(given.output, index=False)


if __name__ == "__main__":
    main()
