"""Axelrod's strategies in the prisoner's dilemma: they follow rules, learn no payoffs, and `diagnose` says so."""

import axelrod as axl
import numpy as np
from axelrod.action import Action

import agents
import diml_envs
from diml_inverse import LogitDynamics, TabularMLE, diagnose


class Scripted:
    """An Axelrod player whose hand slips now and then; what it sees is both players' last actions, one-hot."""

    def __init__(self, player: axl.Player, place: int, slips: float = 0.05) -> None:
        self.player, self.opponent, self.place, self.slips = player, axl.MockPlayer(), place, slips
        self.rng = np.random.default_rng(place)

    def reset(self) -> None:
        self.player.reset()
        self.opponent.reset()

    def act(self, seen: np.ndarray) -> int:
        defects = self.player.strategy(self.opponent) == Action.D
        return int(defects != (self.rng.random() < self.slips))

    def learn(self, seen: np.ndarray, action: int, payoff: float, seen_next: np.ndarray) -> None:
        both = [(Action.C, Action.D)[played.argmax()] for played in seen_next.reshape(2, 2)]
        mine, theirs = both[self.place], both[1 - self.place]
        self.player.update_history(mine, theirs)
        self.opponent.update_history(theirs, mine)


env = diml_envs.matrix_v0.parallel_env("prisoners_dilemma", max_cycles=50)
players = {"agent_0": Scripted(axl.TitForTat(), 0), "agent_1": Scripted(axl.WinStayLoseShift(), 1)}
train, test = agents.rollout(env, players, num_episodes=40, seed=0).traces.split(0.8)
learners = TabularMLE(LogitDynamics(learning_rate=0.5, exploration=0.06)).fit(train)
checked = diagnose(learners, test, train)
print(checked.likelihoods[["predictor", "log_likelihood"]].to_string(index=False))
print(f"knowing all but the slips: {np.log([0.05, 0.95]) @ [0.05, 0.95]:.3f} nats a choice")
print(checked)
