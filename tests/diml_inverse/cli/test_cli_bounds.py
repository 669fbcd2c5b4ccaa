"""`diml bounds` as a person uses it."""

import io

import pandas as pd
import pytest
from click.testing import CliRunner
from slow_definitions import random_traces

from diml_inverse import payoff_bounds
from diml_inverse.cli import main


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def plays(tmp_path):
    traces = random_traces((2, 2), [30, 30], seed=1)
    traces.save(tmp_path / "plays.csv")
    return tmp_path / "plays.csv", traces


def test_bounds_writes_its_folder(plays, tmp_path):
    file, traces = plays
    result = diml("bounds", file, "-o", tmp_path / "bounds", "--regret", 0.1)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "bounds" / "bounds.csv")
    expected = payoff_bounds(traces, 0.1).table
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-4)
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(result.stdout)), table)
    assert (tmp_path / "bounds" / "bounds.png").stat().st_size > 1000
    assert "regret allowed 0.1" in (tmp_path / "bounds" / "report.txt").read_text()
    assert not (tmp_path / "bounds" / "parameters.csv").exists()
    again = diml("bounds", file, "-o", tmp_path / "bounds")
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_a_form_has_its_parameters_bounded(plays, tmp_path):
    result = diml("bounds", plays[0], "-o", tmp_path / "bounds", "--mechanism", "own-load", "--confidence", 0.9)
    assert result.exit_code == 0, result.output
    names = pd.read_csv(tmp_path / "bounds" / "parameters.csv")["parameter"]
    assert names.tolist() == ["payoffs[0,0]", "payoffs[0,1]", "payoffs[1,0]", "payoffs[1,1]"]


def test_wrong_input_is_one_line(plays, tmp_path):
    result = diml("bounds", plays[0], "-o", tmp_path / "bounds", "--regret", "tiny")
    assert result.stderr.count("\n") == 1
    assert '"smallest" or "theory"' in result.stderr
    result = diml("bounds", plays[0], "-o", tmp_path / "bounds", "--regret", -9)
    assert "no payoffs make this play as good as that" in result.stderr
    assert not (tmp_path / "bounds").exists()
