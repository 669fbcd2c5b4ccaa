"""Payoffs from a CSV of plays: `python own_csv.py plays.csv`; without a file it writes one to show how.

A row for each episode, round and agent; episodes, agents and actions are called what you like.
"""

import sys
from pathlib import Path

import pandas as pd

import agents
import diml_envs
from diml_inverse import LogitDynamics, TabularMLE
from diml_inverse.report import comparison_table, payoff_difference_table

# What both earn, [buyer's action, seller's action, who earns]; actions in the order of their names, as from a CSV.
ROLES, CHOICES = ["buyer", "seller"], [["pays", "refuses"], ["cheats", "honest"]]
EARNED = [[[-1.0, 2.0], [1.0, 1.0]], [[0.0, -0.5], [0.0, 0.0]]]


def write_example(path: Path) -> None:
    """Forty pairs meet on forty days and learn from what they earn; the file tells only what they chose."""
    env = diml_envs.matrix_v0.parallel_env(payoffs=EARNED, max_cycles=40)
    played = agents.rollout(env, agents.LogitQ(precision=1.0, exploration=0.02), num_episodes=40)
    path.parent.mkdir(exist_ok=True)
    diml_envs.Traces(played.traces.actions, agents=ROLES, action_labels=CHOICES).save(path)


truth = None if len(sys.argv) > 1 else diml_envs.mechanisms.TabularMechanism.from_payoffs(EARNED)
file = Path("output/plays.csv" if truth else sys.argv[1])
if truth:
    write_example(file)
traces = diml_envs.Traces.from_frame(pd.read_csv(file), episode="episode", agent="agent")  # your names of the columns
print(traces)
# People's precision is not known: payoffs then come in units of 1 / precision, so read signs and ratios.
estimate = TabularMLE(LogitDynamics(learning_rate=0.25, precision=1.0, exploration=0.02)).fit(traces)
print(comparison_table(payoff_difference_table(estimate.mechanism, traces, truth), traces).to_string(index=False))
