"""Scripted seats in `diml fit`: taken as given, with a word, and left out of the table and the verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from diml_envs import Traces
from diml_inverse import DIML, LogitDynamics, TabularMLE, diagnose, log_likelihood
from diml_inverse.cli import main
from diml_inverse.cli.candidates import default_mechanism
from diml_inverse.identification import visited_contexts
from diml_inverse.report.tables import payoff_difference_table, with_intervals

LEARNERS = "--learning-rate .25 --precision 3 --exploration .06"


def play(num_episodes: int = 40, num_rounds: int = 60) -> Traces:
    """A logit-Q learner whose payoff is 1 where it does as the script, which makes the same moves in each episode."""
    rng = np.random.default_rng(11)
    script = rng.integers(0, 2, num_rounds)
    actions = np.zeros((num_episodes, num_rounds, 2), np.int64)
    attractions = np.zeros((num_episodes, 2))
    for t, move in enumerate(script):
        chances = np.exp(3 * attractions) / np.exp(3 * attractions).sum(1, keepdims=True)
        actions[:, t, 0] = rng.random(num_episodes) > 0.94 * chances[:, 0] + 0.03
        actions[:, t, 1] = move
        attractions += 0.25 * (np.eye(2)[move] - attractions)
    return Traces(actions, agents=["learner", "script"])


@pytest.mark.parametrize("options", ["", "--given script"])
def test_a_script_gets_no_payoffs_and_no_verdict(tmp_path: Path, options: str) -> None:
    """Fault: the learner was recovered (.96, -.91; true 1, -1), the script "earned" .56, all were condemned."""
    play().to_frame().to_csv(tmp_path / "plays.csv", index=False)
    line = f"fit {tmp_path / 'plays.csv'} -o {tmp_path / 'fit'} {LEARNERS} {options}"
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 0, result.output
    assert ("script: the same moves in all episodes" in result.stderr) == (not options)
    assert result.stderr.count("same moves") == (not options)
    table = pd.read_csv(tmp_path / "fit" / "payoff_differences.csv")
    assert set(table["agent"]) == {"learner"}
    one = table[table["action"] == 1].set_index("others")
    for others, truth in {"script=0": -1.0, "script=1": 1.0}.items():
        row = one.loc[others]
        assert row["difference_low"] < truth < row["difference_high"]
        assert row["difference"] == pytest.approx(truth, abs=0.2)
    assert "script: 1" not in (tmp_path / "fit" / "summary.txt").read_text()
    facts: dict[str, Any] = json.loads((tmp_path / "fit" / "fit.json").read_text())
    assert facts["decisions"] == 40 * 59
    assert facts["verdict"].startswith("The model describes the agents: none of")


def test_given_moves_are_scored_nowhere() -> None:
    """Null: what is found of the learner does not hang on the given moves' being another agent's."""
    traces = play(10, 30).replace(given=["script"])
    dynamics = LogitDynamics(0.25, 3.0, 0.06)
    estimate = TabularMLE(dynamics).fit(traces)
    learner = np.log(np.take_along_axis(estimate.choice_probs(traces)[:, 1:, 0], traces.actions[:, 1:, :1], -1)).mean()
    assert float(log_likelihood(estimate.mechanism, dynamics, traces)) == pytest.approx(learner, abs=1e-9)
    found = diagnose(estimate, traces, cloning=False)
    assert found.decisions == 10 * 29
    assert set(found.agents["agent"]) == {"learner"}
    assert not found.checks["agent"].isin(["script"]).any()
    assert set(visited_contexts(traces)["agent"]) == {0}
    assert default_mechanism(traces)[1] == "4 free payoffs in a table, 300 observed decisions"


def test_learnt_structure_leaves_given_seats_out() -> None:
    """The table has intervals for the learner, which hold the truth (1, -1), and no row of the script."""
    traces = play(10, 30).replace(given=["script"])
    estimate = DIML("auto", LogitDynamics(0.25, 3.0, 0.06)).fit(traces)
    table, made = with_intervals(payoff_difference_table(estimate.mechanism, traces), estimate, traces)
    assert made.startswith("95% intervals")
    one = table[table["action"] == 1].set_index("others")
    assert set(table["agent"]) == {"learner"}
    assert one.loc["script=1", "difference_low"] < 1 < one.loc["script=1", "difference_high"]
    assert one.loc["script=0", "difference_low"] < -1 < one.loc["script=0", "difference_high"]
    assert "script: 1" not in str(estimate.summary())


@pytest.mark.parametrize("persists", [True, False])
def test_contexts_of_persons_count_where_they_choose_again_in_another_match(persists: bool) -> None:
    """Three strangers in matches of one round: person 0 meets both others and then chooses no more."""
    actions, seated = [[[0, 1]], [[1, 0]], [[0, 0]]], [[0, 1], [0, 2], [1, 2]]
    traces = Traces(actions, persons=seated, sessions=[0, 0, 0], begins=[0, 1, 2])
    alone = traces if persists else Traces(actions)
    visits = visited_contexts(alone).groupby("agent")["visits"].sum().to_dict()
    assert visits == ({0: 1, 1: 2} if persists else {})
