"""Simulate learning agents in the congestion game, recover its payoffs from what they did, compare with the truth."""

from pathlib import Path

import agents
import diml_envs
from diml_inverse import DIML, LogitDynamics, report


def main() -> None:
    """Four agents, five resources, 60 episodes of 60 rounds: the second experiment of the DIML paper."""
    env = diml_envs.congestion_v0.parallel_env(num_agents=4, num_actions=5, max_cycles=60, mechanism_seed=0)
    learners = agents.LogitQ(learning_rate=0.25, precision=3.0, exploration=0.06)
    traces = agents.rollout(env, learners, num_episodes=60, seed=0).traces  # actions only, nothing of the payoffs

    dynamics = LogitDynamics(learning_rate=0.25, precision=3.0, exploration=0.06)
    estimate = DIML("auto", dynamics, seed=0, progress=True).fit(traces)  # "auto": no structure told, it is learnt

    table = report.payoff_difference_table(estimate.mechanism, traces, truth=env.mechanism)
    comparison = report.comparison_table(table, traces)
    shown = ["agent", "others", "action", "payoff_difference", "true_payoff_difference", "visits"]
    print("Each agent's most visited context: payoff of an action less the mean over the agent's actions")
    print(comparison.groupby("agent").head(5)[shown].to_string(index=False, float_format="%.2f"))
    print(f"\nerror over that of knowing nothing, all contexts: {report.relative_error(comparison):.3f}")

    print("\nWhat this game is made of, found from the play alone:")
    kinds = report.composition_table(estimate).query("prior_variance > 0")[
        ["kind", "share_of_variance", "log_evidence"]
    ]
    print(kinds.to_string(index=False, float_format="%.3f"))

    (output := Path("output")).mkdir(exist_ok=True)
    report.composition_chart(estimate).savefig(output / "made_of.png", dpi=150)
    report.recovered_against_true(comparison).savefig(output / "recovered_against_true.png", dpi=150)
    print("pictures: output/recovered_against_true.png, output/made_of.png")


if __name__ == "__main__":
    main()
