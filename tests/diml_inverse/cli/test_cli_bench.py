"""`diml bench` as a person uses it."""

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from benchmark_tasks import BROKEN, CONGESTION
from click.testing import CliRunner
from places import HELPERS

from diml_inverse.benchmark.running.suites import SUITES
from diml_inverse.cli import benching, main
from diml_inverse.cli.commands import bench


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def small(monkeypatch):
    paper = replace(SUITES["paper"], tasks={"E2": CONGESTION, "E3": BROKEN}, quick=("E2",))
    monkeypatch.setattr(benching, "SUITES", {"paper": paper})


def test_several_values_after_an_option():
    given = ["paper", "--seeds", "0", "1", "-o", "x", "--tasks", "E1", "--quick"]
    assert bench.repeated(given) == ["paper", "--seeds", "0", "--seeds", "1", "-o", "x", "--tasks", "E1", "--quick"]


@pytest.mark.usefixtures("small")
def test_a_run_and_the_same_again(tmp_path):
    arguments = ("bench", "paper", "--tasks", "E2", "--estimators", "structured", "--seeds", 1, "-o", tmp_path)
    first = diml(*arguments)
    assert first.exit_code == 0, (first.output, first.exception)
    shown = pd.read_csv(io.StringIO(first.stdout))
    assert shown[["task", "estimator", "seeds"]].to_numpy().tolist() == [["E2", "structured", 1]]
    assert "%|" not in first.stderr  # no bar where nobody looks
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


PLUGIN = HELPERS / "suite_estimators.py"
MINE = """
tasks = ["matrix-5x5-v0"]
seeds = [4]
estimators = ["equilibrium", {name = "rough", use = "equilibrium", settings = {pseudo_count = 50.0}}]
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def test_a_suite_of_ones_own_with_an_estimator_of_ones_own(mine, tmp_path):
    results = tmp_path / "results"
    result = diml("bench", mine, "--plugin", f"{PLUGIN}:Shares", "-o", results)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(results / "results.csv")
    assert set(table["estimator"]) == {"equilibrium", "rough", "Shares"}
    assert set(table["seed"]) == {4}
    kl = table[table["metric"] == "choice_kl"].set_index("estimator")["value"]
    assert kl["rough"] != kl["equilibrium"]
    record = json.loads((results / "cells" / "matrix-5x5-v0" / "Shares" / "4.json").read_text())
    assert record["command"].startswith(
        f"diml bench {mine} --tasks matrix-5x5-v0 --estimators Shares --seeds 4 --plugin"
    )
    report = (results / "report.md").read_text()
    assert "pseudo_count 50.0" in report
    assert "| Shares |" in report


@pytest.mark.parametrize(
    ("suite", "arguments", "message"),
    [
        (MINE + "task = 1", (), "unknown key 'task'; did you mean 'tasks'?"),
        (MINE.replace("pseudo_count", "pseudo_cuont"), (), "'rough' takes no setting 'pseudo_cuont'; did you mean"),
        (MINE.replace("50.0", "-1.0"), (), "'rough' refuses its settings"),
        (MINE, ("--plugin", f"{PLUGIN}:Share"), "defines no 'Share'; did you mean 'Shares'?"),
        (MINE, ("--plugin", f"{PLUGIN}:Misbehaves"), "needs how, not among its settings"),
        (MINE, ("--plugin", "none.py:Mine"), "no file none.py"),
        (MINE, ("--plugin", "mine.py:auto"), "'auto' is a built-in estimator"),
        (MINE, ("--plugin", "a.py:Mine", "--plugin", "b.py:Mine"), "two have the same name"),
        (MINE, ("--human-play", "none"), "'none' does not exist"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(suite, arguments, message, tmp_path):
    (tmp_path / "mine.toml").write_text(suite)
    result = diml("bench", tmp_path / "mine.toml", *arguments, "-o", tmp_path / "new")
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "new").exists()


def test_tasks_by_pattern_and_version():
    paper = SUITES["paper"]
    assert [task.name for task in benching._tasks(paper, ("E7-*", "E2-v0"), False, None)][4:] == ["E7-n300", "E2"]


def test_tasks_without_their_plays_are_skipped(tmp_path):
    result = diml("bench", "core", "--tasks", "inspection-game-v0", "--seeds", 0, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "results.csv")
    assert set(table["metric"]) == {"skipped"}
    assert "needs recorded plays" in (tmp_path / "report.md").read_text()
