"""Tasks as files, and answers to them: the best one is judged best, and what is wrong with others is said."""

import io
import json
import random

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from diml_envs.traces import Traces
from diml_inverse.benchmark.reports.results import read_records
from diml_inverse.benchmark.tasks.answers import GivenChoices, read_answer
from diml_inverse.benchmark.tasks.catalogue import TASKS
from diml_inverse.benchmark.tasks.contexts import GivenDifferences
from diml_inverse.cli import main

TASK = "matrix-5x5-v0"


def diml(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "matrix"
    result = diml("tasks", TASK, "--export", folder, "--seed", 2)
    assert result.exit_code == 0, result.output
    return folder


def scored(*arguments):
    result = diml("score", *arguments)
    assert result.exit_code == 0, result.output
    return pd.read_csv(io.StringIO(result.stdout)).set_index("metric")["value"]


def test_what_may_be_seen_holds_the_play_and_nothing_of_the_truth(exported):
    play = TASKS[TASK].play(2)
    for name, traces in (("train", play.train), ("test", play.test)):
        loaded = Traces.load(exported / "play" / f"{name}.nc")
        np.testing.assert_array_equal(loaded.actions, traces.actions)
        assert list(pd.read_csv(exported / "play" / f"{name}.csv")) == ["episode", "round", "agent", "action"]
    assert list(pd.read_csv(exported / "play" / "contexts.csv")) == ["agent", "others", "action"]
    told = json.loads((exported / "play" / "task.json").read_text())
    assert told["learners"]["precision"] == 1.5
    assert {path.name for path in (exported / "truth").iterdir()} == {
        "payoff_differences.csv",
        "choice_probabilities.csv",
    }


def test_the_truth_is_the_best_answer(exported):
    found = scored(TASK, *(exported / "truth").iterdir(), "--seed", 2)
    assert found["payoff_difference_mse_relative"] == pytest.approx(0, abs=1e-12)
    assert found["choice_kl"] == pytest.approx(0, abs=1e-12)
    assert found["log_likelihood"] == pytest.approx(found["truth_log_likelihood"])


def test_knowing_nothing_scores_one(exported, tmp_path):
    nothing = pd.read_csv(exported / "play" / "contexts.csv").assign(payoff_difference=0.0)
    nothing.to_csv(tmp_path / "nothing.csv", index=False)
    assert scored(TASK, tmp_path / "nothing.csv", "--seed", 2)["payoff_difference_mse_relative"] == pytest.approx(1)


def test_an_estimate_of_diml_fit_is_an_answer(exported, tmp_path):
    assert diml("fit", exported / "play" / "train.nc", "-o", tmp_path / "fit").exit_code == 0
    found = scored(TASK, tmp_path / "fit" / "payoff_differences.csv", "--seed", 2, "--fill-missing")
    assert found["payoff_difference_mse_relative"] < 0.5


def test_an_answer_stands_beside_the_estimators(exported, tmp_path):
    answer = exported / "truth" / "payoff_differences.csv"
    result = diml("score", TASK, answer, "--seed", 2, "--into", tmp_path, "--name", "mine", "--suite", "core")
    assert result.exit_code == 0, result.output
    (record,) = read_records(tmp_path)
    assert (record.task, record.estimator, record.seed, record.suite) == (TASK, "mine", 2, "core")
    assert "mine" in (tmp_path / "results.csv").read_text()
    again = diml("score", TASK, answer, "--into", tmp_path, "--name", "auto")
    assert again.exit_code == 2
    assert "--name must be new" in again.stderr


def test_rows_in_any_order_and_other_columns(exported, tmp_path):
    table = pd.read_csv(exported / "truth" / "choice_probabilities.csv").sample(frac=1, random_state=0)
    table.assign(remark="x").to_csv(tmp_path / "shuffled.csv", index=False)
    assert scored(TASK, tmp_path / "shuffled.csv", "--seed", 2)["choice_kl"] == pytest.approx(0, abs=1e-12)


def changed(column, row, value):
    def change(table):
        table.loc[row, column] = value
        return table

    return change


DIFFERENCES, CHOICES = "payoff_differences.csv", "choice_probabilities.csv"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (DIFFERENCES, lambda t: t.drop(columns="others"), "columns are agent, action, payoff_difference; payoff"),
        (DIFFERENCES, changed("agent", 1, "agent_9"), "row 2 after the header: no agent 'agent_9' in the test play"),
        (DIFFERENCES, changed("action", 0, "7"), "row 1 after the header: no action of agent 'agent_0' '7'"),
        (DIFFERENCES, changed("payoff_difference", 3, "much"), "row 4 after the header: payoff_difference must be a"),
        (DIFFERENCES, changed("payoff_difference", 3, "inf"), "must be a finite number; got 'inf'"),
        (DIFFERENCES, changed("payoff_difference", 3, ""), "must be a finite number; got ''"),
        (DIFFERENCES, lambda t: pd.concat([t, t.iloc[:1]]), "the same agent, others and action as in a row before"),
        (DIFFERENCES, lambda t: t.iloc[1:], "1 of 10 contexts of the test play are not answered for every action"),
        (DIFFERENCES, changed("others", 0, "agent_1=9"), "1 of 10 contexts of the test play are not answered"),
        (CHOICES, changed("episode", 0, "99"), "row 1 after the header: no episode '99' in the test play"),
        (CHOICES, changed("round", 0, "-1"), "no round '-1' in the test play"),
        (CHOICES, changed("probability", 2, "1.5"), "row 3 after the header: probability 1.5 is outside 0..1"),
        (CHOICES, changed("probability", 2, "nan"), "must be a finite number; got 'nan'"),
        (CHOICES, lambda t: pd.concat([t, t.iloc[:1]]), "the same episode, round, agent and action as in a row before"),
        (CHOICES, lambda t: t.iloc[1:], "1 of 1416 decisions are not answered for every action, the first: episode 48"),
        (CHOICES, changed("probability", 0, "0.9"), "are no choice probabilities"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(exported, tmp_path, name, change, message):
    table = change(pd.read_csv(exported / "truth" / name, dtype=str).reset_index(drop=True))
    table.to_csv(tmp_path / "answer.csv", index=False)
    result = diml("score", TASK, tmp_path / "answer.csv", "--seed", 2)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CSV of answers"),
        (b"agent,others,action,payoff_difference\n", "it has no rows"),
        (b"agent,agent,action\na,b,c\n", "is there twice"),
        (b"agent,others,action,payoff_difference\na,b\n", "is not a CSV of answers"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not a CSV of answers"),
    ],
)
def test_what_is_no_table(exported, tmp_path, content, message):
    (tmp_path / "answer.csv").write_bytes(content)
    result = diml("score", TASK, tmp_path / "answer.csv")
    assert result.exit_code == 1
    assert message in result.stderr


def check_damaged(source, path, test, seed, number):
    """Random bytes put in, taken out or changed: an answer or a ValueError that names the file."""
    generator, whole = random.Random(seed), source.read_bytes()
    for _ in range(number):
        content = bytearray(whole)
        for _ in range(generator.randint(1, 5)):
            place = generator.randrange(len(content))
            content[place : place + generator.randint(0, 3)] = generator.choice(
                [b"", b"\0", b'"', b",", b"\n", b";", b"\xff", b"nan", b"1e999", b"agent_0", b"-"]
            )
        path.write_bytes(content)
        try:
            answer = read_answer(path, test, fill_missing=generator.random() < 0.5)
        except ValueError as error:
            said = str(error)
        else:
            assert isinstance(answer, GivenChoices | GivenDifferences)
            continue
        assert str(path) in said


@pytest.mark.parametrize("name", [DIFFERENCES, CHOICES])
def test_damaged_answers(exported, tmp_path, name):
    check_damaged(exported / "truth" / name, tmp_path / "a.csv", TASKS[TASK].play(2).test, 0, 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", [DIFFERENCES, CHOICES])
def test_many_damaged_answers(exported, tmp_path, name):
    check_damaged(exported / "truth" / name, tmp_path / "a.csv", TASKS[TASK].play(2).test, 1, 2000)


def test_the_list_of_tasks():
    table = pd.read_csv(io.StringIO(diml("tasks").stdout))
    assert list(table["task"]) == list(TASKS)
    assert table["about"].notna().all()
    core = pd.read_csv(io.StringIO(diml("tasks", "core").stdout))
    assert all("core" in suites.split() for suites in core["suites"])
    assert diml("tasks", "E7-*").stdout.count("\n") == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tasks", "congestion-smal-v0"), "did you mean 'congestion-small-v0'?"),
        (("tasks", "--export", "x"), "--export takes the name of one task"),
        (("tasks", "inspection-game-v0", "--export", "x"), "needs recorded plays (--human-play FOLDER"),
        (("score", "matrix-5x5-v1", "x.csv"), "did you mean 'matrix-5x5-v0'?"),
        (("score", TASK, "none.csv"), "none.csv"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = diml(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced(exported):
    result = diml("tasks", TASK, "--export", exported)
    assert result.exit_code == 1
    assert "exists; name a new folder" in result.stderr
