"""Payoffs from a CSV of plays: `python own_csv.py plays.csv`; without a file it writes a small one to show how.

A row for each episode, round and agent; episodes, agents and actions are called what you like.
"""

import sys

import numpy as np
import pandas as pd

import diml_envs
from diml_inverse import LogitDynamics, TabularMLE
from diml_inverse.report import comparison_table, payoff_difference_table


def write_example(path: str) -> None:
    """A buyer who learns to pay honest sellers only, and a seller who learns to be honest, for 20 pairs."""
    rng, rows = np.random.default_rng(0), []
    for pair in range(20):
        for day in range(30):
            buyer = "pays" if rng.random() < 0.3 + 0.02 * day else "refuses"
            seller = "honest" if rng.random() < 0.4 + 0.015 * day else "cheats"
            rows += [(f"pair {pair}", day, "buyer", buyer), (f"pair {pair}", day, "seller", seller)]
    pd.DataFrame(rows, columns=["pair", "day", "role", "choice"]).to_csv(path, index=False)


if len(sys.argv) > 1:
    traces = diml_envs.Traces.from_frame(pd.read_csv(sys.argv[1]))  # columns episode, round, agent, action
else:
    write_example("plays.csv")
    frame = pd.read_csv("plays.csv")
    traces = diml_envs.Traces.from_frame(frame, episode="pair", round="day", agent="role", action="choice")
print(traces)
# People's precision is not known: payoffs then come in units of 1 / precision, so read signs and ratios.
estimate = TabularMLE(LogitDynamics(learning_rate=0.25, precision=1.0, exploration=0.02)).fit(traces)
print(comparison_table(payoff_difference_table(estimate.mechanism, traces), traces).to_string(index=False))
