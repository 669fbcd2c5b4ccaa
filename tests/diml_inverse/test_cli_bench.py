"""`diml bench` as a person uses it."""

import io
from dataclasses import replace

import pandas as pd
import pytest
from benchmark_tasks import BROKEN, CONGESTION
from click.testing import CliRunner

from diml_inverse.benchmark.suites import SUITES
from diml_inverse.cli import bench, main


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def small(monkeypatch):
    paper = replace(SUITES["paper"], tasks={"E2": CONGESTION, "E3": BROKEN}, quick=("E2",))
    monkeypatch.setattr(bench, "SUITES", {"paper": paper})


def test_several_values_after_an_option():
    given = ["paper", "--seeds", "0", "1", "-o", "x", "--tasks", "E1", "--quick"]
    assert bench.repeated(given) == ["paper", "--seeds", "0", "--seeds", "1", "-o", "x", "--tasks", "E1", "--quick"]


@pytest.mark.usefixtures("small")
def test_a_run_and_the_same_again(tmp_path):
    arguments = ("bench", "paper", "--tasks", "E2", "--estimators", "structured", "--seeds", 1, "-o", tmp_path)
    first = diml(*arguments)
    assert first.exit_code == 0, first.output
    shown = pd.read_csv(io.StringIO(first.stdout))
    assert shown[["task", "estimator", "seeds"]].to_numpy().tolist() == [["E2", "structured", 1]]
    assert "1/1" in first.stderr
    results = (tmp_path / "results.csv").read_text()
    assert "Cramér-Rao" in (tmp_path / "report.md").read_text()
    assert diml(*arguments).stdout == first.stdout
    assert (tmp_path / "results.csv").read_text() == results


@pytest.mark.usefixtures("small")
def test_failures_are_told_after_everything_is_written(tmp_path):
    result = diml("bench", "paper", "--tasks", "E3", "--estimators", "equilibrium", "--seeds", 0, "-o", tmp_path)
    assert result.exit_code == 1
    assert "1 of 1 cells failed, the first E3 equilibrium 0 (RuntimeError: no mechanism today)" in result.stderr
    assert "Traceback" not in result.stderr
    assert "logs/E3/equilibrium/0.log" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("papers",), "no suite 'papers'; did you mean 'paper'?"),
        (("paper", "--tasks", "E8"), "no task 'E8'; did you mean"),
        (("paper", "--estimators", "auto", "neurol"), "no estimator 'neurol'; did you mean 'neural'?"),
        (("paper", "--seeds", "one"), "'one' is not a valid integer"),
        (("paper", "--seeds"), "--seeds needs a value"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, tmp_path):
    result = diml("bench", *arguments, "-o", tmp_path / "new")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "new").exists()
