"""`diml fit --payoff-column`: whoever has payoffs is compared, and costs are asked about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

import agents
import diml_envs
from diml_envs import Traces
from diml_inverse.cli import main
from diml_inverse.cli.options import Columns
from diml_inverse.cli.plays import groups_of, read_column, read_plays
from diml_inverse.cli.scores import agreement, agreement_in_words
from diml_inverse.cli.truth import truth_from_payoffs


@pytest.fixture(scope="module")
def play() -> pd.DataFrame:
    """Two roles of a 2x2 game; a column of what each earned. Differences are 1, -1 (row) and -.5, 1.5 (column)."""
    table = [[[-1.0, 0.5], [1.0, 0.0]], [[0.0, -1.0], [0.0, 0.5]]]
    env = diml_envs.matrix_v0.parallel_env(payoffs=table, max_cycles=50)
    made = agents.rollout(env, agents.LogitQ(precision=1.0, exploration=0.02), num_episodes=40, seed=3)
    named = diml_envs.Traces(made.traces.actions, agents=["row", "column"])
    return named.to_frame().assign(earned=made.payoffs.ravel())


def fit(frame: pd.DataFrame, folder: Path, options: str = "--precision 1 --no-errors") -> tuple[Result, dict[str, Any]]:
    frame.to_csv(folder / "plays.csv", index=False)
    line = f"fit {folder / 'plays.csv'} -o {folder / 'fit'} --mechanism tabular --payoff-column earned {options}"
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 0, result.output
    facts = json.loads((folder / "fit" / "fit.json").read_text())
    return result, facts["agreement"]


def test_costs_have_opposite_signs_and_are_asked_about(play: pd.DataFrame, tmp_path: Path) -> None:
    """Fault: players who minimise, with --payoff-column given: every sign opposite, no word."""
    result, found = fit(play.assign(earned=-play["earned"]), tmp_path)
    assert "signs are opposite for column, row: are these costs?" in result.stderr
    for own in found.values():
        assert own["correlation"] < -0.95
        assert own["rescaling"] == pytest.approx(-1, abs=0.2)
        assert own["error"] == pytest.approx(4, abs=0.8)
        assert own["error_after"] == pytest.approx(1 - own["correlation"] ** 2)


def test_one_role_is_compared_where_the_others_payoffs_are_not_known(play: pd.DataFrame, tmp_path: Path) -> None:
    """Fault: one role's payoffs known: refused, naming nobody."""
    result, found = fit(play.assign(earned=play["earned"].where(play["agent"] == "row")), tmp_path)
    assert "not compared, as no payoff of theirs is known: column" in result.stderr
    assert "opposite" not in result.stderr
    assert list(found) == ["row"]
    assert found["row"]["rescaling"] == pytest.approx(1, abs=0.2)
    assert found["row"]["error_after"] < 0.05


def test_each_group_is_compared_with_its_own_payoffs(play: pd.DataFrame, tmp_path: Path) -> None:
    """Payoffs of one treatment are twice those of the other: both tables were once the mean of the two."""
    second = play["episode"].astype(int) >= 20
    frame = play.assign(treatment=np.where(second, "b", "a"), earned=play["earned"].where(~second, 2 * play["earned"]))
    frame.to_csv(tmp_path / "plays.csv", index=False)
    columns = Columns()
    groups = groups_of(tmp_path / "plays.csv", "treatment", columns, read_plays(tmp_path / "plays.csv", columns))
    paid = read_column(tmp_path / "plays.csv", "earned", columns, "--payoff-column")
    for times, part in enumerate(groups.values(), 1):
        table = truth_from_payoffs(paid, "earned", columns, part).mechanism
        of_column_and_row = table(torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])).detach()
        np.testing.assert_allclose(of_column_and_row, times * np.array([[0.5, -1], [-1, 0], [0, 1], [0.5, 0]]))


def test_payoffs_of_one_agent_alone_are_its_table() -> None:
    frame = pd.DataFrame({"episode": "0", "round": ["0", "1", "2"], "agent": "a", "action": ["x", "y", "x"]})
    traces = Traces.from_frame(frame.astype({"round": int}))
    truth = truth_from_payoffs(frame.assign(paid=[1.0, 2.0, 4.0]), "paid", Columns(), traces)
    np.testing.assert_array_equal(truth.mechanism(torch.tensor([[0], [1]])).detach(), [[2.5], [2]])


def test_agreement_by_hand() -> None:
    """Found (1, -1) and (0, 0), true (-2, 2) and (1, -1), met 3 times and once: products 3 x -4, sizes 3 x 2, 26."""
    columns = ["agent", "others", "payoff_difference", "true_payoff_difference", "visits"]
    rows = [("a", "x", 1.0, -2.0, 3), ("a", "x", -1.0, 2.0, 3), ("a", "y", 0.0, 1.0, 1), ("a", "y", 0.0, -1.0, 1)]
    unknown = [("b", "x", 1.0, np.nan, 1), ("c", "x", 0.0, 1.0, 1)]
    found = agreement(pd.DataFrame([*rows, *unknown], columns=columns))
    assert list(found) == ["a", "c"]
    assert found["a"] == pytest.approx(
        {
            "contexts": 2,
            "correlation": -12 / np.sqrt(6 * 26),
            "rescaling": -2,
            "error": (3 * 18 + 2) / 26,
            "error_after": 2 / 26,
        }
    )
    assert found["c"] == {"contexts": 1, "correlation": None, "rescaling": None, "error": 1.0, "error_after": None}
    lines = list(agreement_in_words(found, ["b"]))
    assert lines[0].startswith("a: correlation -0.96 with the payoffs to compare with; recovered ones times -2 are")
    assert lines[0].endswith("miss 8% of what there is to know")
    assert lines[2:] == [
        "signs are opposite for a: are these costs? Then change their sign in the file",
        "not compared, as no payoff of theirs is known: b",
    ]
