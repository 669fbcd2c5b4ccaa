"""Wrong input ends in one line on stderr and leaves nothing behind; so does Ctrl-C, without the line."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from places import ROOT

from diml_inverse import Estimate, TabularMLE
from diml_inverse.cli import fitting, main

PLAYS = "episode,round,agent,action,payoff,treatment\n" + "".join(
    f"{e},{t},{who},{('up', 'down')[(e + t) % 2]},{t},{('x', 'y')[e % 2]}\n"
    for e in range(16)
    for t in range(12)
    for who in ("ann", "bob")
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with plays, good and bad."""
    monkeypatch.chdir(tmp_path)
    files = {
        "plays.csv": PLAYS,
        "empty.csv": "",
        "header.csv": PLAYS.partition("\n")[0] + "\n",
        "cut.csv": PLAYS[:600],
        "one.csv": PLAYS.replace("up", "down"),
        "plays.txt": PLAYS,
        "cut.nc": "CDF",
        "unpaid.csv": re.sub(r",\d+,([xy])", r",,\1", PLAYS),
        "infinite.csv": re.sub(r",5,([xy])", r",inf,\1", PLAYS),
        "file": "",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    return tmp_path


def diml(line):
    return CliRunner().invoke(main, line.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("fti plays.csv", "no command 'fti'; did you mean 'fit'?"),
        ("fit", "Missing argument 'PLAYS'"),
        ("fit nowhere.csv -o fit", "no file nowhere.csv"),
        ("fit other -o fit", "other is a folder, not a file of plays"),
        ("fit plays.txt -o fit", "unknown ending '.txt'"),
        ("fit empty.csv -o fit", "empty.csv: "),
        ("fit header.csv -o fit", "no rows"),
        ("fit cut.csv -o fit", "cut.csv: "),
        ("fit cut.nc -o fit", "cut.nc: "),
        ("fit one.csv -o fit", "nothing to recover"),
        ("fit plays.csv -o fit --episode-column epsiode", "did you mean 'episode'?"),
        ("fit plays.csv -o fit --payoff-column payof", "did you mean 'payoff'?"),
        ("fit plays.csv -o fit --payoff-column treatment", "column 'treatment' must hold numbers"),
        (
            "fit unpaid.csv -o fit --payoff-column payoff",
            "column 'payoff': no round has all agents' actions and a payoff",
        ),
        ("fit infinite.csv -o fit --payoff-column payoff", "column 'payoff' must hold finite numbers"),
        ("rollout diml/Congestion-v0 -o x.nc", "did you mean 'diml/congestion_v0'?"),  # Gymnasium's id
        ("tasks nonsense", "no task 'nonsense'"),
        ("bench nowhere.toml -o results", "nowhere.toml: No such file or directory"),
        ("fit plays.csv -o fit --group-column payoff", "column 'payoff' changes within episode '0'"),
        ("fit plays.csv -o fit --mechanism tabluar", "did you mean 'tabular'?"),
        ("fit plays.csv -o fit --precision -1", "precision must be in [0, infinity)"),
        ("fit plays.csv -o fit --precision high", "'high' is not a valid float"),
        ("fit plays.csv -o other", "other exists and holds something else"),
        ("fit plays.csv -o other --overwrite", "other exists and holds something else"),
        ("fit plays.csv -o file", "file is a file; name a folder"),
        ("fit plays.csv -o file/fit", "cannot write file/fit"),
        ("rollout diml/congestoin_v0 -o a.nc", "did you mean 'diml/congestion_v0'?"),
        ("rollout diml/congestion_v0 -o a.txt", "must end in .nc, .csv, .parquet"),
        ("rollout diml/congestion_v0 -o plays.csv", "plays.csv exists; --overwrite replaces it"),
        ("rollout diml/congestion_v0 -o other", "must end in"),
        ("rollout diml/congestion_v0 -o a.nc --learner hegde", "did you mean 'hedge'?"),
        ("rollout diml/congestion_v0 -o a.nc --set num_agnets=4", "did you mean 'num_agents'?"),
        ("rollout diml/congestion_v0 -o a.nc --set num_agents", "--set takes NAME=VALUE; got 'num_agents'"),
        ("rollout diml/congestion_v0 -o a.nc --set num_agents=four", "--set num_agents must be int; got 'four'"),
        ("rollout diml/congestion_v0 -o a.nc --set feedback=own", "needs counterfactual payoffs"),
        ("rollout diml/congestion_v0 -o a.nc --learner-set precision=-1", "precision must be 0 or more"),
        ("rollout diml/congestion_v0 -o a.nc --learner-set precision=low", "precision must be float; got 'low'"),
        ("evaluate other plays.csv", "no fit in other"),
    ],
)
def test_one_clear_line(line, message, folder):
    before = sorted(folder.rglob("*"))
    result = diml(line)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_groups_whose_names_differ_by_a_sign_have_folders_of_their_own(folder):
    (folder / "groups.csv").write_text(PLAYS.replace(",x\n", ",a/b\n").replace(",y\n", ",a_b\n"))
    assert diml("fit groups.csv -o fit --group-column treatment --mechanism tabular").exit_code == 0
    assert {path.name for path in (folder / "fit").iterdir() if path.is_dir()} == {"a_b", "a_b-2"}


def test_payoffs_that_never_differ_can_be_compared_with(folder):
    (folder / "flat.csv").write_text(re.sub(r",\d+,([xy])", r",1,\1", PLAYS))
    result = diml("fit flat.csv -o fit --payoff-column payoff --mechanism tabular")
    assert result.exit_code == 0, result.output


def test_same_fit_twice_says_how_to_replace_it(folder):
    assert diml("fit plays.csv -o fit").exit_code == 0
    assert diml("fit plays.csv -o fit").stderr == "Error: fit holds a former result; --overwrite replaces it\n"
    (folder / "fit" / "notes.txt").write_text("goes with the former fit")
    assert diml("fit plays.csv -o fit --overwrite --group-column treatment").exit_code == 0
    assert sorted(path.name for path in (folder / "fit").iterdir()) == ["fit.json", "x", "y"]
    assert diml("fit plays.csv -o fit --overwrite").exit_code == 0
    assert (folder / "fit" / "estimate.safetensors").exists()


def test_group_names_cannot_lead_out_of_the_folder(folder):
    (folder / "plays.csv").write_text(PLAYS.replace(",x\n", ",../../x\n"))
    assert diml("fit plays.csv -o deep/fit --group-column treatment").exit_code == 0
    assert sorted(path.name for path in (folder / "deep" / "fit").iterdir()) == ["_.._x", "fit.json", "y"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize(("owner", "method"), [(TabularMLE, "fit"), (Estimate, "save")])
def test_a_fit_that_is_broken_off_leaves_the_former_one(folder, monkeypatch, owner, method, kind):
    assert diml("fit plays.csv -o fit").exit_code == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def breaks(*_):
        raise kind("disk full")

    monkeypatch.setattr(owner, method, breaks)
    result = diml("fit plays.csv -o fit --overwrite")
    assert result.exit_code == (130 if kind is KeyboardInterrupt else 1)
    assert ("Error" in result.stderr) == (kind is OSError)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_control_c_ends_a_real_run_with_what_was_found_so_far(folder):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", "from diml_inverse.cli import main; main()"]
    line += ["fit", "plays.csv", "-o", "fit", "--mechanism", "neural"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        while b"mechanism: neural" not in process.stderr.readline():
            pass
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out.startswith(b"agent,others,action")
    assert b"Traceback" not in err
    assert b"%|" not in err  # no bar where nobody looks
    assert b"stopped (interrupted): this is the best found so far" in err
    assert json.loads((folder / "fit" / "fit.json").read_text())["stopped"] == "interrupted"
    assert Estimate.load(folder / "fit" / "estimate.safetensors").info["stopped"] == "interrupted"


def test_control_c_twice_gives_up(folder, monkeypatch):
    before = sorted(folder.rglob("*"))

    def impatient(*_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TabularMLE, "fit", impatient)
    result = diml("fit plays.csv -o fit --mechanism tabular")
    assert result.exit_code == 130
    assert result.stdout == ""
    assert sorted(folder.rglob("*")) == before


def test_a_time_limit_ends_a_fit_with_what_was_found_so_far(folder):
    result = diml("fit plays.csv -o fit --mechanism neural --time-limit 0.001")
    assert result.exit_code == 0, result.output
    facts = json.loads((folder / "fit" / "fit.json").read_text())
    assert facts["stopped"] == "time limit of 0.001 s"
    assert facts["intervals"] == "none: time limit of 0.001 s"
    assert facts["estimator"]["epochs"] == [1]
    table = diml("fit plays.csv -o tabular --mechanism tabular --time-limit 0.001")
    assert "stopped (time limit of 0.001 s): this is the best found so far" in table.stderr
    found = json.loads((folder / "tabular" / "fit.json").read_text())["estimator"]
    assert (found["stopped"], found["iterations"]) == ("time limit of 0.001 s", 1)


def test_groups_that_were_not_reached_are_named(folder):
    result = diml("fit plays.csv -o fit --group-column treatment --mechanism tabular --time-limit 0.001")
    assert "not fitted (time limit of 0.001 s): treatment y" in result.stderr
    assert sorted(path.name for path in (folder / "fit").iterdir()) == ["fit.json", "x"]


def test_errors_can_be_left_out(folder):
    assert diml("fit plays.csv -o fit --mechanism tabular --no-errors").exit_code == 0
    facts = json.loads((folder / "fit" / "fit.json").read_text())
    assert facts["stopped"] is None
    assert facts["intervals"] == "none: not asked for (--no-errors)"
    assert "std_error" not in (folder / "fit" / "payoff_differences.csv").read_text()


@pytest.mark.parametrize("stage", ["diagnose", "save_fit"])
def test_what_was_recovered_is_kept_whatever_happens_afterwards(folder, monkeypatch, stage):
    """Errors once took minutes after the fit, and whoever lost patience lost the fit."""
    right = getattr(fitting, stage)

    def broken(*arguments, **_):
        if stage == "diagnose" or arguments[-1]:  # with pictures, at the end
            raise MemoryError("too much")
        return right(*arguments)

    monkeypatch.setattr(fitting, stage, broken)
    assert isinstance(diml("fit plays.csv -o fit --mechanism tabular").exception, MemoryError)
    assert Estimate.load(folder / "fit" / "estimate.safetensors").agents == ("ann", "bob")
    assert json.loads((folder / "fit" / "fit.json").read_text())["intervals"] == "none: not computed"
