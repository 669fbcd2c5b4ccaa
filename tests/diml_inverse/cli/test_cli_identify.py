"""`diml identify` as a person uses it."""

import io

import pandas as pd
import pytest
from click.testing import CliRunner

from diml_inverse.cli import main


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_identify_writes_its_folder(tmp_path):
    sizes = ("--set", "num_agents=2", "--set", "num_actions=3", "--set", "max_cycles=20")
    diml("rollout", "diml/congestion_v0", "--episodes", 10, *sizes, "-o", tmp_path / "plays.nc")
    arguments = ("identify", tmp_path / "plays.nc", "--mechanism", "congestion", "-o", tmp_path / "identified")
    result = diml(*arguments)
    assert result.exit_code == 0, result.output
    counts = pd.read_csv(io.StringIO(result.stdout))
    assert counts[["agent", "identified", "differences"]].to_numpy().tolist() == [
        ["agent_0", "exactly", 9],
        ["agent_1", "exactly", 9],
    ]
    assert "precision=3 (file)" in result.stderr
    assert "payoff_differences.csv" not in result.stderr  # which only a fit writes
    table = pd.read_csv(tmp_path / "identified" / "identification.csv")
    medians = table.groupby("agent", sort=False)["observations"].median()
    assert counts["median_observations"].tolist() == pytest.approx(medians.tolist(), rel=1e-3)
    changes = pd.read_csv(tmp_path / "identified" / "invariances.csv")["change"]
    assert (changes < 1e-6).all()
    assert (tmp_path / "identified" / "identification.png").stat().st_size > 1000
    assert "What play identifies" in (tmp_path / "identified" / "report.txt").read_text()
    again = diml(*arguments)
    assert "--overwrite" in again.stderr
    assert again.exit_code == 1
    assert diml(*arguments, "--overwrite").stdout == result.stdout


def test_wrong_input_is_one_line(tmp_path):
    (tmp_path / "plays.csv").write_text("episode,round,agent,action\n0,0,me,stay\n0,1,me,stay\n")
    result = diml("identify", tmp_path / "plays.csv", "-o", tmp_path / "identified")
    assert "no agent ever chose between actions" in result.stderr
    result = diml("identify", tmp_path / "plays.csv", "-o", tmp_path / "identified", "--mechanism", "tabula")
    assert "did you mean 'tabular'?" in result.stderr
